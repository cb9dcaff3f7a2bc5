"""The code version follows every function of the user's own that a declaration can reach, and names what changed."""

import subprocess
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import AssetCode, code_of

FEATURES = """
import dataclasses, functools, random
import polars as pl
import feature_platform as fp
import shop.deep.units
from shop import helpers, kitchen as kit
from shop.helpers import clean, clean as tidy, scaled, Cleaner, STEPS, RULES
from shop.kitchen import CLEANER

customer = fp.Entity("customer", ["k"])
orders = fp.Source("orders", fp.sources.Csv("orders.csv"), event_time="at")


def view(function, **more):
    return fp.feature_view(entity=customer, source=orders, name="v", **more)(function)


def outer(function):
    def inner(rows):
        return function(rows)

    return inner


def imports_in_its_body(rows):
    from .lazy import late
    import shop.lazy as module
    return module.other(late(rows))


def by_default(rows, function=clean):
    return function(rows)


def nested(rows):
    def within(frame):
        return [clean(each) for each in frame]

    return within(rows)


@scaled(2)
def wrapped(rows):
    return rows


@functools.lru_cache
def remembered(rows):
    return clean(rows)


DECLARED = {
    "same module": view(lambda rows: below(rows)),
    "other module": view(lambda rows: clean(rows)),
    "alias": view(lambda rows: tidy(rows)),
    "module attribute": view(lambda rows: helpers.clean(rows)),
    "module alias": view(lambda rows: kit.polish(rows)),
    "package path": view(lambda rows: shop.deep.units.crowns(rows)),
    "closure": view(outer(clean)),
    "default": view(by_default),
    "partial": view(functools.partial(by_default, function=kit.polish)),
    "dict of functions": view(lambda rows: STEPS["clean"](rows)),
    "dataclass of functions": view(lambda rows: RULES.first(rows)),
    "import in the body": view(imports_in_its_body),
    "nested": view(nested),
    "decorator": view(wrapped),
    "cached function": view(remembered),
    "method": view(lambda rows: Cleaner(1).run(rows)),
    "object": view(lambda rows: CLEANER.run(rows)),
    "object that is called": view(kit.CALLED),
    "bound method": view(CLEANER.run),
    "recursion": view(lambda rows: helpers.even(rows, 3)),
    "constant of a helper": view(lambda rows: helpers.limited(rows)),
    "pattern": view(lambda rows: helpers.matched(rows)),
    "aggregation": view(lambda rows: rows, aggregations=[kit.Spread("x", windows=["1d"])]),
    "prepare": fp.Source("s", fp.sources.Csv("a.csv"), event_time="at", prepare=by_default),
    "label": fp.label(entity=customer, source=orders, name="l")(nested),
    "connector": fp.Source("s", kit.Rows("a.csv"), event_time="at"),
    "on demand": fp.TrainingSet(
        "t",
        service=fp.FeatureService(
            "s", [fp.on_demand(inputs=[fp.Request({"a": pl.Float64})], name="o")(lambda row: helpers.asked(row))]
        ),
        spine=pl.DataFrame({"a": [1.0]}).with_columns(event_timestamp=pl.datetime(2024, 1, 1, time_zone="UTC")),
    ),
    "imputation": fp.TrainingSet(
        "t",
        service=fp.FeatureService(
            "s",
            [view(lambda rows: rows, aggregations=[fp.Max("x", windows=["1d"])])["x_max_1d"]],
            impute={"x_max_1d": kit.Nought()},
        ),
        spine=orders,
    ),
}


def below(rows):
    return clean(rows)
"""

HELPERS = '''
import re
import functools
from dataclasses import dataclass, field

LIMIT = 100
PAID = re.compile("paid")
_seen = {}
_count = 0


def clean(rows):
    """Rows without noise."""
    # what is cheap is noise
    return rows.filter(rows.x > 1)


def unrelated(rows):
    return rows.head(1)


def limited(rows):
    global _count
    _count += 1
    _seen["last"] = _count
    return rows.head(LIMIT)


def matched(rows):
    return PAID.match(rows)


def even(rows, n):
    return rows if n == 0 else odd(rows, n - 1)


def odd(rows, n):
    return None if n == 0 else even(rows, n - 1)


def scaled(by):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(rows):
            return function(rows) * by

        return wrapper

    return decorate


def asked(row):
    return {"b": row["a"] + 1}


class Base:
    def based(self, rows):
        return rows


class Cleaner(Base):
    """Cleans."""

    least = 1

    def __init__(self, amount):
        self.amount = amount

    def run(self, rows):
        self.last = rows
        return self._step(rows)

    def _step(self, rows):
        return clean(rows)


@dataclass
class Rules:
    first: object
    names: list = field(default_factory=list)


STEPS = {"clean": clean, "other": [lambda rows: rows.tail(3)]}
RULES = Rules(clean)
'''

TOOLS = """
from dataclasses import dataclass
import feature_platform as fp
from feature_platform.parts.imputation import Imputation
from shop.helpers import Cleaner, clean

CLEANER = Cleaner(5)


def polish(rows):
    return clean(rows)


class Called:
    def __call__(self, rows):
        return polish(rows)


CALLED = Called()


class Spread(fp.Max):
    label = "spread"

    def over(self, schema):
        return self.widened()

    def widened(self):
        return clean(self.values)


class Rows(fp.sources.Csv):
    def scan(self, owner):
        return clean(super().scan(owner))


@dataclass(frozen=True)
class Nought(Imputation):
    def learnt(self, values):
        return clean(values)
"""

LAZY = """
from shop.helpers import clean


def late(rows):
    return clean(rows)


def other(rows):
    return rows
"""

FILES = {
    "__init__.py": "",
    "features.py": FEATURES,
    "helpers.py": HELPERS,
    "kitchen.py": TOOLS,
    "lazy.py": LAZY,
    "deep/__init__.py": "",
    "deep/units.py": "from .. import helpers\n\ndef crowns(rows):\n    return helpers.clean(rows)\n",
}

CLEAN, EVEN = ("rows.x > 1", "rows.x > 2"), ("even(rows, n - 1)", "even(rows, n - 2)")


@pytest.fixture
def codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Imports a package `shop` anew with some text changed, and gives the code of what it declares."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    count = 0

    def made(*changes: tuple[str, str], below: str = "") -> dict[str, AssetCode]:
        nonlocal count
        count += 1
        root = tmp_path / str(count) / below
        for name, text in FILES.items():
            for old, new in changes:
                text = text.replace(old, new)
                name = name.replace(old, new)
            path = root / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()
        monkeypatch.syspath_prepend(str(root))
        invalidate_caches()
        declared = import_module("shop.features").DECLARED
        found = {name: code_of(asset) for name, asset in declared.items()}
        sys.path.remove(str(root))
        return found

    forget()
    yield made
    forget()


def forget() -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
        del sys.modules[name]


def changed(before: dict[str, AssetCode], after: dict[str, AssetCode]) -> dict[str, str | None]:
    """What changed in words, by case, where something did."""
    found = {name: code.change_since(before[name].version, before[name].functions) for name, code in after.items()}
    return {name: change for name, change in found.items() if change is not None}


def test_a_changed_helper_is_seen_and_named_whichever_way_it_is_reached(codes):
    before = codes()
    after = codes(CLEAN)
    named = changed(before, after)
    not_reached = {"constant of a helper", "pattern", "recursion", "decorator", "on demand"}
    assert named == dict.fromkeys(before.keys() - not_reached, "its code changed: shop.helpers.clean")


def test_what_one_declaration_alone_reaches_changes_no_other(codes):
    before = codes()
    for change, case, name in [
        (EVEN, "recursion", "shop.helpers.odd"),
        (("LIMIT = 100", "LIMIT = 99"), "constant of a helper", "shop.helpers.LIMIT"),
        (('compile("paid")', 'compile("due")'), "pattern", "shop.helpers.PAID"),
        (("function(rows) * by", "function(rows) + by"), "decorator", "shop.helpers.scaled.decorate.wrapper"),
        (("tail(3)", "tail(4)"), "dict of functions", "shop.helpers.STEPS.other.0"),
        (('row["a"] + 1', '1 + row["a"]'), "on demand", "shop.helpers.asked"),
        (("self.widened()", "self.widened() + 1"), "aggregation", "shop.kitchen.Spread.over"),
        (("super().scan(owner)", "super().scan(owner).head()"), "connector", "shop.kitchen.Rows.scan"),
        (("clean(values)", "clean(values) + 1"), "imputation", "shop.kitchen.Nought.learnt"),
    ]:
        assert changed(before, codes(change)) == {case: f"its code changed: {name}"}, change
    assert set(changed(before, codes(("def based(self, rows):\n        return rows", "def based(self): ...")))) == {
        "method",
        "object",
        "bound method",
    }


def test_comments_layout_docstrings_and_unrelated_functions_do_not_count(codes):
    before = codes()
    assert codes()["method"] == before["method"]
    for change in [
        ("# what is cheap is noise", "# dear things are signal"),
        ('"""Rows without noise."""', '"""Quiet rows."""\n'),
        ('"""Cleans."""', '"""Scrubs."""'),
        ("rows.filter(rows.x > 1)", "rows.filter(\n        rows.x\n        > 1\n    )"),
        ("def clean(rows)", "\n\n\ndef clean(rows)"),
        ("rows.head(1)", "rows.head(2)"),
    ]:
        assert changed(before, codes(change)) == {}, change


def test_what_functions_change_while_they_run_is_no_constant(codes):
    before = codes()
    helpers, kitchen = sys.modules["shop.helpers"], sys.modules["shop.kitchen"]
    helpers._seen["x"], helpers._count = 1, 7
    kitchen.CLEANER.last = "rows"
    declared = sys.modules["shop.features"].DECLARED
    assert {name: code_of(asset) for name, asset in declared.items()} == before


def test_a_moved_helper_says_the_same(codes):
    before = codes()
    assert changed(before, codes(("kitchen", "more"))) == {}


def test_the_users_package_is_followed_where_it_is_installed_and_other_packages_are_not(codes):
    before = codes(below="site-packages")
    assert "shop.helpers.clean" in changed(before, codes(CLEAN, below="site-packages"))["nested"]
    assert not [name for code in before.values() for name in code.functions if not name.startswith("shop.")]


def test_it_is_the_same_in_every_process(codes):
    here = {name: code.version for name, code in codes().items()}
    root = Path(sys.modules["shop"].__file__).parents[1]
    program = (
        "import shop.features as f\nfrom feature_platform.declarations.code_version import code_version\n"
        "print({name: code_version(asset) for name, asset in f.DECLARED.items()})"
    )
    told = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(here)


def test_a_commit_from_before_code_was_followed_is_made_by_the_same_code(codes):
    for name, code in codes().items():
        assert code.change_since(code.declared, {}) is None, name
        assert code.change_since(code.declared, {"shop.helpers.clean": "00000000"}) is not None
        assert code.change_since("000000000000", {}) == "its code changed"


def test_many_changed_functions_are_counted():
    code = AssetCode("b", "a", dict.fromkeys("stuvw", "1"))
    assert code.change_since("x", dict.fromkeys("stuvw", "2")) == "its code changed: s, t, u and 2 more"


def test_a_long_chain_of_calls_is_followed_to_its_end():
    def chain(last: str) -> AssetCode:
        made = {"__name__": "shop"}
        calls = [f"def f{place}(x): return f{place - 1}(x)" for place in range(1, 1500)]
        exec("\n".join([f"def f0(x): return {last}", *calls]), made)
        source = fp.Source("s", fp.sources.Csv("a.csv"), event_time="at", prepare=made["f1499"])
        return code_of(source)

    before, after = chain("x"), chain("-x")
    assert after.change_since(before.version, before.functions) == "its code changed: shop.f0"

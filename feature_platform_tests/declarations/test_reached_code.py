"""The code version follows every function of the user's own that a declaration can reach, and names what changed."""

import subprocess
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import AssetCode, code_of
from feature_platform_tests.declarations.shop_text import FILES

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
        (("super().open(owner)", "super().open(str(owner))"), "connector", "shop.kitchen.Rows.open"),
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
    helpers: Any = sys.modules["shop.helpers"]
    kitchen = sys.modules["shop.kitchen"]
    helpers._seen["x"], helpers._count = 1, 7
    kitchen.CLEANER.last = "rows"
    declared = sys.modules["shop.features"].DECLARED
    assert {name: code_of(asset) for name, asset in declared.items()} == before


def test_a_moved_helper_says_the_same(codes):
    before = codes()
    assert changed(before, codes(("kitchen", "more"))) == {}


def test_the_users_package_is_followed_where_it_is_installed_and_other_packages_are_not(codes):
    before = codes(below="site-packages")
    assert "shop.helpers.clean" in str(changed(before, codes(CLEAN, below="site-packages"))["nested"])
    assert not [name for code in before.values() for name in code.functions if not name.startswith("shop.")]


def test_it_is_the_same_in_every_process(codes):
    here = {name: code.version for name, code in codes().items()}
    root = Path(str(sys.modules["shop"].__file__)).parents[1]
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
        made: dict[str, Any] = {"__name__": "shop"}
        calls = [f"def f{place}(x): return f{place - 1}(x)" for place in range(1, 1500)]
        exec("\n".join([f"def f0(x): return {last}", *calls]), made)
        source = fp.Source("s", fp.sources.Csv("a.csv"), event_time="at", prepare=made["f1499"])
        return code_of(source)

    before, after = chain("x"), chain("-x")
    assert after.change_since(before.version, before.functions) == "its code changed: shop.f0"

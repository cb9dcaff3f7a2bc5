"""The text of a small package whose functions reach one another in many ways."""

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
    def open(self, owner):
        return clean(super().open(owner))


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

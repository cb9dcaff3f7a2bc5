"""Example rows: made-up values that follow from the types and the expectations of columns.

Every column has its own stream of random numbers, so that a new column changes no other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from itertools import product
from random import Random
from typing import Any

import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration

END = datetime(2024, 1, 31, tzinfo=timezone.utc)
FIRST = datetime(2024, 1, 1, tzinfo=timezone.utc)
_WORDS = 5  # different texts in a column that need not be unique
_LAG = 3_600_000_000  # the longest that made-up knowledge lags behind, in microseconds
_DAY = 86_400_000_000

_BOUNDS = {
    "expect_column_values_to_be_between",
    "expect_column_mean_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
}
_SETS = {
    "expect_column_values_to_be_in_set",
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_most_common_value_to_be_in_set",
}


@dataclass(frozen=True)
class _Rule:
    """The rules that the values of one column follow."""

    low: Any = None
    high: Any = None
    above: bool = False
    below: bool = False
    values: tuple[Any, ...] = ()
    unique: bool = False
    null: bool = False
    length: tuple[int, int] | None = None
    order: int = 0


def make_up_rows(source: Source, schema: pl.Schema, rows: int, seed: int) -> pl.DataFrame:
    """Make up rows of a source, given the columns it has once prepared.

    Raises:
        InvalidDeclaration: a column cannot have that many different values.
    """
    rules = {name: _rule(source.expectations, name) for name in schema}
    if source.event_time is not None:
        rules[source.event_time] = replace(rules[source.event_time], unique=True, order=1)
    fixed = _make_unique(source, schema, rules, rows)
    columns = []
    for name, dtype in schema.items():
        random = Random(f"{seed}/{name}")  # noqa: S311
        made = fixed.get(name) or _values(dtype, rules[name], rows, random, f"Source `{source.name}`, `{name}`,")
        columns.append(_series(name, made, dtype))
    frame = pl.DataFrame(columns, schema=schema)
    return _order_pairs(_with_lag(frame, source, seed), source.expectations)


def _rule(expectations: Sequence[Expect], name: str) -> _Rule:
    rule = _Rule()
    for expect in expectations:
        if expect.kwargs.get("column") == name:
            rule = _narrow(rule, expect)
    return rule


def _narrow(rule: _Rule, expect: Expect) -> _Rule:
    kwargs = expect.kwargs
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if expect.type in _BOUNDS:
        bounds = rule
        if low is not None and (rule.low is None or low > rule.low):
            bounds = replace(bounds, low=low, above=bool(kwargs.get("strict_min")))
        if high is not None and (rule.high is None or high < rule.high):
            bounds = replace(bounds, high=high, below=bool(kwargs.get("strict_max")))
        return bounds
    if expect.type in _SETS:
        allowed = list(kwargs.get("value_set") or ())  # type: ignore[call-overload]
        values = tuple(value for value in allowed if not rule.values or value in rule.values)
        return replace(rule, values=values or rule.values)
    if expect.type == "expect_column_value_lengths_to_be_between":
        least = int(str(low or 0))
        return replace(rule, length=(least, least + 10 if high is None else int(str(high))))
    match expect.type:
        case "expect_column_value_lengths_to_equal":
            return replace(rule, length=(int(str(kwargs["value"])),) * 2)
        case "expect_column_values_to_be_unique":
            return replace(rule, unique=True)
        case "expect_column_values_to_be_null":
            return replace(rule, null=True)
        case "expect_column_values_to_be_increasing":
            return replace(rule, order=1, unique=rule.unique or bool(kwargs.get("strictly")))
        case "expect_column_values_to_be_decreasing":
            return replace(rule, order=-1, unique=rule.unique or bool(kwargs.get("strictly")))
    return rule


def _make_unique(source: Source, schema: pl.Schema, rules: dict[str, _Rule], rows: int) -> dict[str, list[Any]]:
    """Make compound columns unique: by one column that is free to be, else by all combinations of sets."""
    fixed: dict[str, list[Any]] = {}
    for each in source.expectations:
        columns = [name for name in each.subject if name in schema]
        if each.type != "expect_compound_columns_to_be_unique" or any(rules[name].unique for name in columns):
            continue
        free = [name for name in columns if not rules[name].values and schema[name] != pl.Boolean]
        if free:
            rules[free[-1]] = replace(rules[free[-1]], unique=True)
            continue
        combinations = list(product(*(rules[name].values or (False, True) for name in columns)))
        _refuse_short(len(combinations), rows, f"Source `{source.name}`, {', '.join(columns)},")
        fixed |= {name: [one[place] for one in combinations[:rows]] for place, name in enumerate(columns)}
    return fixed


def _values(dtype: pl.DataType, rule: _Rule, rows: int, random: Random, owner: str) -> list[Any]:
    if rule.null or dtype in (pl.Null, pl.Object):
        return [None] * rows
    if rule.values or isinstance(dtype, pl.Enum) or dtype == pl.Boolean:
        enum = dtype.categories.to_list() if isinstance(dtype, pl.Enum) else [False, True]
        made = _of_set(list(rule.values) or enum, rule, rows, random, owner)
    elif dtype.is_float() or dtype.is_decimal():
        made = [*_floats(rule, rows, random)]
    elif dtype.is_integer():
        made = _whole(rule, rows, random, owner)
    elif dtype.is_temporal():
        made = _times(dtype, rule, rows, random, owner)
    elif isinstance(dtype, (pl.List, pl.Array, pl.Struct)):
        made = _nested_values(dtype, rows, random, owner)
    else:
        made = _texts(rule, rows, random)
    return sorted(made, reverse=rule.order < 0) if rule.order else made


def _of_set(values: list[Any], rule: _Rule, rows: int, random: Random, owner: str) -> list[Any]:
    if rule.unique:
        _refuse_short(len(values), rows, owner)
    made = [values[place % len(values)] for place in range(rows)]
    random.shuffle(made)
    return made


def _floats(rule: _Rule, rows: int, random: Random) -> list[float]:
    low, high = _range(rule, 0.0, 100.0)
    places = random.sample(range(rows), rows)  # one value in each of as many equal parts, so that none is twice
    return [low + (high - low) * (place + random.uniform(0.1, 0.9)) / rows for place in places]


def _whole(rule: _Rule, rows: int, random: Random, owner: str) -> list[int]:
    low, high = _range(rule, 0, max(100, rows - 1) if rule.unique else 100)
    least = math.floor(low) + 1 if rule.above else math.ceil(low)
    most = math.ceil(high) - 1 if rule.below else math.floor(high)
    if rule.unique or most < least:
        _refuse_short(most - least + 1, rows, owner)
        return random.sample(range(least, most + 1), rows)
    return [random.randint(least, most) for _ in range(rows)]


def _times(dtype: pl.DataType, rule: _Rule, rows: int, random: Random, owner: str) -> list[int]:
    """Make up times in the unit in which the type counts."""
    unit = {"ms": 1000, "us": 1, "ns": 1}.get(getattr(dtype, "time_unit", None) or "us", 1)
    if dtype == pl.Duration or dtype == pl.Time:
        low, high = 0, _DAY
    else:
        low, high = _moment(rule.low, FIRST, rule.above), _moment(rule.high, END, not rule.below)
    if dtype == pl.Date:
        within = replace(_Rule(unique=rule.unique), low=-(-low // _DAY), high=(high - 1) // _DAY)
        return _whole(within, rows, random, owner)
    step = (high - low) // max(rows, 1)
    _refuse_short((high - low) // unit, rows, owner)
    made = [low + step * place + random.randrange(max(step // 2, 1)) for place in range(rows)]
    if not rule.order:
        random.shuffle(made)
    nanoseconds = dtype == pl.Time or getattr(dtype, "time_unit", None) == "ns"
    return [time * 1000 if nanoseconds else -(-time // unit) for time in made]


def _nested_values(dtype: pl.DataType, rows: int, random: Random, owner: str) -> list[Any]:
    if isinstance(dtype, pl.Struct):
        fields = {
            field.name: _series(field.name, _values(as_dtype(field.dtype), _Rule(), rows, random, owner), field.dtype)
            for field in dtype.fields
        }
        return pl.DataFrame(fields).to_dicts() if fields else [{}] * rows
    width = dtype.size if isinstance(dtype, pl.Array) else 2
    inner = as_dtype(dtype.inner)  # type: ignore[attr-defined]
    items = _series("", _values(inner, _Rule(), rows * width, random, owner), inner).to_list()
    return [items[place * width : (place + 1) * width] for place in range(rows)]


def _texts(rule: _Rule, rows: int, random: Random) -> list[str]:
    numbers = random.sample(range(rows), rows) if rule.unique else [random.randrange(_WORDS) for _ in range(rows)]
    if rule.length is None:
        return [f"value_{number}" for number in numbers]
    return [_text(number, *rule.length) for number in numbers]


def _text(number: int, least: int, most: int) -> str:
    """Write a number in letters, as long as is asked for."""
    letters = "a" if number == 0 else ""
    while number:
        letters, number = chr(ord("a") + number % 26) + letters, number // 26
    return letters.rjust(least, "a")[-most:] if most else ""


def _range(rule: _Rule, low: float, high: float) -> tuple[Any, Any]:
    width = high - low
    if rule.low is None and rule.high is None:
        return low, high
    if rule.low is None:
        return min(low, rule.high - width), rule.high
    return rule.low, rule.low + width if rule.high is None else rule.high


def _moment(bound: object, otherwise: datetime, after: bool) -> int:  # noqa: FBT001
    if isinstance(bound, date) and not isinstance(bound, datetime):
        bound = bound.isoformat()
    if not isinstance(bound, (str, datetime)):
        return clock.microsecond_of(otherwise)
    if isinstance(bound, datetime) and bound.tzinfo is None:
        bound = bound.isoformat()
    return clock.microsecond_of(clock.instant(bound, "An expectation")) + int(after)


def _series(name: str, values: list[Any], dtype: Any) -> pl.Series:
    kind = as_dtype(dtype)
    if kind.is_temporal() and values and isinstance(values[0], int):
        return pl.Series(name, values, dtype=pl.Int32 if kind == pl.Date else pl.Int64).cast(kind)
    if isinstance(kind, (pl.List, pl.Array, pl.Struct)):
        return pl.Series(name, values, dtype=kind)
    if kind == pl.Binary:
        return pl.Series(name, [None if value is None else str(value).encode() for value in values], dtype=kind)
    return pl.Series(name, values, strict=False).cast(kind, strict=False)


def _with_lag(frame: pl.DataFrame, source: Source, seed: int) -> pl.DataFrame:
    """Add a known-at time to each row: at most an hour after the event, never before."""
    if source.event_time is None or source.known_at in (None, source.event_time):
        return frame
    random = Random(f"{seed}/lag")  # noqa: S311
    lag = pl.Series([random.randrange(_LAG) for _ in range(frame.height)], dtype=pl.Int64)
    known = (pl.col(source.event_time).to_physical() + lag).cast(clock.UTC)
    return frame.with_columns(known.alias(str(source.known_at)))


def _order_pairs(frame: pl.DataFrame, expectations: Sequence[Expect]) -> pl.DataFrame:
    for each in expectations:
        first, second = each.kwargs.get("column_A"), each.kwargs.get("column_B")
        if first not in frame.columns or second not in frame.columns:
            continue
        a, b = pl.col(str(first)), pl.col(str(second))
        if each.type == "expect_column_pair_values_to_be_equal":
            frame = frame.with_columns(a.alias(str(second)))
        elif each.type == "expect_column_pair_values_a_to_be_greater_than_b":
            frame = frame.with_columns(
                pl.max_horizontal(a, b).alias(str(first)), pl.min_horizontal(a, b).alias(str(second))
            )
    return frame


def _refuse_short(different: int, rows: int, owner: str) -> None:
    if different < rows:
        raise InvalidDeclaration(
            owner, f"can have {max(different, 0)} different values, not {rows}", "Ask for fewer rows."
        )

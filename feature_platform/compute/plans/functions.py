"""Plans of functions: what Polars' plan proves of a function, without a row.

Where a filter on time would come before everything else, no row depends on one of another time. Where every step and
every expression is known to work row by row, no row depends on any other.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from datetime import timezone as tz
from itertools import takewhile
from typing import NoReturn

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.working_columns import MARK

CANNOT = (FeaturePlatformError, pl.exceptions.PolarsError, ArithmeticError, LookupError, TypeError, ValueError)
"""Errors that a function may raise when it is given rows unlike those it is made for."""

Function = Callable[[pl.LazyFrame], pl.LazyFrame]

_LONG_AGO = datetime(1971, 3, 5, 7, 11, 13, 171717, tzinfo=tz.utc)  # a moment that no function has among its own
_NO_VALUE = "fp 8b1f27ce"  # a text that no function has among its own
_PYTHON = ("python_udf", "OPAQUE_PYTHON")
_LETS_FILTERS_PASS = ("UNIQUE", "SLICE")  # any of equal rows is as good to Polars, whichever time it is of
_STEPS = ("SELECT", "WITH_COLUMNS:", "[", "FILTER", "FROM", "PYTHON SCAN", "PROJECT", "simple")
_NAMESPACES = ("str.", "dt.", "struct.", "list.", "bin.")
_ROW_BY_ROW = {
    "col", "alias", "cast", "strict_cast", "when", "then", "otherwise", "not", "is_null", "is_not_null", "is_nan",
    "is_not_nan", "is_finite", "is_infinite", "is_in", "is_between", "fill_null", "fill_nan", "coalesce", "abs", "sign",
    "round", "floor", "ceil", "log", "log1p", "exp", "sqrt", "pow", "clip", "sin", "cos", "tan", "degrees", "radians",
    "replace", "replace_strict", "hash", "eq_missing", "ne_missing", "as_struct", "concat_list", "min_horizontal",
    "max_horizontal", "sum_horizontal", "any_horizontal", "all_horizontal",
}  # fmt: skip
_LOOKS_FURTHER = ("Series", "str.join", "list.sample")


@dataclass(frozen=True)
class Proof:
    """Whether a plan proves that the function is the same in parts, and whether it calls Python."""

    holds: bool
    calls_python: bool

    @staticmethod
    def of(function: Function, schema: pl.Schema, time: str, given: str | None) -> "Proof":
        """Ask the plan of a function.

        Args:
            schema: the columns that it is given.
            time: the event time of the rows that it returns.
            given: the event time of the rows that it is given; None for raw rows, whose time it makes.
        """
        rows = register_io_source(_refuse_reading, schema=pl.Schema({**schema, MARK: pl.Int64()}))
        try:
            plan, text = function(rows), function(rows).explain(optimized=False)
            if any(word in text for word in _PYTHON):
                return Proof(holds=False, calls_python=True)
            is_doubtful = any(word in text for word in _LETS_FILTERS_PASS) or text != plan.explain(optimized=False)
            holds = not is_doubtful and (
                _is_row_by_row(text) or _ignores_marks(plan) or _keeps_times(plan, time, given)
            )
            return Proof(holds, calls_python=False)
        except CANNOT:  # it looks at rows while it makes its plan, or it cannot be planned at all
            return Proof(holds=False, calls_python=False)


def works_row_by_row(function: Function, schema: pl.Schema) -> bool:
    """Tell whether a plan proves that each row is made of one row, and in the same order.

    >>> schema = pl.Schema({"x": pl.Int64()})
    >>> works_row_by_row(lambda rows: rows.filter(pl.col("x") > 0).select(y=pl.col("x") * 2), schema)
    True
    >>> works_row_by_row(lambda rows: rows.with_columns(y=pl.col("x").cum_sum()), schema)
    False
    """
    rows = register_io_source(_refuse_reading, schema=pl.Schema({**schema, MARK: pl.UInt32()}))
    try:
        text = function(rows).explain(optimized=False)
    except CANNOT:
        return False
    return _is_row_by_row(text) and not any(word in text for word in (*_PYTHON, *_LETS_FILTERS_PASS))


def keeps_columns(function: Function, schema: pl.Schema, names: Iterable[str]) -> bool:
    """Tell whether a plan proves that rows keep their values in some columns, whatever rows are left out.

    A filter on such a column is made where rows are read, on the column of the same name.

    >>> schema = pl.Schema({"x": pl.Int64(), "y": pl.Int64()})
    >>> keeps_columns(lambda rows: rows.filter(pl.col("y") > 0).select("x", y=pl.col("y") + 1), schema, ["x"])
    True
    >>> keeps_columns(lambda rows: rows.rename({"x": "y", "y": "x"}), schema, ["x"])
    False
    """
    rows = register_io_source(_refuse_reading, schema=schema)
    try:
        plan = function(rows)
        made = plan.collect_schema()
        return all(made.get(name) == schema.get(name) and _is_kept(plan, name) for name in names)
    except CANNOT:
        return False


def _is_kept(plan: pl.LazyFrame, name: str) -> bool:
    column, value = f'col("{name}")', f'== "{_NO_VALUE}"'
    conditions = (f"{column} {value}", f"{column}.cast(String) {value}")
    filtered = plan.filter(pl.col(name).cast(pl.String, strict=False) == _NO_VALUE)
    return any(_is_filtered_first(filtered, condition) for condition in conditions)


def _refuse_reading(*_: object) -> NoReturn:
    raise ValueError("rows are read while the plan is made")


def _is_row_by_row(text: str) -> bool:
    """Tell whether a plan has only steps and expressions that are known to look at one row at a time."""
    bare = re.sub(r'"[^"]*"', "", text)
    steps = (line.strip().startswith(_STEPS) for line in bare.splitlines() if line.strip())
    names = {name.strip(".") for name in re.findall(r"([A-Za-z_][A-Za-z_0-9.]*)\(", bare)}
    known = (name in _ROW_BY_ROW or name.startswith(_NAMESPACES) or name[:1].isupper() for name in names)
    if "PYTHON SCAN" not in bare or any(word in bare for word in _LOOKS_FURTHER):
        return False
    return all(steps) and all(known)


def _ignores_marks(plan: pl.LazyFrame) -> bool:
    """Tell whether a filter on a column that the function does not know comes before everything else."""
    return MARK in plan.collect_schema() and _is_filtered_first(plan.filter(pl.col(MARK) > 0), f'col("{MARK}") > 0')


def _keeps_times(plan: pl.LazyFrame, time: str, given: str | None) -> bool:
    """Tell whether a filter on event time comes first: on the one that is given, or on what becomes it."""
    if plan.collect_schema().get(time) != UTC:
        return False
    before = "" if given is None else f'col("{given}") >= '
    return _is_filtered_first(plan.filter(pl.col(time) >= _LONG_AGO), f"{before}{_LONG_AGO:%Y-%m-%d %H:%M:%S.%f}")


def _is_filtered_first(plan: pl.LazyFrame, condition: str) -> bool:
    """Tell by the optimized plan whether rows are filtered where they are read, in each place that reads them."""
    scans = plan.explain().split("PYTHON SCAN")[1:]
    return bool(scans) and all(condition in _selection(scan.splitlines()[1:]) for scan in scans)


def _selection(lines: Iterable[str]) -> str:
    """Return the condition that a scan filters by, from the lines of a plan after its name."""
    own = takewhile(lambda line: line.strip().startswith(("PROJECT", "SELECTION", "SLICE")), lines)
    return next((line for line in own if "SELECTION" in line), "")

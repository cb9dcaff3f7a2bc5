"""The target of a rule: columns of a frame, the rule's arguments, and the rows under its condition.

A rule that is impossible on this data raises `NotComputable`, from the schema alone, before any row is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Literal

import polars as pl

from feature_platform.ground.shortening import shorten

Kind = Literal["a number", "text"]
MISFIT = "misfit"  # how a result says that its error is one


class NotComputable(ValueError):
    """Raised when an expectation cannot be computed on this data; it becomes the outcome's `error`."""


class Misfit(NotComputable):
    """Raised when no data with columns of these types would do: the declaration has to be changed."""


@dataclass(frozen=True)
class RuleTarget:
    """The columns, arguments and schema of one rule; `within` are the rows its `row_condition` selects.

    >>> fares = RuleTarget(("fare",), {"min_value": 0}, pl.Schema({"fare": pl.Float64}))
    >>> fares.bound("min_value").meta.is_literal()
    True
    """

    columns: tuple[str, ...]
    values: Mapping[str, object]
    schema: pl.Schema
    within: pl.Expr | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in self.schema:
                raise NotComputable(
                    f"Column `{name}` is not in the data. It has: {', '.join(self.schema) or 'no column'}."
                )

    @property
    def name(self) -> str:
        return self.columns[0]

    @property
    def column(self) -> pl.Expr:
        """Return the column in a form that compares exactly with `bound`: milliseconds become microseconds."""
        return exact_column(self.name, self.schema[self.name])

    @property
    def cells(self) -> pl.Expr:
        """Return the column under the row condition, for aggregates."""
        column = pl.col(self.name)
        return column if self.within is None else column.filter(self.within)

    @property
    def text(self) -> pl.Expr:
        """Return the column as text.

        Raises:
            NotComputable: it is not text.
        """
        self.require("text")
        return pl.col(self.name).cast(pl.String)

    def require(self, kind: Kind, *columns: str) -> None:
        """Raise unless every column (or every column named here) is of this kind.

        Raises:
            Misfit: it is not.
        """
        for name in columns or self.columns:
            dtype = self.schema[name]
            right = dtype.is_numeric() if kind == "a number" else dtype in _TEXT
            if not right and dtype != pl.Null:
                raise Misfit(f"Column `{name}` is {dtype}, but {kind} is needed. Cast it where the data is read.")

    def bound(self, key: str) -> pl.Expr:
        """Return the argument `key` as a literal of the column's type."""
        return exact_literal(unwrap_value(self.values[key]), self.name, self.schema[self.name])

    def members(self, key: str) -> pl.Series:
        """Return the argument `key`, a list of values, as a series that `is_in` takes."""
        members = self.values[key]
        if not isinstance(members, Sequence) or isinstance(members, str):
            raise Misfit(f"`{key}` is {members!r}, but a list of values is needed.")
        return exact_series(members, self.name, self.schema[self.name])


_TEXT = (pl.String, pl.Categorical, pl.Enum)


def wrap_value(value: object) -> dict[str, object]:
    """Wrap a bound in a mapping, which Great Expectations passes on; a bare bound becomes a float or a date.

    >>> unwrap_value(wrap_value(2**63 - 1))
    9223372036854775807
    """
    if isinstance(value, timedelta):
        return {"microseconds": value // timedelta(microseconds=1)}
    return {"exact": value.isoformat() if isinstance(value, time) else value, "written": repr(value)}


def unwrap_value(value: object) -> object:
    """Return the value inside a mapping of `wrap_value`, or a bare value as it is."""
    if not isinstance(value, Mapping):
        return value
    return timedelta(microseconds=value["microseconds"]) if "microseconds" in value else value["exact"]


def exact_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the column, with milliseconds as microseconds.

    Polars would round a finer time that is compared with milliseconds.
    """
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms":
        return pl.col(name).cast(pl.Datetime("us", dtype.time_zone))
    return pl.col(name)


def exact_literal(value: object, column: str, dtype: pl.DataType) -> pl.Expr:
    """Return `value` as a literal that compares exactly with `column`; a time without a zone is UTC.

    Raises:
        Misfit: the value cannot be of that type.
    """
    exact = read_as(value, column, dtype)
    if isinstance(exact, datetime) and exact.tzinfo is not None:
        zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
        utc = pl.lit(exact.astimezone(UTC), dtype=pl.Datetime("us", "UTC"))
        return utc.dt.convert_time_zone(zone or "UTC")
    if isinstance(exact, datetime):
        return pl.lit(exact, dtype=pl.Datetime("us"))
    return pl.lit(exact)


def exact_series(values: Sequence[object], column: str, dtype: pl.DataType) -> pl.Series:
    """Return `values` (nulls left out) as a series of the column's type.

    Raises:
        Misfit: one of them cannot be of that type.
    """
    exact_values = [read_as(value, column, dtype) for value in values if value is not None]
    if dtype in _TEXT:
        return pl.Series(exact_values, dtype=pl.String)
    try:
        exact = pl.Series(exact_values, dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise Misfit(
            f"Column `{column}` is {dtype}, and these values are not: {shorten(repr(values))}. Give values of its type."
        ) from error
    if dtype.is_decimal() and exact.to_list() != exact_values:
        raise Misfit(
            f"Column `{column}` is {dtype}, and these values have more digits: {shorten(repr(values))}. Round them."
        )
    return exact


def read_as(value: object, column: str, dtype: pl.DataType) -> object:
    """Return `value` as the Python value a column of `dtype` holds: ISO text becomes a time, digits a number.

    Raises:
        Misfit: the value cannot be of that type.

    >>> read_as("2026-01-02T03:00:00+01:00", "at", pl.Datetime("us", "UTC")).isoformat()
    '2026-01-02T02:00:00+00:00'
    >>> read_as(1.0, "n", pl.Int64()), read_as("2.50", "n", pl.Int64())
    (1, Decimal('2.50'))
    """
    try:
        exact = _convert(value, dtype)
    except (ValueError, InvalidOperation):
        exact = None
    if exact is None:
        written = shorten(repr(value))
        raise Misfit(
            f"Column `{column}` is {dtype}, and {written} cannot be compared with it. Give {_example_of(dtype)}."
        )
    return exact


def _convert(value: object, dtype: pl.DataType) -> object | None:
    if isinstance(dtype, pl.Datetime):
        return _as_datetime(value, zoned=dtype.time_zone is not None)
    if dtype == pl.Date:
        return _as_date(value)
    if dtype == pl.Time:
        return time.fromisoformat(value) if isinstance(value, str) else _one_of(value, time)
    if dtype == pl.Duration:
        return unwrap_value(value) if isinstance(value, Mapping) else _one_of(value, timedelta)
    if dtype == pl.Boolean:
        return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None
    if dtype in _TEXT:
        return _one_of(value, str)
    if dtype.is_decimal():
        exact = isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool)
        return Decimal(str(value)) if exact else None
    if dtype.is_numeric():
        return _as_number(value, dtype)
    return value if dtype == pl.Null else None


def _as_number(value: object, dtype: pl.DataType) -> int | float | Decimal | None:
    """Return a number that compares exactly with a column of numbers; digits in a text become a decimal."""
    number: object = Decimal(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        return None
    if isinstance(number, Decimal) and not number.is_finite():
        number = float(number)
    if dtype.is_float():
        return number if isinstance(number, int) else float(number)
    if isinstance(number, int) or not isfinite(number) or number != int(number):
        return number
    return int(number)


def _one_of(value: object, *types: type) -> object | None:
    return value if isinstance(value, types) else None


def _as_datetime(value: object, *, zoned: bool) -> datetime | None:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if not isinstance(moment, datetime):
        return None
    if not zoned:
        return moment if moment.tzinfo is None else None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _as_date(value: object) -> date | None:
    """Return a date; a time that is midnight in UTC is one, too."""
    date_value = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(date_value, datetime):
        moment = date_value if date_value.tzinfo is None else date_value.astimezone(UTC)
        return moment.date() if moment.time() == time() else None
    return date_value if isinstance(date_value, date) else None


def _example_of(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Datetime):
        zone = "a time, e.g. 2026-01-31T00:00:00Z"
        return zone if dtype.time_zone else "a time without a zone, e.g. 2026-01-31T00:00:00"
    if dtype == pl.Date:
        return "a date, e.g. 2026-01-31"
    if dtype == pl.Duration:
        return "a datetime.timedelta"
    return "a value of its type"

"""What an aggregation is: the values of one window, in event-time order, to one number.

Nulls are skipped, NaN and infinities are values; over nothing an aggregation is its `empty`.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, Unpack

import polars as pl

from feature_platform.ground.calendars import require_time_zone
from feature_platform.ground.errors import InvalidDeclaration, WrongColumnType
from feature_platform.parts.aggregations.options import OTHER, WindowOptions, kept_options, require_text
from feature_platform.parts.aggregations.windows import Ahead, Span, ToDate, UnitBefore, Window, read_window


@dataclass(frozen=True)
class WindowedFeature:
    """One feature of an aggregation.

    Attributes:
        category: the value of `by` that its events have, `OTHER` for all values that are not named; None without `by`.
    """

    name: str
    window: Window
    category: str | None = None


class Aggregation(ABC):
    """One aggregation of one column over one or more windows.

    At instant `t` the window `7d` holds the events of `[t - 7d, t)`. There are also `lifetime`, all events before `t`;
    `month_to_date`, from the first instant of the local month to `t`; and `last_month`, the whole month before (so for
    day, week, quarter and year). Features are named `<column>_<aggregation>_<window>`.

    Args:
        windows: fixed durations (`1d`, `36h`), `lifetime`, or calendar windows.
        name: what stands for the column in the names of features. Defaults to the column.
        lag: how long before `t` windows of fixed length end: with `7d`, `[t - 14d, t - 7d)` of what is known by `t`.
        where: which events count, an expression over columns of one row; not those where it is null.
        by: a column of text; each of `categories` has features of its own, of its events, and so has `other`, of all
            other events, those without a value among them.
        tz: the time zone of calendar windows, e.g. `America/New_York`. Defaults to UTC.

    The text of `over` is part of a view's code version. Where it is written anew and gives the same values, `known_as`
    keeps what it said before, so that no view becomes stale.

    >>> from feature_platform.parts.aggregations import Count, Sum
    >>> Sum("price", windows=["7d"], lag="7d").features
    ('price_sum_7d_lag_7d',)
    >>> Sum("price", windows=["30d"], by="category", categories=["food"]).features
    ('price_sum_food_30d', 'price_sum_other_30d')
    >>> Count(windows=["month_to_date"], where=pl.col("price") > 100, name="large").features
    ('large_count_month_to_date',)
    """

    label: ClassVar[str]
    empty: ClassVar[int | None] = None
    needs: ClassVar[str] = "any column"
    of_rows: ClassVar[bool] = False  # whether it can do without a column
    known_as: ClassVar[str | None] = None  # the text in code versions instead of that of `over`
    of_times: ClassVar[bool] = False  # whether it aggregates event times, and is how far from `t` the result lies
    direction: ClassVar[Literal["both", "back", "ahead"]] = "both"  # where its windows may lie, seen from `t`

    column: str | None
    windows: tuple[str, ...]
    # Only what differs from these is kept in an aggregation: its attributes are part of code versions.
    name: str | None = None
    lag: str | None = None
    where: pl.Expr | None = None
    by: str | None = None
    categories: tuple[str, ...] = ()
    tz: str | None = None
    ahead: tuple[int, int] | None = None  # in a label: how long after `t` windows begin, and how late events may be

    def __init__(
        self,
        column: str | None,
        *,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        texts = isinstance(windows, Sequence) and all(isinstance(each, str) for each in windows)
        culprit = f"Aggregation {type(self).__name__}({column!r})"
        if isinstance(windows, str) or not windows or not texts:
            raise InvalidDeclaration(
                culprit, f"has windows={windows!r}", 'Give a list of durations, e.g. windows=["1d", "7d"].'
            )
        if (column is not None or not self.of_rows) and (not isinstance(column, str) or not column):
            raise InvalidDeclaration(
                f"Aggregation {type(self).__name__}", f"aggregates {column!r}", "Give the name of a column."
            )
        if len(set(windows)) != len(windows):
            raise InvalidDeclaration(culprit, f"has windows={windows!r}", "Name each window once.")
        self.column = column
        self.windows = tuple(windows)
        if name is not None:
            self.name = require_text(culprit, "name", name)
        for word, value in kept_options(culprit, options).items():
            setattr(self, word, value)
        if self.tz:
            require_time_zone(self.tz, culprit)
        shapes = [self.window(window) for window in self.windows]
        if self.tz and not any(isinstance(each, (ToDate, UnitBefore)) for each in shapes):
            raise InvalidDeclaration(
                culprit, f"has tz={self.tz!r} and no calendar window", "Drop tz: fixed durations know no time zone."
            )

    def __repr__(self) -> str:
        words = [f"windows={list(self.windows)!r}"]
        words += [f"{word}={value!r}" for word in ("name", "lag", "by", "tz") if (value := getattr(self, word))]
        words += [f"categories={list(self.categories)!r}"] if self.categories else []
        words += [f"where={self.where}"] if self.where is not None else []
        return f"{type(self).__name__}({', '.join([*map(repr, self.arguments()), *words])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aggregation) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _identity(self) -> tuple[object, ...]:
        return repr(self), self.ahead, b"" if self.where is None else self.where.meta.serialize()

    def arguments(self) -> tuple[object, ...]:
        """Return what tells two aggregations of one kind apart, windows aside; part of the code version."""
        return (self.column,)

    def window(self, window: str) -> Window:
        """Return one of its windows as a value.

        >>> from feature_platform.parts.aggregations import Sum
        >>> Sum("price", windows=["1h"]).window("1h")
        Span(length=3600000000, lag=0)
        """
        shape = read_window(window, f"A window of {type(self).__name__}({self.column!r})", self.lag, self.tz)
        if self.ahead is None or not isinstance(shape, Span):
            return shape
        start, lateness = self.ahead
        return Ahead(start, shape.length, lateness)

    def look_ahead(self, *, start: int, lateness: int, owner: str = "A label") -> Self:
        """Return the same aggregation over the windows `[t + start, t + start + length)`, as a label has them.

        Its features are named `<column>_<aggregation>_next_<window>`.

        Args:
            start, lateness: in microseconds; see `windows.Ahead`.
            owner: whose windows these are, as errors name it.

        Raises:
            InvalidDeclaration: it can only look back, or a window has no fixed length, or a lag.

        >>> from feature_platform.parts.aggregations import Sum
        >>> Sum("price", windows=["28d"]).look_ahead(start=0, lateness=0).features
        ('price_sum_next_28d',)
        """
        if self.direction == "back":
            raise InvalidDeclaration(
                f"{owner}, {self!r},", "looks back from its moment", "How long it takes is fp.TimeTo(windows=[...])."
            )
        if self.lag:
            raise InvalidDeclaration(
                f"{owner}, {self!r},", f"has lag={self.lag!r}", "Labels begin `start` after their moment: give start."
            )
        for window in self.windows:
            shape = self.window(window)
            if not isinstance(shape, Span) or not shape.length:
                raise InvalidDeclaration(
                    f"{owner}, {self!r},",
                    f"has the window {window!r}, and a label is final when its window has ended",
                    "Use fixed lengths, e.g. `28d`: the calendar and all time are for features.",
                )
        other = copy.copy(self)
        other.ahead = start, lateness
        return other

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie at most, in microseconds."""
        return max(self.window(window).reach for window in self.windows)

    @property
    def subject(self) -> str | None:
        """Return what stands for the column in the names of features."""
        return self.name or self.column

    def feature(self, window: str) -> str:
        """Return the name of the feature over one window."""
        return f"{self.subject}_{self.label}_{window}"

    def windowed_features(self) -> list[WindowedFeature]:
        """Return its features, each with its window: of each category all windows."""
        ending, beginning = f"_lag_{self.lag}" if self.lag else "", "next_" if self.ahead else ""
        return [
            WindowedFeature(
                self.feature(f"{'' if category is None else f'{category}_'}{beginning}{window}{ending}"),
                self.window(window),
                category,
            )
            for category in (*self.categories, OTHER if self.categories else None)
            for window in self.windows
        ]

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of its features."""
        return tuple(each.name for each in self.windowed_features())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the columns that it aggregates."""
        return () if self.column is None else (self.column,)

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the columns that it reads: what it aggregates, and what decides which events count."""
        condition = () if self.where is None else self.where.meta.root_names()
        return tuple(dict.fromkeys([*self.inputs, *condition, *([self.by] if self.by else [])]))

    @property
    def event_value(self) -> pl.Expr:
        """Return the value of each event that is aggregated; an event without one is skipped."""
        return pl.lit(value=True) if self.column is None else pl.col(self.column)

    def read_instead(self, column: str) -> Self:
        """Return the same aggregation of another column, which has what `event_value` gives."""
        other = copy.copy(self)
        other.column = column
        return other

    def condition_of(self, category: str | None) -> pl.Expr | None:
        """Return which events count for a category; None where all do."""
        if category is None:
            return self.where
        column = pl.col(str(self.by))
        holds = column == category
        if category == OTHER:
            holds = ~column.is_in(list(self.categories)) | column.is_null()
        return holds if self.where is None else holds & self.where

    def check(self, schema: pl.Schema, owner: str) -> None:
        """Refuse a column whose type it cannot aggregate, or that has no categories.

        Raises:
            WrongColumnType: names the column, its type and what would do.
        """
        for name in self.inputs:
            if not self.accepts(schema[name]):
                raise WrongColumnType(
                    f"{owner}, {self!r}", name, schema[name], self.needs, "Cast it in the view's function."
                )
        if self.by and not isinstance(schema[self.by], (pl.String, pl.Categorical, pl.Enum)):
            raise WrongColumnType(
                f"{owner}, {self!r}, by", self.by, schema[self.by], "text", "Cast it in the view's function."
            )

    def accepts(self, dtype: pl.DataType) -> bool:
        """Tell whether a column of this type can be aggregated."""
        return True

    @abstractmethod
    def over(self, schema: pl.Schema) -> pl.Expr:
        """Return the aggregate of the events of one group, given the types of the columns it may read."""


class NumericAggregation(Aggregation):
    """An aggregation of numbers; booleans count as 0 and 1."""

    needs = "a number or boolean"

    def accepts(self, dtype: pl.DataType) -> bool:
        return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)

    @property
    def values(self) -> pl.Expr:
        """Return the column without nulls."""
        return pl.col(str(self.column)).drop_nulls()

    @property
    def numbers(self) -> pl.Expr:
        """Return the column as 64-bit floats without nulls."""
        return pl.col(str(self.column)).cast(pl.Float64).drop_nulls()


class OrderedAggregation(NumericAggregation):
    """An aggregation of what has an order that times share with numbers."""

    needs = "a number, boolean or time"

    def accepts(self, dtype: pl.DataType) -> bool:
        return super().accepts(dtype) or dtype.is_temporal()

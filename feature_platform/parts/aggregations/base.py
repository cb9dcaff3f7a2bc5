"""What an aggregation is: the values of one window, in event-time order, to one number.

Nulls are skipped, NaN and infinities are values; over nothing an aggregation is its `empty`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import polars as pl

from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration, WrongColumnType

_length = lru_cache(maxsize=1024)(microseconds)  # asked many times for each request


class Aggregation(ABC):
    """One aggregation of one column over one or more windows.

    Windows are fixed durations (`1d`, `36h`): at instant `t` the window `w` holds the events of
    `[t - w, t)`. Features are named `<column>_<aggregation>_<window>`.

    The text of `over` is part of a view's code version. Where it is written anew and gives the same values, `known_as`
    keeps what it said before, so that no view becomes stale.
    """

    label: ClassVar[str]
    empty: ClassVar[int | None] = None
    needs: ClassVar[str] = "any column"
    of_rows: ClassVar[bool] = False  # whether it can do without a column
    known_as: ClassVar[str | None] = None  # the text in code versions instead of that of `over`

    column: str | None
    windows: tuple[str, ...]

    def __init__(self, column: str | None, *, windows: Sequence[str]) -> None:
        texts = isinstance(windows, Sequence) and all(isinstance(each, str) for each in windows)
        if isinstance(windows, str) or not windows or not texts:
            raise InvalidDeclaration(
                f"Aggregation {type(self).__name__}({column!r})",
                f"has windows={windows!r}",
                'Give a list of durations, e.g. windows=["1d", "7d"].',
            )
        if (column is not None or not self.of_rows) and (not isinstance(column, str) or not column):
            raise InvalidDeclaration(
                f"Aggregation {type(self).__name__}", f"aggregates {column!r}", "Give the name of a column."
            )
        if len(set(windows)) != len(windows):
            raise InvalidDeclaration(
                f"Aggregation {type(self).__name__}({column!r})",
                f"has windows={windows!r}",
                "Name each window once.",
            )
        self.column = column
        self.windows = tuple(windows)
        for window in self.windows:
            self.length(window)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.arguments()))}, windows={list(self.windows)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aggregation) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def arguments(self) -> tuple[object, ...]:
        """Return what tells two aggregations of one kind apart, windows aside; part of the code version."""
        return (self.column,)

    def length(self, window: str) -> int:
        """Return a window in microseconds."""
        return _length(window, f"A window of {type(self).__name__}({self.column!r})")

    def feature(self, window: str) -> str:
        """Return the name of the feature over one window."""
        return f"{self.column}_{self.label}_{window}"

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of its features, one for each window."""
        return tuple(self.feature(window) for window in self.windows)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the columns it reads."""
        return () if self.column is None else (self.column,)

    def check(self, schema: pl.Schema, owner: str) -> None:
        """Refuse a column whose type it cannot aggregate.

        Raises:
            WrongColumnType: names the column, its type and what would do.
        """
        for name in self.inputs:
            if not self.accepts(schema[name]):
                raise WrongColumnType(
                    f"{owner}, {self!r}", name, schema[name], self.needs, "Cast it in the view's function."
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

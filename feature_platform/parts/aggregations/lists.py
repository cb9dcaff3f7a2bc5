"""What aggregations to lists share: at most so many values, null over nothing."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations.base import Aggregation, OrderedAggregation
from feature_platform.parts.aggregations.options import WindowOptions

MOST = 1_000  # values in a list


class ListAggregation(Aggregation):
    """An aggregation to a list of at most `size` values; null over nothing."""

    size_word = "n"  # what the size is called where it is declared

    def __init__(
        self,
        column: str,
        size: int,
        *,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
            raise InvalidDeclaration(
                f"{type(self).__name__}({column!r})",
                f"has {self.size_word}={size!r}",
                f"Give a whole number from 1 to {MOST:,}.",
            )
        self.size = size
        super().__init__(column, windows=windows, name=name, **options)

    def arguments(self) -> tuple[object, ...]:
        return (self.column, self.size)

    def feature(self, window: str) -> str:
        return f"{self.subject}_{self.label}_{self.size}_{window}"

    @property
    def values(self) -> pl.Expr:
        """Return the column without nulls."""
        return pl.col(str(self.column)).drop_nulls()


class EndAggregation(ListAggregation):
    """The values at one end of a window, oldest first; with `distinct` each different value once."""

    needs = "a column that is not of objects, and with distinct=True not of lists or structs"

    def __init__(
        self,
        column: str,
        size: int,
        *,
        distinct: bool,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        if not isinstance(distinct, bool):
            raise InvalidDeclaration(
                f"{type(self).__name__}({column!r})", f"has distinct={distinct!r}", "Give True or False."
            )
        self.distinct = distinct
        super().__init__(column, size, windows=windows, name=name, **options)

    def arguments(self) -> tuple[object, ...]:
        return (self.column, self.size, self.distinct)

    def feature(self, window: str) -> str:
        return super().feature(f"distinct_{window}" if self.distinct else window)

    def accepts(self, dtype: pl.DataType) -> bool:
        return can_be_told_apart(dtype) if self.distinct else dtype != pl.Object


class RankedAggregation(ListAggregation, OrderedAggregation):
    """The values at one end of the order; NaN is above every number, and zeros of either sign are 0.0."""

    size_word = "k"

    def in_order(self, schema: pl.Schema, *, descending: bool) -> pl.Expr:
        """Return the values in order."""
        values = self.values
        if schema[str(self.column)].is_float():
            values = pl.when(values == 0).then(0.0).otherwise(values).cast(schema[str(self.column)])
        return values.sort(descending=descending)


def as_list(values: pl.Expr) -> pl.Expr:
    """Return the values of a group as one list; null where there is none.

    >>> frame = pl.DataFrame({"key": [1, 1, 2], "x": [5, 6, None]})
    >>> frame.group_by("key", maintain_order=True).agg(as_list(pl.col("x").drop_nulls()))["x"].to_list()
    [[5, 6], None]
    """
    return pl.when(values.len() > 0).then(values.implode())


def can_be_told_apart(dtype: pl.DataType) -> bool:
    """Tell whether different values of a type are counted as such: not those of lists, structs and objects."""
    return not dtype.is_nested() and dtype != pl.Object

"""The most frequent values of a column with their counts."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.lists import ListAggregation, as_list, can_be_told_apart
from feature_platform.parts.aggregations.options import WindowOptions


class Histogram(ListAggregation):
    """The `k` most frequent values (1 to 1,000) with their counts, most frequent first; null over nothing.

    A list of structs: `value` in the column's own type, and `count` (Int64). Of equally frequent values the one seen
    last (by event time, then by input order) comes first. A NaN equals a NaN, and -0.0 equals 0.0. Nulls are skipped.

    >>> Histogram("category", 10, windows=["90d"]).features
    ('category_histogram_10_90d',)
    """

    label = "histogram"
    needs = "a column whose values can be told apart, not of lists, structs or objects"
    size_word = "k"

    def __init__(
        self, column: str, k: int, *, windows: Sequence[str], name: str | None = None, **options: Unpack[WindowOptions]
    ) -> None:
        super().__init__(column, k, windows=windows, name=name, **options)

    def accepts(self, dtype: pl.DataType) -> bool:
        return can_be_told_apart(dtype)

    def over(self, schema: pl.Schema) -> pl.Expr:
        newest_first = self.values.reverse()
        value, count = newest_first.unique(maintain_order=True), newest_first.unique_counts().cast(pl.Int64)
        rank = count * (newest_first.len().cast(pl.Int64) + 1) - count.cum_count().cast(pl.Int64)  # no two are equal
        order = rank.arg_sort(descending=True).head(self.size)
        return as_list(pl.struct(value.gather(order).alias("value"), count.gather(order).alias("count")))

"""The most frequent value of a column."""

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.lists import can_be_told_apart


class Mode(Aggregation):
    """The most frequent value, in the column's own type; of equally frequent ones the one seen last; null over nothing.

    Seen last is by event time, then by input order. A NaN equals a NaN, and -0.0 equals 0.0. Nulls are skipped.

    >>> Mode("category", windows=["90d"]).features
    ('category_mode_90d',)
    """

    label = "mode"
    needs = "a column whose values can be told apart, not of lists, structs or objects"

    def accepts(self, dtype: pl.DataType) -> bool:
        return can_be_told_apart(dtype)

    def over(self, schema: pl.Schema) -> pl.Expr:
        newest_first = pl.col(str(self.column)).drop_nulls().reverse()
        return newest_first.unique(maintain_order=True).get(newest_first.unique_counts().arg_max())

"""The sum of a column's values."""

import polars as pl

from feature_platform.aggregations.base import NumericAggregation


class Sum(NumericAggregation):
    """The sum; 0 over nothing. Whole numbers and booleans stay whole (Int64), others are Float64.

    >>> Sum("distance", windows=["1d"]).features
    ('distance_sum_1d',)
    """

    label = "sum"
    empty = 0

    def over(self, schema: pl.Schema) -> pl.Expr:
        dtype = schema[str(self.column)]
        whole = dtype.is_integer() or dtype == pl.Boolean
        return (self.values.cast(pl.Int64) if whole else self.numbers).sum()

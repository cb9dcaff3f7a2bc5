"""The smallest of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import OrderedAggregation


class Min(OrderedAggregation):
    """The smallest value, in the column's own type; null over nothing, NaN where a value is NaN.

    >>> Min("dep_delay", windows=["1d"]).features
    ('dep_delay_min_1d',)
    """

    label = "min"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.values.nan_min()

"""The largest of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import OrderedAggregation


class Max(OrderedAggregation):
    """The largest value, in the column's own type; null over nothing, NaN where a value is NaN.

    >>> Max("dep_delay", windows=["1d"]).features
    ('dep_delay_max_1d',)
    """

    label = "max"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.values.nan_max()

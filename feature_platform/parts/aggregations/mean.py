"""The arithmetic mean of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import NumericAggregation


class Mean(NumericAggregation):
    """The mean as Float64: the true sum, rounded once, over the count; null over nothing.

    >>> Mean("dep_delay", windows=["1d", "7d"]).features
    ('dep_delay_mean_1d', 'dep_delay_mean_7d')
    """

    label = "mean"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.numbers.mean()

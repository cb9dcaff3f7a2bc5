"""The sample standard deviation of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import NumericAggregation


class Std(NumericAggregation):
    """The sample standard deviation (ddof 1) as Float64; null over fewer than two values.

    >>> Std("dep_delay", windows=["7d"]).features
    ('dep_delay_std_7d',)
    """

    label = "std"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.numbers.std(ddof=1)

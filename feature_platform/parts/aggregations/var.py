"""The sample variance of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import NumericAggregation


class Var(NumericAggregation):
    """The sample variance (ddof 1) as Float64; null over fewer than two values.

    >>> Var("dep_delay", windows=["7d"]).features
    ('dep_delay_var_7d',)
    """

    label = "var"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.numbers.var(ddof=1)

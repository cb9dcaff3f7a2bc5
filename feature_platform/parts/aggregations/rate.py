"""The share of rows where a condition holds."""

import polars as pl

from feature_platform.parts.aggregations.condition import ConditionAggregation


class Rate(ConditionAggregation):
    """The share (0 to 1, Float64) of rows where a condition holds, among those where it is known.

    The condition is a boolean column, or an expression over the view's columns with a `name`.
    Rows where it is null are left out; null over nothing.

    >>> Rate("cancelled", windows=["7d"]).features
    ('cancelled_rate_7d',)
    >>> Rate(pl.col("dep_delay") > 15, name="late", windows=["7d"]).features
    ('late_rate_7d',)
    """

    label = "rate"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.condition.cast(pl.Boolean).mean()

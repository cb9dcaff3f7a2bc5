"""Whether a condition holds at least once."""

import polars as pl

from feature_platform.parts.aggregations.condition import ConditionAggregation


class Any(ConditionAggregation):
    """Whether a condition holds in at least one row, as Boolean; False over nothing.

    The condition is a boolean column, or an expression over the view's columns with a `name`.
    Rows where it is null are left out.

    >>> Any("refunded", windows=["14d"]).features
    ('refunded_any_14d',)
    >>> Any(pl.col("price") > 100, name="large", windows=["7d"]).features
    ('large_any_7d',)
    """

    label = "any"
    empty = False

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.condition.cast(pl.Boolean).any()

"""How long ago the last event was, or the last value of a column."""

import polars as pl

from feature_platform.parts.aggregations.of_rows import RowAggregation


class Recency(RowAggregation):
    """`Recency()` is the time from the last event of the window to its moment, in seconds (Float64).

    `Recency("x")` is that of the last event whose `x` is not null. Null over nothing.

    >>> Recency(windows=["365d"]).features
    ('recency_365d',)
    >>> Recency("gate", windows=["1d"]).features
    ('gate_recency_1d',)
    """

    label = "recency"
    of_times = True
    direction = "back"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().last()

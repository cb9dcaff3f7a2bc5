"""How many events, or how many values of a column."""

import polars as pl

from feature_platform.parts.aggregations.of_rows import RowAggregation


class Count(RowAggregation):
    """`Count()` counts events, `Count("x")` those whose `x` is not null; 0 over nothing. Int64.

    >>> Count(windows=["7d"]).features
    ('count_7d',)
    >>> Count("gate", windows=["7d"]).features
    ('gate_count_7d',)
    """

    label = "count"
    empty = 0

    def over(self, schema: pl.Schema) -> pl.Expr:
        counted = pl.len() if self.column is None else pl.col(self.column).count()
        return counted.cast(pl.Int64)

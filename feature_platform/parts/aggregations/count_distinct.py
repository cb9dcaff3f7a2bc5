"""How many different values a column has."""

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation


class CountDistinct(Aggregation):
    """The exact number of different values, nulls aside; 0 over nothing. Int64.

    >>> CountDistinct("dest", windows=["7d"]).features
    ('dest_count_distinct_7d',)
    """

    label = "count_distinct"
    empty = 0

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().n_unique().cast(pl.Int64)

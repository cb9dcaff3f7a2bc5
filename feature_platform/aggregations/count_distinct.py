"""How many different values a column has."""

import polars as pl

from feature_platform.aggregations.base import Aggregation


class CountDistinct(Aggregation):
    """The exact number of different values, nulls aside; null over nothing. Int64.

    >>> CountDistinct("dest", windows=["7d"]).features
    ('dest_count_distinct_7d',)
    """

    label = "count_distinct"

    def over(self, schema: pl.Schema) -> pl.Expr:
        values = pl.col(str(self.column)).drop_nulls()
        return pl.when(values.len() > 0).then(values.n_unique().cast(pl.Int64))

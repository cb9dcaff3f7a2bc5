"""The latest value of a column."""

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation


class Last(Aggregation):
    """The latest value that is not null, by event time and then by input order; null over nothing.

    >>> Last("gate", windows=["1d"]).features
    ('gate_last_1d',)
    """

    label = "last"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().last()

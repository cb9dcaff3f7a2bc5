"""The earliest value of a column."""

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation


class First(Aggregation):
    """The earliest value that is not null, by event time and then by input order; null over nothing.

    >>> First("gate", windows=["1d"]).features
    ('gate_first_1d',)
    """

    label = "first"

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().first()

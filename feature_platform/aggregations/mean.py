"""The arithmetic mean of a column's values."""

from collections.abc import Sequence

import polars as pl

from feature_platform.aggregations.base import NumericAggregation


class Mean(NumericAggregation):
    """The mean as Float64; null over nothing.

    >>> Mean("dep_delay", windows=["1d", "7d"]).features
    ('dep_delay_mean_1d', 'dep_delay_mean_7d')
    """

    label = "mean"

    def __init__(self, column: str, *, windows: Sequence[str]) -> None:
        super().__init__(column, windows)

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.numbers.mean()

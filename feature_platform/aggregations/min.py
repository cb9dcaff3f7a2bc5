"""The smallest of a column's values."""

from collections.abc import Sequence

import polars as pl

from feature_platform.aggregations.base import NumericAggregation


class Min(NumericAggregation):
    """The smallest value, in the column's own type; null over nothing, NaN where a value is NaN.

    >>> Min("dep_delay", windows=["1d"]).features
    ('dep_delay_min_1d',)
    """

    label = "min"
    needs = "a number, boolean or time"

    def __init__(self, column: str, *, windows: Sequence[str]) -> None:
        super().__init__(column, windows)

    def accepts(self, dtype: pl.DataType) -> bool:
        return super().accepts(dtype) or dtype.is_temporal()

    def over(self, schema: pl.Schema) -> pl.Expr:
        return self.values.nan_min()

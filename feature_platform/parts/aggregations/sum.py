"""The sum of a column's values."""

import polars as pl

from feature_platform.parts.aggregations.base import NumericAggregation


class Sum(NumericAggregation):
    """The sum; 0 over nothing. Whole numbers and booleans stay whole (Int64), others are Float64.

    The sum of a window is the true one: floats are rounded once, and whole numbers whose sum does not fit 64 bits are
    refused (`SumTooLarge`). Decimals are read as floats, each rounded to the nearest.

    >>> Sum("distance", windows=["1d"]).features
    ('distance_sum_1d',)
    """

    label = "sum"
    empty = 0
    known_as = (
        "def over(self, schema: pl.Schema) -> pl.Expr:\n    dtype = schema[str(self.column)]\n"
        "    whole = dtype.is_integer() or dtype == pl.Boolean\n"
        "    return (self.values.cast(pl.Int64) if whole else self.numbers).sum(){}{}['None', 'None']"
    )

    def over(self, schema: pl.Schema) -> pl.Expr:
        dtype = schema[str(self.column)]
        whole = dtype.is_integer() or dtype == pl.Boolean
        return self.values.cast(pl.Int128).sum().cast(pl.Int64) if whole else self.numbers.sum()

"""The median of what was there before."""

from dataclasses import dataclass

import polars as pl

from feature_platform.parts.imputation.base import NumericImputation

_ALL = 2**32 - 2  # a rolling window longer than any frame, so that it holds everything so far


@dataclass(frozen=True, repr=False)
class Median(NumericImputation):
    """A gap gets the median of all earlier values, as Float64; once a value is NaN, so is the median.

    Of an even number of values it is the mean of the two in the middle.

    >>> Median()
    Median(flag=False, by=None)
    """

    def learnt(self, values: pl.Expr) -> pl.Expr:
        spoilt = values.is_nan().fill_null(value=False).cum_max()
        median = values.rolling_median(window_size=_ALL, min_samples=1)
        return pl.when(spoilt).then(float("nan")).when(values.is_not_null()).then(median)

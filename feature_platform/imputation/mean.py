"""The mean of what was there before."""

from dataclasses import dataclass

import polars as pl

from feature_platform.imputation.base import NumericImputation


@dataclass(frozen=True)
class Mean(NumericImputation):
    """A gap gets the mean of all earlier values, as Float64; once a value is NaN, so is the mean.

    >>> Mean(by="origin")
    Mean(flag=False, by='origin')
    """

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return values.cum_sum() / values.cum_count()

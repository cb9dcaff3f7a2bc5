"""The mean of what was there before."""

from dataclasses import dataclass

import polars as pl

from feature_platform.parts.imputation.base import NumericImputation


@dataclass(frozen=True, repr=False)
class Mean(NumericImputation):
    """A gap gets the mean of all earlier values, as Float64; once a value is NaN, so is the mean.

    The first rows have nothing before them: `fallback` is what their gaps get.

    >>> Mean(by="origin")
    Mean(flag=False, by='origin')
    >>> Mean(by="origin", fallback=0)
    Mean(flag=False, by='origin', fallback=0)
    """

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return values.cum_sum() / values.cum_count()

"""The most frequent of what was there before."""

from dataclasses import dataclass

import polars as pl

from feature_platform.parts.imputation.base import FittedImputation


@dataclass(frozen=True, repr=False)
class Mode(FittedImputation):
    """A gap gets the most frequent earlier value; of equally frequent ones that which was seen last.

    >>> Mode(by="carrier")
    Mode(flag=False, by='carrier')
    """

    needs = "a type whose values can be compared"

    def accepts(self, dtype: pl.DataType) -> bool:
        return not dtype.is_nested() and dtype != pl.Object

    def learnt(self, values: pl.Expr) -> pl.Expr:
        times_seen = pl.when(values.is_not_null()).then(pl.int_range(1, pl.len() + 1).over(values))
        return pl.when(times_seen == times_seen.cum_max()).then(values)

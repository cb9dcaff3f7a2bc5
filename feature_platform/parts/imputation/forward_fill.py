"""The last of what was there before."""

from dataclasses import dataclass, field

import polars as pl

from feature_platform.parts.imputation.base import FittedImputation


@dataclass(frozen=True, repr=False)
class ForwardFill(FittedImputation):
    """A gap gets the newest earlier value of its group; of one instant, the last in input order.

    `by` has no default: the newest value of another entity is rarely meant (`by=None` says so).

    >>> ForwardFill(by="tailnum")
    ForwardFill(flag=False, by='tailnum')
    """

    by: str | None = field(kw_only=True)

    def learnt(self, values: pl.Expr) -> pl.Expr:
        return values

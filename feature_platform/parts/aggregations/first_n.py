"""The first values of a column."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.lists import EndAggregation, as_list
from feature_platform.parts.aggregations.options import WindowOptions


class FirstN(EndAggregation):
    """The first `n` values (1 to 1,000), oldest first, as a list of the column's own type; null over nothing.

    Values of one time are in input order. With `distinct` these are the first `n` different values, in the order in
    which each was seen first; a NaN equals a NaN, and -0.0 equals 0.0. Nulls are skipped.

    >>> FirstN("product_id", 5, windows=["90d"]).features
    ('product_id_first_5_90d',)
    """

    label = "first"

    def __init__(
        self,
        column: str,
        n: int,
        *,
        distinct: bool = False,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        super().__init__(column, n, distinct=distinct, windows=windows, name=name, **options)

    def over(self, schema: pl.Schema) -> pl.Expr:
        values = self.values.unique(maintain_order=True) if self.distinct else self.values
        return as_list(values.head(self.size))

"""The last values of a column."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.lists import EndAggregation, as_list
from feature_platform.parts.aggregations.options import WindowOptions


class LastN(EndAggregation):
    """The last `n` values (1 to 1,000), oldest first, as a list of the column's own type; null over nothing.

    Values of one time are in input order. With `distinct` these are the last `n` different values, in the order in
    which each was seen last; a NaN equals a NaN, and -0.0 equals 0.0. Nulls are skipped.

    >>> LastN("product_id", 5, windows=["90d"]).features
    ('product_id_last_5_90d',)
    >>> LastN("product_id", 5, distinct=True, windows=["90d"]).features
    ('product_id_last_5_distinct_90d',)
    """

    label = "last"

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
        if self.distinct:
            return as_list(self.values.reverse().unique(maintain_order=True).head(self.size).reverse())
        return as_list(self.values.tail(self.size))

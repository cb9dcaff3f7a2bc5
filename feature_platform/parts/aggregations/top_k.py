"""The largest values of a column."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.lists import RankedAggregation, as_list
from feature_platform.parts.aggregations.options import WindowOptions


class TopK(RankedAggregation):
    """The `k` largest values (1 to 1,000), largest first, as a list of the column's own type; null over nothing.

    A value that is there twice counts twice. A NaN is above every number, so that it shows. Nulls are skipped.

    >>> TopK("price", 3, windows=["90d"]).features
    ('price_top_3_90d',)
    """

    label = "top"

    def __init__(
        self, column: str, k: int, *, windows: Sequence[str], name: str | None = None, **options: Unpack[WindowOptions]
    ) -> None:
        super().__init__(column, k, windows=windows, name=name, **options)

    def over(self, schema: pl.Schema) -> pl.Expr:
        return as_list(self.in_order(schema, descending=True).head(self.size))

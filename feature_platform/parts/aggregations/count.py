"""How many events, or how many values of a column."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions


class Count(Aggregation):
    """`Count()` counts events, `Count("x")` those whose `x` is not null; 0 over nothing. Int64.

    >>> Count(windows=["7d"]).features
    ('count_7d',)
    >>> Count("gate", windows=["7d"]).features
    ('gate_count_7d',)
    """

    label = "count"
    empty = 0
    of_rows = True

    def __init__(
        self,
        column: str | None = None,
        *,
        windows: Sequence[str],
        name: str | None = None,
        **options: Unpack[WindowOptions],
    ) -> None:
        super().__init__(column, windows=windows, name=name, **options)

    def feature(self, window: str) -> str:
        return f"count_{window}" if self.subject is None else super().feature(window)

    def over(self, schema: pl.Schema) -> pl.Expr:
        counted = pl.len() if self.column is None else pl.col(self.column).count()
        return counted.cast(pl.Int64)

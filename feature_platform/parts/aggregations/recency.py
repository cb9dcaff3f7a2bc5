"""How long ago the last event was, or the last value of a column."""

from collections.abc import Sequence
from typing import Unpack

import polars as pl

from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions


class Recency(Aggregation):
    """`Recency()` is the time from the last event of the window to its moment, in seconds (Float64).

    `Recency("x")` is that of the last event whose `x` is not null. Null over nothing.

    >>> Recency(windows=["365d"]).features
    ('recency_365d',)
    >>> Recency("gate", windows=["1d"]).features
    ('gate_recency_1d',)
    """

    label = "recency"
    of_rows = True
    of_times = True

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
        return f"recency_{window}" if self.subject is None else super().feature(window)

    def over(self, schema: pl.Schema) -> pl.Expr:
        return pl.col(str(self.column)).drop_nulls().last()

"""What aggregations share that can do without a column: they look at events then, whatever is in them."""

from collections.abc import Sequence
from typing import Unpack

from feature_platform.parts.aggregations.base import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions


class RowAggregation(Aggregation):
    """An aggregation of events, or of those that have a value in a column."""

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
        return f"{self.label}_{window}" if self.subject is None else super().feature(window)

"""Skewness and kurtosis of ranges, from their values in order.

Added up in their order, in rows whose length follows from that of the range, the values of a range give the same bits
whatever is loaded beside them, and in whatever order events of one time came.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.non_nulls import non_null_values
from feature_platform.compute.windows.sorted_ranges import sorted_rows
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.parts.aggregations import Aggregation, Kurtosis, Skew
from feature_platform.parts.aggregations.shape import HUGE, ShapeAggregation

Numbers = npt.NDArray[np.float64]


class Shapes:
    """The shape of the values of each range, NaN where one is no finite number; null where there is none."""

    def __init__(self, column: pl.Series, aggregation: ShapeAggregation) -> None:
        self.non_nulls = non_null_values(column.cast(pl.Float64))
        self.numbers = self.non_nulls.values.to_numpy()
        self.power, self.least = aggregation.power, aggregation.least

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """Return the shape of each range `[low, high)` of events."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        few = high - low < self.least
        shapes, has_none = np.zeros(len(low)), few.copy()
        for asked, rows, sizes in sorted_rows(self.numbers, low, np.where(few, low, high)):
            shapes[asked], has_none[asked] = _shapes(rows, sizes, self.power)
        return pl.Series(shapes).set(pl.Series(has_none), None)


def shapes_over(aggregation: Aggregation, line: Timeline) -> RangeFunction | None:
    """Return `Skew` or `Kurtosis` over ranges of events; None for other aggregations."""
    if not isinstance(aggregation, ShapeAggregation) or type(aggregation) not in (Skew, Kurtosis):
        return None
    return Shapes(line.events.get_column(str(aggregation.column)), aggregation).over


def _shapes(rows: Numbers, sizes: Whole, power: int) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the shapes of sorted rows, of which the first `sizes` values count, and which have none."""
    inside = np.arange(rows.shape[1]) < sizes[:, None]
    low, high = rows[:, 0], rows[np.arange(len(rows)), sizes - 1]
    scale = np.where(np.maximum(np.abs(low), np.abs(high)) > HUGE, 0.5, 1.0)
    with np.errstate(all="ignore"):
        shares = (rows * scale[:, None] - (low * scale)[:, None]) / (high * scale - low * scale)[:, None]
        mean = np.where(inside, shares, 0.0).sum(axis=1) / sizes
        apart = np.where(inside, shares - mean[:, None], 0.0)
        squares = apart * apart
        second = squares.sum(axis=1) / sizes
        if power == 3:
            shapes = (squares * apart).sum(axis=1) / sizes / (second * np.sqrt(second))
        else:
            shapes = (squares * squares).sum(axis=1) / sizes / (second * second) - 3
    finite = np.isfinite(low) & np.isfinite(high)
    return np.where(finite, shapes, np.nan), finite & (low == high)

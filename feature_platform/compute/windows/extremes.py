"""Smallest and largest values of ranges, in the column's own type."""

import numpy as np
import polars as pl

from feature_platform.compute.windows.blocks import Blocks
from feature_platform.compute.windows.non_nulls import has_physical, non_null_values, physical
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.parts.aggregations import Aggregation, Max, Min


class Extremes:
    """The smallest or largest value of each range, NaN where a value is NaN; null where there is none."""

    def __init__(self, column: pl.Series, *, largest: bool) -> None:
        self.dtype, self.non_nulls = column.dtype, non_null_values(column)
        values = physical(self.non_nulls.values)
        self.blocks = Blocks(values, np.maximum if largest else np.minimum, empty=_beyond(values.dtype, below=largest))

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """Return the extreme of each range `[low, high)` of events."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        values = pl.Series(self.blocks.over(low, high)).set(pl.Series(low == high), None)
        return values.cast(self.dtype)


def extremes_over(aggregation: Aggregation, line: Timeline) -> RangeFunction | None:
    """Return `Min` or `Max` over ranges; None for other aggregations, and for types that numpy does not know."""
    if type(aggregation) not in (Min, Max):
        return None
    column = line.events.get_column(str(aggregation.column))
    if not has_physical(column.dtype):
        return None
    return Extremes(column, largest=type(aggregation) is Max).over


def _beyond(dtype: np.dtype[np.generic], *, below: bool) -> float:
    """Return the value that any other value of the type beats."""
    if dtype.kind == "b":
        return not below
    if dtype.kind == "f":
        return -np.inf if below else np.inf
    limits = np.iinfo(dtype.name)
    return limits.min if below else limits.max

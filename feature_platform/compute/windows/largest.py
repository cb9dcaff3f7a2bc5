"""The largest and smallest values of ranges, in lists: short ranges are sorted, long ones of hot keys are ranked."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.hot_keys import HotKeys
from feature_platform.compute.windows.list_values import cut_into_lists
from feature_platform.compute.windows.non_nulls import has_physical, non_null_values, physical
from feature_platform.compute.windows.sorted_ranges import sorted_rows
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.compute.windows.value_codes import one_zero
from feature_platform.compute.windows.wavelet import WaveletMatrix
from feature_platform.parts.aggregations import Aggregation, BottomK, TopK

Numbers = npt.NDArray[Any]


class Largest:
    """The values at one end of the order of each range, the outermost first."""

    def __init__(self, column: pl.Series, most: int, line: Timeline, ranges: tuple[Whole, Whole], *, top: bool) -> None:
        self.non_nulls, self.most, self.top = non_null_values(column), most, top
        self.numbers = _numbers_in_order(self.non_nulls.values)
        among = self.non_nulls.among
        self.hot = HotKeys(among(line.starts()), among(ranges[0]), among(ranges[1]))

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """Return the values for each range `[low, high)` of events."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        sizes = np.minimum(high - low, self.most)
        starts = np.cumsum(sizes) - sizes
        flat = np.zeros(int(sizes.sum()), dtype=self.numbers.dtype)
        long = self.hot.long_ranges(low, high)
        if len(long):
            self._take_ranked(flat, starts[long], *self.hot.among(low[long], high[long]))
        stop = high.copy()
        stop[long] = low[long]
        for asked, rows, counts in sorted_rows(self.numbers, low, stop):
            places = np.arange(min(self.most, rows.shape[1]))
            there = places < counts[:, None]
            taken = counts[:, None] - 1 - places if self.top else np.broadcast_to(places, there.shape)
            outermost = np.take_along_axis(rows, np.maximum(taken, 0), axis=1)
            flat[(starts[asked][:, None] + places)[there]] = outermost[there]
        return cut_into_lists(self._values_of(flat), sizes)

    def _take_ranked(self, flat: Numbers, starts: Whole, low: Whole, high: Whole) -> None:
        """Write the values of ranges of the values of hot keys, place by place."""
        ascending, ranks = self._ranks
        for place in range(self.most):
            some = np.flatnonzero(high - low > place)
            if not len(some):
                return
            wanted = (high - low)[some] - 1 - place if self.top else np.full(len(some), place)
            flat[starts[some] + place] = ascending[ranks.smallest(low[some], high[some], wanted)]

    @cached_property
    def _ranks(self) -> tuple[Numbers, WaveletMatrix]:
        numbers = self.numbers[self.hot.rows]
        order = np.argsort(numbers, kind="stable")
        ranks = np.empty(len(numbers), dtype=np.uint32)
        ranks[order] = np.arange(len(numbers))
        return numbers[order], WaveletMatrix(ranks)

    def _values_of(self, numbers: Numbers) -> pl.Series:
        """Return the values that numbers stand for."""
        values = self.non_nulls.values
        if has_physical(values.dtype):
            return pl.Series(numbers).cast(values.dtype)
        return values.unique().sort().gather(numbers)


def largest_over(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> RangeFunction | None:
    """Return `TopK` or `BottomK` over ranges of events; None for other aggregations, and for a column without type.

    Args:
        low, high: the longest ranges that will be asked.
    """
    if not isinstance(aggregation, (TopK, BottomK)) or type(aggregation) not in (TopK, BottomK):
        return None
    column = line.events.get_column(str(aggregation.column))
    if column.dtype == pl.Null:
        return None
    return Largest(column, aggregation.size, line, (low, high), top=isinstance(aggregation, TopK)).over


def _numbers_in_order(values: pl.Series) -> Numbers:
    """Return numbers in the order of the values: the values as they are stored, or their ranks."""
    if not has_physical(values.dtype):
        return values.rank("dense").to_numpy().astype(np.int64) - 1
    numbers = physical(values)
    return numbers.astype(np.int8) if numbers.dtype == np.bool_ else one_zero(numbers)

"""Quantiles and distinct counts of ranges: short ranges are sorted, long ranges of hot keys are looked up in ranks."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.hot_keys import HotKeys
from feature_platform.compute.windows.non_nulls import non_null_values
from feature_platform.compute.windows.sorted_ranges import sorted_rows
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.compute.windows.value_codes import Codes, codes_of_values
from feature_platform.compute.windows.wavelet import WaveletMatrix
from feature_platform.parts.aggregations import Aggregation, CountDistinct, Quantile

Number = TypeVar("Number", bound=np.generic)
Result = TypeVar("Result", bound=np.generic)
Numbers = npt.NDArray[np.float64]


class RangeStatistic(ABC, Generic[Number, Result]):
    """A number for each range, from its values in order."""

    dtype: type[Result]

    def __init__(self, column: pl.Series, values: npt.NDArray[Number], line: Timeline, low: Whole, high: Whole) -> None:
        self.non_nulls, self.values = non_null_values(column), values
        self.hot = HotKeys(self.non_nulls.among(line.starts()), self.non_nulls.among(low), self.non_nulls.among(high))

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """Return the result for each range `[low, high)` of events."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        results = np.zeros(len(low), dtype=self.dtype)
        long = self.hot.long_ranges(low, high)
        if len(long):
            results[long] = self._of_hot(*self.hot.among(low[long], high[long]))
        stop = high.copy()
        stop[long] = low[long]
        for asked, rows, sizes in sorted_rows(self.values, low, stop):
            results[asked] = self._of_sorted(rows, sizes)
        return self._of_all(pl.Series(results), pl.Series(low == high))

    def _of_all(self, results: pl.Series, empty: pl.Series) -> pl.Series:
        """Return the results of all ranges, given which of them hold nothing."""
        return results.set(empty, None)

    @abstractmethod
    def _of_sorted(self, rows: npt.NDArray[Number], sizes: Whole) -> npt.NDArray[Result]:
        """Return the results of sorted rows, of which the first `sizes` values count."""

    @abstractmethod
    def _of_hot(self, low: Whole, high: Whole) -> npt.NDArray[Result]:
        """Return the results of ranges of the values of hot keys."""


class Quantiles(RangeStatistic[np.float64, np.float64]):
    """A quantile of each range, interpolated linearly, NaN where a value is NaN; null where there is none."""

    dtype = np.float64

    def __init__(self, column: pl.Series, q: float, line: Timeline, low: Whole, high: Whole) -> None:
        column = column.cast(pl.Float64)
        super().__init__(column, column.drop_nulls().to_numpy(), line, low, high)
        self.q = q

    def _of_sorted(self, rows: Numbers, sizes: Whole) -> Numbers:
        row, (low, high, share) = np.arange(len(rows)), self._places(sizes)
        return _interpolate(rows[row, low], rows[row, high], share, rows[row, sizes - 1])

    def _of_hot(self, low: Whole, high: Whole) -> Numbers:
        ascending, ranks = self._ranks
        below, above, share = self._places(high - low)
        first, second, last = (ascending[ranks.smallest(low, high, place)] for place in (below, above, high - low - 1))
        return _interpolate(first, second, share, last)

    def _places(self, sizes: Whole) -> tuple[Whole, Whole, Numbers]:
        """Return the places below and above the quantile, and how far it is from the one to the other."""
        place = (sizes - 1) * self.q
        below = np.floor(place)
        return below.astype(np.int64), np.ceil(place).astype(np.int64), place - below

    @cached_property
    def _ranks(self) -> tuple[Numbers, WaveletMatrix]:
        values = self.values[self.hot.rows]
        order = np.argsort(values)
        ranks = np.empty(len(values), dtype=np.uint32)
        ranks[order] = np.arange(len(values))
        return values[order], WaveletMatrix(ranks)


class DistinctCounts(RangeStatistic[np.integer[Any], np.int64]):
    """The number of different values of each range: of those whose previous occurrence lies before the range."""

    dtype = np.int64

    def _of_all(self, results: pl.Series, empty: pl.Series) -> pl.Series:
        return results

    def _of_sorted(self, rows: Codes, sizes: Whole) -> Whole:
        new = (rows[:, 1:] != rows[:, :-1]) & (np.arange(1, rows.shape[1]) < sizes[:, None])
        counts: Whole = new.sum(axis=1, dtype=np.int64) + 1
        return counts

    def _of_hot(self, low: Whole, high: Whole) -> Whole:
        return self._previous.below(low, high, low + 1)

    @cached_property
    def _previous(self) -> WaveletMatrix:
        """Return for each value 1 + the position of the previous equal one, 0 where there is none."""
        values = self.values[self.hot.rows]
        order = np.argsort(values, kind="stable")
        previous = np.zeros(len(values), dtype=np.uint32)
        again = np.flatnonzero(values[order[1:]] == values[order[:-1]])
        previous[order[again + 1]] = order[again] + 1
        return WaveletMatrix(previous)


def ranks_over(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> RangeFunction | None:
    """Return `Quantile` or `CountDistinct` over ranges; None for other aggregations, and for types without numbers.

    Args:
        low, high: the longest ranges that will be asked.
    """
    if isinstance(aggregation, Quantile) and type(aggregation) is Quantile:
        return Quantiles(line.events.get_column(str(aggregation.column)), aggregation.q, line, low, high).over
    if type(aggregation) is not CountDistinct:
        return None
    column = line.events.get_column(str(aggregation.column))
    values = codes_of_values(column.drop_nulls())
    return None if values is None else DistinctCounts(column, values, line, low, high).over


def _interpolate(low: Numbers, high: Numbers, share: Numbers, largest: Numbers) -> Numbers:
    with np.errstate(invalid="ignore"):
        values = np.where((low == high) | (share == 0), low, low + (high - low) * share)
    return np.where(np.isnan(largest), np.nan, values)

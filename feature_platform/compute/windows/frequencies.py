"""The most frequent values of ranges: sorted by value, then by place, the equal ones of a range lie together.

How often a value is there and where it was seen last make one number, so that the largest number is the answer. The
cost grows with the length of ranges.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from feature_platform.compute.windows.list_values import cut_into_lists
from feature_platform.compute.windows.non_nulls import non_null_values
from feature_platform.compute.windows.sorted_ranges import sorted_rows
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.compute.windows.value_codes import ByValue, sorted_by_value
from feature_platform.parts.aggregations import Aggregation, Histogram, Mode


class Frequencies:
    """The most frequent values of ranges; of equally frequent ones the one seen last."""

    def __init__(self, column: pl.Series, numbers: ByValue) -> None:
        self.non_nulls, self.numbers = non_null_values(column), numbers

    def modes(self, low: Whole, high: Whole) -> pl.Series:
        """Return the most frequent value of each range `[low, high)` of events; null where there is none."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        places = np.zeros(len(low), dtype=np.int64)
        for asked, scores in self._scores(low, high):
            places[asked] = self.numbers.places(scores.max(axis=1))
        return self.non_nulls.values.gather(pl.Series(places).set(pl.Series(low == high), None))

    def histograms(self, low: Whole, high: Whole, most: int) -> pl.Series:
        """Return the most frequent values of each range with their counts; null where there is none."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        sizes, owners, best = np.zeros(len(low), dtype=np.int64), [low[:0]], [low[:0]]
        for asked, scores in self._scores(low, high):
            scores.sort(axis=1)
            highest = scores[:, : -most - 1 : -1]
            there = highest >= 0
            sizes[asked] = there.sum(axis=1)
            owners.append(np.repeat(asked, sizes[asked]))
            best.append(highest[there])
        order = np.argsort(np.concatenate(owners), kind="stable")
        chosen = np.concatenate(best)[order]
        values = self.non_nulls.values.gather(self.numbers.places(chosen)).alias("value")
        counts = pl.Series("count", self.numbers.codes(chosen), dtype=pl.Int64)
        return cut_into_lists(pl.DataFrame([values, counts]).to_struct(), sizes)

    def _scores(self, low: Whole, high: Whole) -> Iterator[tuple[Whole, Whole]]:
        """Yield positions of ranges, and a row for each: of each different value its count and last place, else -1."""
        for asked, rows, sizes in sorted_rows(self.numbers.numbers, low, high):
            codes, places = self.numbers.codes(rows), np.arange(rows.shape[1])
            begins = np.ones(rows.shape, dtype=np.bool_)
            begins[:, 1:] = codes[:, 1:] != codes[:, :-1]
            ends = places == sizes[:, None] - 1
            ends[:, :-1] |= begins[:, 1:]
            start = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
            yield asked, np.where(ends, self.numbers.above_place(places - start + 1, rows), -1)


def frequencies_over(aggregation: Aggregation, line: Timeline) -> RangeFunction | None:
    """Return `Mode` or `Histogram` over ranges of events; None for others, and for types without numbers."""
    if type(aggregation) not in (Mode, Histogram):
        return None
    column = line.events.get_column(str(aggregation.column))
    numbers = sorted_by_value(column.drop_nulls())
    if numbers is None:
        return None
    frequencies = Frequencies(column, numbers)
    if isinstance(aggregation, Histogram):
        most = aggregation.size
        return lambda low, high: frequencies.histograms(low, high, most)
    return frequencies.modes

"""The first and last values of ranges, in lists: their places follow from the two ends, however long a range is."""

import numpy as np
import polars as pl

from feature_platform.compute.windows.list_values import cut_into_lists
from feature_platform.compute.windows.non_nulls import NonNullValues, non_null_values
from feature_platform.compute.windows.ragged import spread
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.compute.windows.value_codes import ByValue, sorted_by_value
from feature_platform.parts.aggregations import Aggregation, FirstN, LastN

_BLOCK = 3  # eight numbers have one above them, eight of these one above them, and so on


def ends_over(aggregation: Aggregation, line: Timeline) -> RangeFunction | None:
    """Return `LastN` or `FirstN` over ranges of events; None for other aggregations."""
    if not isinstance(aggregation, (LastN, FirstN)) or type(aggregation) not in (LastN, FirstN):
        return None
    non_nulls = non_null_values(line.events.get_column(str(aggregation.column)))
    last = isinstance(aggregation, LastN)
    if not aggregation.distinct:
        return _ends(non_nulls, aggregation.size, last=last)
    values = non_nulls.values if last else non_nulls.values.reverse()
    numbers = sorted_by_value(values)
    return None if numbers is None else DistinctEnds(non_nulls, numbers, aggregation.size, last=last).over


def _ends(non_nulls: NonNullValues, most: int, *, last: bool) -> RangeFunction:
    def over(low: Whole, high: Whole) -> pl.Series:
        low, high = non_nulls.among(low), non_nulls.among(high)
        sizes = np.minimum(high - low, most)
        places = spread(high - sizes if last else low, sizes)
        return cut_into_lists(non_nulls.values.gather(places), sizes)

    return over


class DistinctEnds:
    """The last or first different values of ranges.

    A value is the last of its kind in a range when the next equal one lies behind the range. Such values are looked for
    from the end on; blocks without one are passed over. First values are the last ones of the reversed column.
    """

    def __init__(self, non_nulls: NonNullValues, numbers: ByValue, most: int, *, last: bool) -> None:
        self.non_nulls, self.most, self.last = non_nulls, most, last
        self.blocks = BlocksOfLargest(_next_equal(numbers))

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """Return the values for each range `[low, high)` of events, oldest first."""
        low, high = self.non_nulls.among(low), self.non_nulls.among(high)
        count = len(self.non_nulls.values)
        if not self.last:
            low, high = count - high, count - low
        owners, places = self.blocks.last_reaching(low, high, self.most)
        if not self.last:
            places = count - 1 - places
        bits = count.bit_length()
        ordered = np.sort(owners << bits | places)
        sizes = np.bincount(owners, minlength=len(low))
        return cut_into_lists(self.non_nulls.values.gather(ordered & ((1 << bits) - 1)), sizes)


class BlocksOfLargest:
    """Numbers, and above every eight of them the largest, up to one above all."""

    def __init__(self, numbers: Whole) -> None:
        levels = [numbers]
        while len(levels[-1]) > 1:
            level = levels[-1]
            padded = np.append(level, np.full(-len(level) % (1 << _BLOCK), -1))
            levels.append(padded.reshape(-1, 1 << _BLOCK).max(axis=1))
        self.starts = np.cumsum([0, *map(len, levels)])
        self.numbers = np.concatenate(levels)

    def last_reaching(self, low: Whole, high: Whole, most: int) -> tuple[Whole, Whole]:
        """Find in each range `[low, high)` the last numbers that are at least `high`.

        Args:
            most: how many are looked for in a range.

        Returns:
            For each that was found its range and its place; those of a range in descending order.

        >>> ranges, places = BlocksOfLargest(np.array([9, 2, 9, 4])).last_reaching(np.array([0]), np.array([4]), 2)
        >>> ranges.tolist(), places.tolist()
        ([0, 0], [3, 2])
        """
        found = [(np.zeros(0, dtype=np.int64),) * 2]
        owner = np.flatnonzero(high > low)
        block, level, missing = high[owner] - 1, np.zeros_like(owner), np.full(len(owner), most)
        while len(owner):
            reaches = self.numbers[self.starts[level] + block] >= high[owner]
            down = reaches & (level > 0)
            hit = reaches & ~down
            if hit.any():
                found.append((owner[hit], block[hit]))
                missing = missing - hit
            up = ~down & (block & ((1 << _BLOCK) - 1) == 0)
            block = np.where(down, ((block + 1) << _BLOCK) - 1, np.where(up, (block >> _BLOCK) - 1, block - 1))
            level = level - down + up
            left = (missing > 0) & (((block + 1) << (_BLOCK * level)) > low[owner])
            owner, block, level, missing = owner[left], block[left], level[left], missing[left]
        owners, places = zip(*found, strict=True)
        return np.concatenate(owners), np.concatenate(places)


def _next_equal(values: ByValue) -> Whole:
    """Return for each value the place of the next equal one; a place behind all where there is none."""
    ordered = np.sort(values.numbers)
    places, codes = values.places(ordered), values.codes(ordered)
    again = np.flatnonzero(codes[1:] == codes[:-1])
    following = np.full(len(ordered), len(ordered))
    following[places[again]] = places[again + 1]
    return following

"""Ranges reduced by blocks: a sum, minimum or maximum from whole blocks and the two ends.

A result is made of values of its own range alone, so nothing cancels and no NaN shows elsewhere. The cost of a
range grows with the logarithm of its length.
"""

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.timeline import Whole

Number = TypeVar("Number", bound=np.generic)

BLOCK = 128
SHORT = 4096  # values up to which a range is reduced in one go
ROUNDINGS = 128  # more than what adds up in a sum, which numpy forms pairwise within a range, a block and a level


class Blocks(Generic[Number]):
    """The reductions of many ranges of one array.

    >>> least = Blocks(np.array([3.0, 1.0, 2.0]), np.minimum, empty=np.inf)
    >>> least.over(np.array([0, 2, 1]), np.array([3, 3, 1])).tolist()
    [1.0, 2.0, inf]
    """

    def __init__(
        self, values: npt.NDArray[Number], reduction: np.ufunc, *, empty: float, longest: int | None = None
    ) -> None:
        """Prepare the blocks of all levels.

        Args:
            reduction: `np.add`, `np.minimum` or `np.maximum`.
            empty: the reduction of nothing, which changes nothing else.
            longest: how many values a range that is asked has at most. Defaults to all of them.
        """
        self.values, self.reduction, self.empty = values, reduction, empty
        count = len(values) // BLOCK
        self.coarse: Blocks[Number] | None = None
        if count > 1 and (len(values) if longest is None else longest) > SHORT:
            with np.errstate(all="ignore"):
                blocks = reduction.reduce(values[: count * BLOCK].reshape(count, BLOCK), axis=1)
            self.coarse = Blocks(blocks, reduction, empty=empty, longest=count)

    def over(self, low: Whole, high: Whole) -> npt.NDArray[Number]:
        """Return the reduction of each range `[low, high)`; quickest for ranges in order."""
        if self.coarse is None:
            return self._reduce_at_once(low, high)
        first, last = -(-low // BLOCK), high // BLOCK
        long = np.flatnonzero((high - low > SHORT) & (last > first))
        if not len(long):
            return self._reduce_at_once(low, high)
        stop = high.copy()
        stop[long] = first[long] * BLOCK
        result = self._reduce_at_once(low, stop)
        blocks = self.coarse.over(first[long], last[long])
        ends = self._reduce_at_once(last[long] * BLOCK, high[long])
        with np.errstate(all="ignore"):
            result[long] = self.reduction(self.reduction(result[long], blocks), ends)
        return result

    def _reduce_at_once(self, low: Whole, high: Whole) -> npt.NDArray[Number]:
        result = np.full(len(low), self.empty, dtype=self.values.dtype)
        asked, size = high > low, len(self.values)
        inside, to_end = np.flatnonzero(asked & (high < size)), np.flatnonzero(asked & (high == size))
        result[inside] = self._reduce(self.values, low[inside], high[inside])
        if len(to_end):
            start = low[to_end].min()
            values = np.append(self.values[start:], self.values[-1:])  # for `reduceat` every end is a place
            result[to_end] = self._reduce(values, low[to_end] - start, high[to_end] - start)
        return result

    def _reduce(self, values: npt.NDArray[Number], low: Whole, high: Whole) -> npt.NDArray[Number]:
        """Reduce ranges that are not empty and end before the values do.

        `reduceat` reduces what lies between one range and the next, too: backwards that is one value.
        """
        if not len(low):
            return values[:0]
        with np.errstate(all="ignore"):
            reduced: npt.NDArray[Number] = self.reduction.reduceat(values, np.column_stack([low, high])[::-1].ravel())
        return reduced[::2][::-1]

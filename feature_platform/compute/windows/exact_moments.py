"""Sums and spreads of ranges where ordinary summation would lose what matters.

Whole blocks of long ranges are summed up once, so that many ranges over the same values cost little.
"""

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.ragged import chunks, spread
from feature_platform.compute.windows.timeline import Whole

Numbers = npt.NDArray[np.float64]

BLOCK = 512
SHORT = 4096  # values up to which a spread is formed of single values: to the last bit the same, whatever else is there


class ExactSums:
    """Correctly rounded sums of finite numbers."""

    def __init__(self, values: Numbers) -> None:
        self.values = values
        self.blocks: dict[int, tuple[float, float]] = {}

    def over(self, low: Whole, high: Whole) -> Numbers:
        """The sum of each range `[low, high)`."""
        return np.array([self._sum(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)], dtype=np.float64)

    def _sum(self, low: int, high: int) -> float:
        first, last = -(-low // BLOCK), high // BLOCK
        if last <= first:
            return math.fsum(self.values[low:high].tolist())
        ends = self.values[low : first * BLOCK].tolist() + self.values[last * BLOCK : high].tolist()
        return math.fsum(part for parts in (ends, *map(self._block, range(first, last))) for part in parts)

    def _block(self, block: int) -> tuple[float, float]:
        """The sum of a block as two floats: rounded, and what is left of it."""
        if block not in self.blocks:
            values = self.values[block * BLOCK : (block + 1) * BLOCK].tolist()
            rounded = math.fsum(values)
            self.blocks[block] = rounded, math.fsum([*values, -rounded])
        return self.blocks[block]


class ExactSpreads:
    """Sums of squared distances of finite numbers to the mean of their range, by the corrected two-pass formula.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983); distances are taken to a
    value of the range, then moved, so that a mean far above the spread costs no digits.
    """

    def __init__(self, values: Numbers) -> None:
        self.values = values

    def over(self, low: Whole, high: Whole) -> Numbers:
        """The sum of squares of each range `[low, high)`, none of them empty."""
        pieces = np.where(high - low > SHORT, 2 * BLOCK + (high - low) // BLOCK, high - low)
        return np.concatenate([self._over(low[some], high[some]) for some in chunks(pieces)])

    def _over(self, low: Whole, high: Whole) -> Numbers:
        owners, (sizes, middles, offsets, squares) = self._pieces(low, high)
        count = high - low

        def summed(each: Numbers) -> Numbers:
            return np.bincount(owners, each, len(low)).astype(np.float64, copy=False)

        distances = (middles - self.values[low][owners]) + offsets
        distances -= (summed(distances * sizes) / count)[owners]
        around = summed(distances**2 * sizes + squares) - summed(distances * sizes) ** 2 / count
        return np.maximum(around, 0.0)

    def _pieces(self, low: Whole, high: Whole) -> tuple[Whole, Numbers]:
        """The values at the two ends of each range, then its whole blocks, and of which range each is."""
        first, last = -(-low // BLOCK), high // BLOCK
        whole, ranges = np.where(high - low > SHORT, np.maximum(last - first, 0), 0), np.arange(len(low))
        left, right = np.where(whole > 0, first * BLOCK, high), np.where(whole > 0, last * BLOCK, high)
        rows = spread(np.column_stack([low, right]).ravel(), np.column_stack([left - low, high - right]).ravel())
        owners, pieces = np.repeat(ranges, left - low + high - right), _of_values(self.values[rows])
        if not whole.any():
            return owners, pieces
        blocks = self._blocks[:, spread(first, whole)]
        return np.append(owners, np.repeat(ranges, whole)), np.concatenate([pieces, blocks], axis=1)

    @cached_property
    def _blocks(self) -> Numbers:
        """All whole blocks: size, first value, how far the mean is from that, squares about the mean."""
        count = len(self.values) // BLOCK
        rows = self.values[: count * BLOCK].reshape(count, BLOCK)
        with np.errstate(all="ignore"):
            return np.concatenate([_of_blocks(rows[some]) for some in chunks(np.full(count, BLOCK))], axis=1)


def _of_values(values: Numbers) -> Numbers:
    """Values as blocks of one."""
    return np.stack([np.ones_like(values), values, np.zeros_like(values), np.zeros_like(values)])


def _of_blocks(rows: Numbers) -> Numbers:
    distances = rows - rows[:, :1]
    offsets = distances.mean(axis=1)
    distances -= offsets[:, None]
    squares = (distances**2).sum(axis=1) - distances.sum(axis=1) ** 2 / BLOCK
    return np.stack([np.full(len(rows), float(BLOCK)), rows[:, 0], offsets, np.maximum(squares, 0.0)])

"""Sums of ranges by the exact partial sums of `math.fsum`: for the few ranges where quicker ways are in doubt.

Whole blocks of long ranges are summed up once, so that many ranges over the same values cost little.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.timeline import Whole

Numbers = npt.NDArray[np.float64]

BLOCK = 512


class ExactSums:
    """Correctly rounded sums of finite numbers."""

    def __init__(self, values: Numbers) -> None:
        self.values = values
        self.blocks: dict[int, tuple[float, ...]] = {}

    def over(self, low: Whole, high: Whole) -> Numbers:
        """Return the sum of each range `[low, high)`; infinite beyond the largest float."""
        ranges = zip(low.tolist(), high.tolist(), strict=True)
        return np.array([self._sum(*ends) for ends in ranges], dtype=np.float64)

    def _sum(self, low: int, high: int) -> float:
        try:
            return math.fsum(self._parts(low, high)) + 0.0
        except OverflowError:  # a sum on the way is beyond floats; the true one need not be
            return nearest_float(exact_sum(self.values[low:high].tolist()))

    def _parts(self, low: int, high: int) -> Iterable[float]:
        """Return numbers that add up to the range: its values at both ends, and the parts of whole blocks between."""
        first, last = -(-low // BLOCK), high // BLOCK
        if last <= first:
            return self.values[low:high].tolist()  # type: ignore[no-any-return]
        ends = self.values[low : first * BLOCK].tolist() + self.values[last * BLOCK : high].tolist()
        return (part for parts in (ends, *map(self._block, range(first, last))) for part in parts)

    def _block(self, block: int) -> tuple[float, ...]:
        """Return a few floats that add up to a block exactly: its sum, what that lost, what that lost, ..."""
        if block not in self.blocks:
            left = self.values[block * BLOCK : (block + 1) * BLOCK].tolist()
            parts: list[float] = []
            while part := math.fsum(left):
                parts.append(part)
                left.append(-part)
            self.blocks[block] = tuple(parts)
        return self.blocks[block]


def exact_sum(values: Iterable[float]) -> Fraction:
    """Return the sum of finite numbers without any rounding.

    >>> exact_sum([1e308, 1e308, -1e308]) == Fraction(1e308)
    True
    """
    ratios = [value.as_integer_ratio() for value in values]
    whole = max((below for _, below in ratios), default=1)
    return Fraction(sum(above * (whole // below) for above, below in ratios), whole)


def nearest_float(exact: Fraction) -> float:
    """Return the nearest float; infinite beyond the largest."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf

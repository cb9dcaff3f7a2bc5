"""Sums of ranges as they truly are, rounded once: whatever order, grouping or cut the values come in, the same bits.

Each value is cut in two at one place: what is above it adds up without any rounding, what is below is so small that its
roundings hardly ever reach the last bit of a sum. Where they might, the range is added up again, exactly.
Demmel and Nguyen, "Fast reproducible floating-point summation" (2013); Rump, Ogita and Oishi, "Accurate floating-point
summation" (2008). Which place is chosen depends on what is loaded, a true sum does not.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.blocks import ROUNDINGS, Blocks
from feature_platform.compute.windows.exact_sums import ExactSums
from feature_platform.compute.windows.non_nulls import counts_before
from feature_platform.compute.windows.timeline import Whole

Numbers = npt.NDArray[np.float64]

_ULP = 2.0**-52
_DIGITS = 53
_LEAST = -1074  # the exponent of the smallest float
_MOST = 2.0**960  # from which on values are huge: ranges that hold one are added up exactly, one by one
_RANGE, _VALUE = 800, 2  # what a doubtful range and each of its values cost exactly, against a value cut once more


class TrueSums:
    """The sum of each range of an array: the true one, rounded to nearest; NaN and infinities as IEEE 754 adds them.

    >>> sums = TrueSums(np.array([1e16, 1.0, -1e16, 0.1, 0.2]))
    >>> sums.over(np.array([0, 2, 3]), np.array([3, 2, 5])).tolist()
    [1.0, 0.0, 0.30000000000000004]
    """

    def __init__(self, values: Numbers, longest: int | None = None) -> None:
        """Cut the values.

        Args:
            longest: how many values a range that is asked has at most. Defaults to all of them.
        """
        self.plain, self.longest = PlainValues(values), len(values) if longest is None else longest
        above, below, self.unit = cut_at_unit(self.plain.small, self.longest)
        self.above, self.below = self._blocks(above), self._blocks(below) if below.any() else None
        self.finer: TrueSums | None = None

    def over(self, low: Whole, high: Whole) -> Numbers:
        """Return the sum of each range `[low, high)`; 0 over nothing, infinite beyond the largest float."""
        sums = self.above.over(low, high)
        if self.below is not None:
            off = np.multiply(high - low, self.unit * ROUNDINGS * _ULP, dtype=np.float64)
            sums, doubtful = rounded_sum(sums, self.below.over(low, high), off)
            if doubtful.any():
                sums[doubtful] = self._sum_again(low[doubtful], high[doubtful])
        return self.plain.complete(sums, low, high)

    def _blocks(self, values: Numbers) -> Blocks[np.float64]:
        return Blocks(values, np.add, empty=0.0, longest=self.longest)

    def _sum_again(self, low: Whole, high: Whole) -> Numbers:
        """Return the sums of ranges in which what is below the cut decides; it is cut again unless they are few."""
        few = _RANGE * len(low) + _VALUE * int((high - low).sum()) < len(self.plain.small)
        if few or self.below is None:
            return self.plain.exact.over(low, high)
        if self.finer is None:
            self.finer = TrueSums(self.below.values, self.longest)
        large, small = self.above.over(low, high), self.finer.over(low, high)
        off = 0.0 if self.finer.is_exact else _ULP
        lost: Numbers = np.abs(small) * off
        lost[large == 0] = 0.0
        sums, doubtful = rounded_sum(large, small, lost)
        if doubtful.any():
            sums[doubtful] = self.plain.exact.over(low[doubtful], high[doubtful])
        return sums

    @property
    def is_exact(self) -> bool:
        """Tell whether sums are true even without rounding: all values are multiples of one unit, and not many."""
        return self.below is None


class PlainValues:
    """Values that can be cut, with zeros for the others: for NaN, infinities, and numbers so large that sums overflow.

    Attributes:
        small: what can be cut.
        exact: the sums of the finite ones, one by one.
    """

    def __init__(self, values: Numbers) -> None:
        self.odd: OddValues | None = None
        self.huge: Whole | None = None
        largest = _largest(values)
        if not np.isfinite(largest):
            self.odd = OddValues(values)
            values = np.where(np.isfinite(values), values, 0.0)
            largest = _largest(values)
        self.small, self.exact = values, ExactSums(values)
        if largest >= _MOST:
            huge = np.abs(values) >= _MOST
            self.huge, self.small = counts_before(pl.Series(huge)), np.where(huge, 0.0, values)

    def over(self, low: Whole, high: Whole) -> Numbers:
        """Return the sum of each range, as `TrueSums` has it, one by one."""
        return self.complete(self.exact.over(low, high), low, high)

    def complete(self, sums: Numbers, low: Whole, high: Whole) -> Numbers:
        """Complete the sums of what can be cut: add what the other values make of each range."""
        if self.huge is not None:
            huge = self.huge[high] > self.huge[low]
            sums[huge] = self.exact.over(low[huge], high[huge])
        return sums if self.odd is None else self.odd.add_to(sums, low, high)


class OddValues:
    """NaN and infinities among values: how many each range holds."""

    def __init__(self, values: Numbers) -> None:
        self.nans, self.above, self.below = (
            counts_before(pl.Series(flags)) for flags in (np.isnan(values), values == np.inf, values == -np.inf)
        )

    def add_to(self, sums: Numbers, low: Whole, high: Whole) -> Numbers:
        """Add NaN and infinities to the sums of the other values."""
        above, below = (counts[high] > counts[low] for counts in (self.above, self.below))
        nans = (self.nans[high] > self.nans[low]) | (above & below)
        sums = np.where(above, np.inf, np.where(below, -np.inf, sums))
        return np.where(nans, np.nan, sums)

    def among(self, low: Whole, high: Whole) -> npt.NDArray[np.bool_]:
        """Tell whether each range holds any."""
        counts = self.nans + self.above + self.below
        among: npt.NDArray[np.bool_] = counts[high] > counts[low]
        return among


def cut_at_unit(values: Numbers, longest: int) -> tuple[Numbers, Numbers, float]:
    """Cut values to multiples of a unit, so that `longest` add up exactly; return these, what is left, the unit."""
    bits = max(longest.bit_length(), 2)
    exponent = max(int(np.frexp(_largest(values))[1]) + bits - _DIGITS, _LEAST)
    shift = np.ldexp(1.5, exponent + _DIGITS - 1)
    above = values + shift
    above -= shift
    return above, values - above, float(np.ldexp(1.0, exponent))


def _largest(values: Numbers) -> float:
    """Return the largest magnitude; NaN or infinite where a value is."""
    if not len(values):
        return 0.0
    return float(np.maximum(values.max(), -values.min()))


def rounded_sum(large: Numbers, small: Numbers, off: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Add both; return where it is uncertain that this is the true sum rounded, `small` being off by so much.

    What is off must not vanish beside what the addition lost: it is 0, or at least 2**-52 of `small`.
    """
    sums = large + small
    back = sums - large
    lost = (large - (sums - back)) + (small - back)
    doubtful = (sums + (lost + 2 * off) != sums) | (sums + (lost - 2 * off) != sums)
    return sums, doubtful

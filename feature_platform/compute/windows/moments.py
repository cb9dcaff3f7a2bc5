"""Sums, means and spreads of ranges of numbers.

Every value comes from the values of its own range alone, and is within 1e-9 of itself. Where what is asked for nearly
cancels (a sum far smaller than its terms, a spread far smaller than the mean) it is computed again, exactly.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.aggregations import Aggregation, Mean, Std, Sum, Var
from feature_platform.compute.windows.blocks import ROUNDINGS, Blocks
from feature_platform.compute.windows.exact_moments import ExactSpreads, ExactSums
from feature_platform.compute.windows.held import held
from feature_platform.compute.windows.timeline import Ranged, Timeline, Whole

Numbers = npt.NDArray[np.float64]

_ULP = 2.0**-52
_CLOSE = 5e-10  # of the promised 1e-9; the rest is for the roundings that are not counted here


class Sums:
    """The sum or mean of each range; NaN and infinities show in the ranges that hold them."""

    def __init__(self, column: pl.Series, *, mean: bool) -> None:
        self.held, self.mean = held(column.cast(pl.Float64)), mean
        numbers = self.held.values.to_numpy()
        self.sums, self.sizes = (Blocks(each, np.add, empty=0.0) for each in (numbers, np.abs(numbers)))
        self.exact = ExactSums(numbers)

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """The sum or mean over each range `[low, high)` of events."""
        low, high = self.held.among(low), self.held.among(high)
        sums, sizes = self.sums.over(low, high), self.sizes.over(low, high)
        doubtful = np.isfinite(sizes) & (ROUNDINGS * _ULP * sizes > _CLOSE * np.abs(sums))
        if doubtful.any():
            sums[doubtful] = self.exact.over(low[doubtful], high[doubtful])
        if not self.mean:
            return pl.Series(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            return pl.Series(sums / (high - low)).set(pl.Series(high == low), None)


class Spreads:
    """The sample variance or deviation of each range; NaN where it holds NaN or an infinity."""

    def __init__(self, column: pl.Series, *, root: bool) -> None:
        self.held, self.root = held(column.cast(pl.Float64)), root
        numbers = self.held.values.to_numpy()
        self.sums = Blocks(numbers, np.add, empty=0.0)
        with np.errstate(all="ignore"):
            self.squares = Blocks(numbers**2, np.add, empty=0.0)
        self.exact = ExactSpreads(numbers)

    def over(self, low: Whole, high: Whole) -> pl.Series:
        """The spread of each range `[low, high)` of events; null for less than two values."""
        low, high = self.held.among(low), self.held.among(high)
        count, squares = high - low, self.squares.over(low, high)
        with np.errstate(all="ignore"):
            around = squares - self.sums.over(low, high) ** 2 / count
            doubtful = (count > 1) & np.isfinite(squares) & ~(ROUNDINGS * _ULP * squares <= _CLOSE * around)
            if doubtful.any():
                around[doubtful] = self.exact.over(low[doubtful], high[doubtful])
            variance = around / (count - 1)
        found = pl.Series(np.sqrt(variance) if self.root else variance)
        return found.set(pl.Series(count < 2), None)


def moments(aggregation: Aggregation, line: Timeline) -> Ranged | None:
    """The ranges of sums, means and spreads; none for other aggregations.

    None, too, for numbers so large that their total or that of their squares is no float any more.
    """
    kind = type(aggregation)
    if kind not in (Sum, Mean, Std, Var):
        return None
    column = line.events.get_column(str(aggregation.column))
    largest = _largest(column)
    if kind in (Sum, Mean):
        return Sums(column, mean=kind is Mean).over if 2 * largest * len(column) < np.inf else None
    return Spreads(column, root=kind is Std).over if 4 * _square(largest) * len(column) < np.inf else None


def _largest(column: pl.Series) -> float:
    """The largest finite magnitude of a column; 0 where there is none."""
    numbers = column.cast(pl.Float64)
    ends = numbers.filter(numbers.is_finite()) if numbers.is_finite().all() is False else numbers
    return max((abs(end) for end in (ends.min(), ends.max()) if isinstance(end, float)), default=0.0)


def _square(number: float) -> float:
    return number * number

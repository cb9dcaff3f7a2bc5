"""True sums of ranges by running totals: for many long ranges, such as the whole past of each of many rows."""

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.timeline import Whole
from feature_platform.compute.windows.true_sums import PlainValues, cut_at_unit, rounded_sum

Numbers = npt.NDArray[np.float64]

_ULP = 2.0**-52


class RunningSums:
    """The sum of each range of an array, as `TrueSums` has it: the true one, rounded once.

    Values are cut twice, so that two totals of all of them never round; after that hardly anything is left.

    >>> sums = RunningSums(np.array([1e16, 1.0, -1e16, 0.1, 0.2]))
    >>> sums.over(np.array([0, 2, 3]), np.array([3, 2, 5])).tolist()
    [1.0, 0.0, 0.30000000000000004]
    """

    def __init__(self, values: Numbers) -> None:
        self.plain = PlainValues(values)
        large, rest, _ = cut_at_unit(self.plain.small, len(values))
        small, rest, unit = cut_at_unit(rest, len(values))
        self.large, self.small = _running(large), _running(small)
        self.least = _running(rest) if rest.any() else None
        self.off = unit * _ULP * float(len(values)) ** 2  # of the totals of what is left

    def over(self, low: Whole, high: Whole) -> Numbers:
        """Return the sum of each range `[low, high)`; 0 over nothing, infinite beyond the largest float."""
        large, small = self.large[high] - self.large[low], self.small[high] - self.small[low]
        if self.least is None:
            return self.plain.complete(large + small, low, high)
        both = small + (self.least[high] - self.least[low])
        off: Numbers = np.abs(both) * _ULP + self.off  # enough of what was lost not to be lost itself beside it
        sums, doubtful = rounded_sum(large, both, off)
        if doubtful.any():
            sums[doubtful] = self.plain.exact.over(low[doubtful], high[doubtful])
        return self.plain.complete(sums, low, high)


def _running(values: Numbers) -> Numbers:
    return np.append(0.0, np.cumsum(values))

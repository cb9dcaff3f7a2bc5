"""Keys with so many long ranges that it would take too long to look at the values of each range."""

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.ragged import spread
from feature_platform.compute.windows.timeline import Whole

LONG = 256  # values in a range from which on it costs less to ask ranks than to sort
WORTH = 32  # how often a key's values must lie in long ranges, on average, for ranks to be worth making


class HotKeys:
    """The values of hot keys, one after the other, and where ranges lie among them.

    Attributes:
        rows: the positions of their values.
    """

    def __init__(self, starts: Whole, low: Whole, high: Whole) -> None:
        """Find the hot keys.

        Args:
            starts: where the values of each key begin, and where the last one's end.
            low, high: the longest ranges that will be asked.
        """
        self.starts, sizes = starts, np.diff(starts)
        long = high - low >= LONG
        looked_at = np.bincount(self._keys(low[long]), weights=(high - low)[long], minlength=len(sizes))
        self.hot = looked_at > WORTH * sizes
        self.rows = spread(starts[:-1][self.hot], sizes[self.hot])
        self.shift = starts[:-1] - np.cumsum(np.where(self.hot, sizes, 0)) + sizes

    def long_ranges(self, low: Whole, high: Whole) -> npt.NDArray[np.int64]:
        """Return the positions of the long ranges of hot keys."""
        if not len(self.rows):
            return np.zeros(0, dtype=np.int64)
        long = np.flatnonzero(high - low >= LONG)
        return long[self.hot[self._keys(low[long])]]

    def among(self, low: Whole, high: Whole) -> tuple[Whole, Whole]:
        """Return ranges of hot keys as ranges of `rows`."""
        shift = self.shift[self._keys(low)]
        return low - shift, high - shift

    def _keys(self, low: Whole) -> Whole:
        return np.searchsorted(self.starts, low, side="right").astype(np.int64) - 1

"""Ranges in order, one stretch of rows at a time, so that intermediate values are held for one stretch only."""

from collections.abc import Iterator, Sequence

import numpy as np

from feature_platform.compute.windows.timeline import Whole

AT_ONCE = 1 << 20  # rows in a stretch; where the windows of one moment reach over more, twice that

Ranges = tuple[Whole, Whole]


def spans(ranges: Sequence[Ranges]) -> Iterator[tuple[slice, int, int]]:
    """Yield neighbouring ranges with the stretch of rows that holds them.

    Args:
        ranges: the lower and upper ends of several windows, each of as many; mostly in ascending order.

    Yields:
        Which ranges of every window, the first row of the stretch, and the row after its last.

    >>> ends = np.array([0, 2, 4]), np.array([2, 4, 6])
    >>> [(some.start, some.stop, first, last) for some, first, last in spans([ends])]
    [(0, 3, 0, 6)]
    """
    lowest, highest = (np.array([pair[end] for pair in ranges]) for end in (0, 1))
    first = np.minimum.accumulate(lowest.min(axis=0)[::-1])[::-1]
    last = np.maximum.accumulate(highest.max(axis=0))
    room = max(AT_ONCE, 2 * int((highest.max(axis=0) - lowest.min(axis=0)).max(initial=0)))
    start = 0
    while start < len(first):
        reached = int(np.searchsorted(last, first[start] + room, side="right"))
        stop = max(min(reached, start + AT_ONCE), start + 1)
        yield slice(start, stop), int(first[start]), max(int(last[stop - 1]), int(first[start]))
        start = stop


def longest_range(ranges: Sequence[Ranges]) -> int:
    """Return the length of the longest range."""
    return max((int((high - low).max(initial=0)) for low, high in ranges), default=0)

"""Pushes that are online and of which the spool has not been told yet.

To tell it is a write to the disk, and nothing depends on it but that a crash has them applied again, which changes
nothing. So it is told of many at once, a moment later.
"""

from collections import deque

from feature_platform.ground.errors import SpoolFailed
from feature_platform.online.spool import Spool


class Applied:
    """Collects the numbers of pushes; threads may share it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._numbers: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._numbers)

    def note(self, number: int) -> None:
        """Note that a push is online."""
        self._numbers.append(number)

    def settle(self) -> None:
        """Tell the spool of all that were noted so far.

        Raises:
            SpoolFailed: the disk refused; it is told the next time.
        """
        numbers = [self._numbers.popleft() for _ in range(len(self._numbers))]
        if not numbers:
            return
        try:
            self._spool.mark_applied(numbers)
        except SpoolFailed:
            self._numbers.extend(numbers)
            raise

"""Pushes that are online, and that the spool does not know to be online yet.

To mark them is a write to the disk. If a crash comes first they are applied again, which changes nothing. So many are
marked at once, a moment later.
"""

from collections import deque

from feature_platform.ground.errors import SpoolFailed
from feature_platform.online.spool import Spool


class AppliedPushes:
    """The numbers of pushes that are to be marked; threads may share it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._numbers: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._numbers)

    def note(self, number: int) -> None:
        """Note that a push is online."""
        self._numbers.append(number)

    def settle(self) -> None:
        """Mark in the spool all pushes that were noted so far.

        Raises:
            SpoolFailed: the disk refused; they are marked the next time.
        """
        numbers = [self._numbers.popleft() for _ in range(len(self._numbers))]
        if not numbers:
            return
        try:
            self._spool.mark_applied(numbers)
        except SpoolFailed:
            self._numbers.extend(numbers)
            raise

"""The clock of a server: the one place where it reads the current time.

A replay clock makes history servable: it starts at a moment in the past and runs on from there, or stands still.
"""

from dataclasses import dataclass
from datetime import datetime, timezone

from feature_platform.ground.clock import microsecond_of, shift_moment


@dataclass(frozen=True)
class Clock:
    """The time that served values are of; access keys and logs always use the real time.

    Attributes:
        offset: microseconds that are added to the real time.
        stands: the moment at which the clock stands still; None for one that runs.
    """

    offset: int = 0
    stands: datetime | None = None

    @staticmethod
    def replay(start: datetime | None, *, frozen: bool = False) -> "Clock":
        """Return a clock that shows a moment now and runs on from there; the real time when no moment is given.

        >>> from datetime import timezone
        >>> Clock.replay(datetime(2013, 6, 1, tzinfo=timezone.utc)).now().year
        2013
        """
        present = datetime.now(timezone.utc)
        if frozen:
            return Clock(stands=present if start is None else start)
        return Clock(0 if start is None else microsecond_of(start) - microsecond_of(present))

    @property
    def is_present(self) -> bool:
        """Tell whether the clock shows the real time."""
        return self.offset == 0 and self.stands is None

    def now(self) -> datetime:
        """Return the moment that served values are of (UTC)."""
        if self.stands is not None:
            return self.stands
        present = datetime.now(timezone.utc)
        return shift_moment(present, self.offset) if self.offset else present


def current_time() -> datetime:
    """Return the real time (UTC), for keys and logs."""
    return datetime.now(timezone.utc)

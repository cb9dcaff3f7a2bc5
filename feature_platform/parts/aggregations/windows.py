"""Windows as values: which stretch of time before a moment is looked at, as users write it and as it is computed."""

import re
from dataclasses import dataclass
from functools import lru_cache

from feature_platform.ground.calendars import CALENDAR_UNITS, CalendarUnit
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration

_HOUR = 3_600_000_000
_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
_SPARE = 25 * _HOUR  # by which clocks were set back at most: a day came twice where the date line moved
UNBOUNDED = 10_000 * 366 * 24 * _HOUR  # how far back a window without a beginning reaches: before all times there are
_CALENDAR = re.compile(rf"(last_)?({'|'.join(CALENDAR_UNITS)})(_to_date)?")


@dataclass(frozen=True)
class Span:
    """`[t - lag - length, t - lag)`: a fixed length of time that ends at the moment, or before it.

    Attributes:
        length, lag: in microseconds.
    """

    length: int
    lag: int = 0

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie, in microseconds."""
        return self.length + self.lag


@dataclass(frozen=True)
class Lifetime:
    """All time before the moment."""

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie, in microseconds."""
        return UNBOUNDED


@dataclass(frozen=True)
class ToDate:
    """From the first instant of the local unit that the moment is in, to the moment."""

    unit: CalendarUnit
    tz: str

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie at most, in microseconds."""
        return _longest(self.unit)


@dataclass(frozen=True)
class UnitBefore:
    """The whole local unit before the one that the moment is in."""

    unit: CalendarUnit
    tz: str

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie at most, in microseconds."""
        return 2 * _longest(self.unit)


@dataclass(frozen=True)
class Ahead:
    """`[t + start, t + start + length)`: a fixed length of time after the moment, of events known within `lateness`.

    Attributes:
        start, length: in microseconds.
        lateness: how long after its end an event may become known and still be in it, in microseconds.
    """

    start: int
    length: int
    lateness: int = 0

    @property
    def reach(self) -> int:
        """Return how far before its moment an event may lie, in microseconds: none does, and `start` comes first."""
        return -self.start

    @property
    def end(self) -> int:
        """Return how long after its moment it ends, in microseconds."""
        return self.start + self.length

    @property
    def known_within(self) -> int:
        """Return how long after its moment its events may become known at most, in microseconds."""
        return self.end + self.lateness


Window = Span | Lifetime | ToDate | UnitBefore | Ahead


@lru_cache(maxsize=4096)
def read_window(text: str, owner: str, lag: str | None = None, tz: str | None = None) -> Window:
    """Return the window that a text means.

    Args:
        text: a duration such as `7d`, `lifetime`, `month_to_date` or `last_month`.
        lag: how long before its moment a window of fixed length ends.
        tz: the time zone of calendar windows. Defaults to UTC.

    Raises:
        InvalidDeclaration: it means no window, or has a lag and no fixed length; `owner` is named as the culprit.

    >>> read_window("month_to_date", "A window", tz="America/New_York")
    ToDate(unit='month', tz='America/New_York')
    """
    calendar = _CALENDAR.fullmatch(text)
    is_calendar = calendar is not None and bool(calendar[1]) != bool(calendar[3])
    if not is_calendar and text != "lifetime":
        return Span(_length(text, owner), microseconds(lag, f"{owner}, lag,") if lag else 0)
    if lag is not None:
        raise InvalidDeclaration(owner, f"has lag={lag!r} and the window {text!r}", "Lag windows of fixed length only.")
    if calendar is None:
        return Lifetime()
    unit: CalendarUnit = next(unit for unit in CALENDAR_UNITS if unit == calendar[2])
    return (UnitBefore if calendar[1] else ToDate)(unit, tz or "UTC")


def _length(text: str, owner: str) -> int:
    try:
        return microseconds(text, owner)
    except InvalidDeclaration as error:
        raise InvalidDeclaration(
            owner,
            f"has the duration {text!r}",
            "Write a whole number and one of s, m (minutes), h, d, w, e.g. `36h` or `7d`; or `lifetime`, or a calendar "
            "window: `month_to_date` or `last_month`, and so with day, week, quarter and year.",
        ) from error


def _longest(unit: CalendarUnit) -> int:
    return _DAYS[unit] * 24 * _HOUR + _SPARE

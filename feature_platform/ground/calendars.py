"""Calendars: when the days, weeks, months, quarters and years of a time zone begin. The only place that reads zones.

A day begins at the first instant at which the local date is at or after it. Where midnight is skipped, that is the end
of the gap; where it comes twice, the first one; a day that is missing altogether begins with the next one.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from feature_platform.ground.clock import MONDAY, microsecond_of, moment_of
from feature_platform.ground.errors import InvalidDeclaration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]

CalendarUnit = Literal["day", "week", "month", "quarter", "year"]
CALENDAR_UNITS: tuple[CalendarUnit, ...] = get_args(CalendarUnit)

_SECOND, _DAY = 1_000_000, 86_400_000_000
_FIRST_MONDAY = MONDAY // _DAY  # in days since 1970
_ORDINAL = date(1970, 1, 1).toordinal()
_CYCLE = 146_097  # days of 400 years, after which weekdays, leap years and the rules of a zone come again
_FIRST_DAY = date(2, 1, 1).toordinal() - _ORDINAL  # from here up to `_LAST_DAY` every local time can be written
_LAST_DAY = date(9999, 1, 1).toordinal() - _ORDINAL
_FARTHEST = 290_000 * 365 * _DAY  # beyond it 64 bits hold no starts
_MOST_YEARS = 100  # so many are taken as they come; of a longer stretch those that are asked for


@dataclass(frozen=True)
class CalendarStep:
    """How far neighbouring starts of a calendar are apart: some days, counted from a Monday, or some months."""

    days: int = 0
    months: int = 0

    def years_of(self, steps: int) -> int:
        """Return how many years some steps reach back or ahead, at most."""
        return 1 + steps * (self.days + 31 * self.months) // 360


_STEPS: dict[CalendarUnit, CalendarStep] = {
    "day": CalendarStep(days=1),
    "week": CalendarStep(days=7),
    "month": CalendarStep(months=1),
    "quarter": CalendarStep(months=3),
    "year": CalendarStep(months=12),
}


def require_time_zone(tz: object, owner: str) -> None:
    """Refuse what is not the name of a time zone; `owner` is named as the culprit.

    Raises:
        InvalidDeclaration: the name is unknown, or depends on the machine; near names are told.

    >>> require_time_zone("America/New_York", "Cadence, tz,")
    """
    if isinstance(tz, str) and tz in _zone_names():
        return
    near = get_close_matches(str(tz).replace(" ", "_").lower(), {name.lower() for name in _zone_names()}, 3)
    names = [name for name in sorted(_zone_names()) if name.lower() in near]
    meant = f"Did you mean {' or '.join(f'`{name}`' for name in names)}? " if names else ""
    raise InvalidDeclaration(
        owner,
        f"has the time zone {tz!r}, which is unknown",
        f"{meant}Zones are those of the IANA database, e.g. `America/New_York`, "
        "as the machine or the package tzdata has it.",
    )


def unit_starts(times: "Whole", unit: CalendarUnit, tz: str, back: int = 0) -> "Whole":
    """Return the newest start of a local unit at or before each time, or the one `back` starts before it.

    The result never falls where times rise. Weeks begin on Mondays, quarters in January, April, July and October.

    Args:
        times: microseconds since 1970-01-01 UTC, any that 64 bits hold, in any order.

    >>> import numpy as np
    >>> noon = microsecond_of(datetime.fromisoformat("2024-03-10T12:00Z"))
    >>> starts = [int(unit_starts(np.array([noon]), "day", "America/New_York", back)[0]) for back in (0, 1)]
    >>> [f"{moment_of(start):%d %H:%M}" for start in starts]  # UTC; the clocks went forward on the 10th
    ['10 05:00', '09 05:00']
    """
    return step_starts(times, _STEPS[unit], tz, back)


def step_starts(times: "Whole", step: CalendarStep, tz: str, back: int = 0) -> "Whole":
    """Return the same as `unit_starts` for the starts of any step.

    >>> import numpy as np
    >>> [f"{moment_of(int(at)):%F}" for at in step_starts(np.array([0]), CalendarStep(days=7), "UTC")]
    ['1969-12-29']
    """
    import numpy as np

    if not len(times):
        return np.zeros(0, dtype=np.int64)
    inside = np.clip(times, -_FARTHEST, _FARTHEST)
    starts = _starts_of_years(step, tz, _years_asked(inside, step.years_of(back + 1)))
    found: Whole = starts[np.searchsorted(starts, inside, side="right") - 1 - back]
    return found


def starts_between(low: int, high: int, step: CalendarStep, tz: str) -> "Whole":
    """Return the starts `a` with `low < a <= high`, ascending and distinct, in microseconds.

    >>> day = 86_400_000_000
    >>> len(starts_between(0, 7 * day, CalendarStep(days=1), "Asia/Kathmandu"))
    7
    """
    import numpy as np

    if high <= low:
        return np.zeros(0, dtype=np.int64)
    ends = np.clip(np.array([low, high], dtype=np.int64), -_FARTHEST, _FARTHEST)
    first, last = _years(ends)
    starts = _starts_of_years(step, tz, range(int(first) - 1, int(last) + 2))
    return starts[slice(*np.searchsorted(starts, ends, side="right"))]


def start_after(time: int, step: CalendarStep, tz: str) -> int:
    """Return the first start after a time, in microseconds.

    >>> start_after(0, CalendarStep(months=12), "UTC") == 365 * 86_400_000_000
    True
    """
    import numpy as np

    (year,) = _years(np.array([time], dtype=np.int64))
    starts = _starts_of_years(step, tz, range(int(year) - 1, int(year) + 2 + step.years_of(1)))
    return int(starts[np.searchsorted(starts, time, side="right")])


def _years(times: "Whole") -> "Whole":
    """Return the year of each time in UTC."""
    import numpy as np

    years: Whole = times.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _years_asked(times: "Whole", before: int) -> tuple[int, ...]:
    """Return the years whose starts some times may need: their own, one after it and some before it."""
    import numpy as np

    low, high = (int(year) for year in _years(np.array([times.min(), times.max()])))
    asked = range(low, high + 1) if high - low < _MOST_YEARS else np.unique(_years(times)).tolist()
    return tuple(sorted({year + aside for year in asked for aside in range(-before, 2)}))


@lru_cache(1 << 6)
def _starts_of_years(step: CalendarStep, tz: str, years: range | tuple[int, ...]) -> "Whole":
    """Return the distinct starts of some years, ascending."""
    import numpy as np

    starts = np.unique(np.concatenate([_starts_of_year(step, tz, year) for year in years]))
    starts.setflags(write=False)
    return starts


@lru_cache(1 << 11)  # days of a year take 3 kB
def _starts_of_year(step: CalendarStep, tz: str, year: int) -> "Whole":
    """Return the starts of all units whose first day, as it is written, is in a year; of missing days as well."""
    import numpy as np

    zone = ZoneInfo(tz)
    starts = np.array([_start_of_day(int(day), zone) for day in _first_days(step, year)], dtype=np.int64)
    starts.setflags(write=False)
    return starts


def _first_days(step: CalendarStep, year: int) -> "Whole":
    """Return the first days of the units that begin in a year, in days since 1970."""
    import numpy as np

    months = np.arange(12 * (year - 1970), 12 * (year - 1970) + 13, step.months or 12)
    days: Whole = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if step.months:
        return days[:-1]
    first = int(days[0])
    return np.arange(first + (_FIRST_MONDAY - first) % step.days, days[-1], step.days, dtype=np.int64)


def _start_of_day(day: int, zone: ZoneInfo) -> int:
    """Return the first microsecond at which the local date is at or after a day, which is in days since 1970.

    Of years that cannot be written, the zone is asked for the same year of another cycle.
    """
    cycles = min(day - _FIRST_DAY, 0) // _CYCLE + max(day - _LAST_DAY + _CYCLE, 0) // _CYCLE
    near = day - cycles * _CYCLE
    midnight = datetime.fromordinal(near + _ORDINAL).replace(tzinfo=zone)
    first, second = microsecond_of(midnight), microsecond_of(midnight.replace(fold=1))
    if second < first:  # midnight is skipped: the clocks go forward between these two
        between = range(second, first + 1, _SECOND)
        first = between[bisect_left(between, near, key=lambda at: _local_day(at, zone))]
    return first + cycles * _CYCLE * _DAY


def _local_day(time: int, zone: ZoneInfo) -> int:
    """Return the local date at a time, in days since 1970."""
    return moment_of(time).astimezone(zone).toordinal() - _ORDINAL


@lru_cache(1)
def _zone_names() -> frozenset[str]:
    """Return the names of all time zones, without the one that means another zone on each machine."""
    return frozenset(available_timezones() - {"localtime"})

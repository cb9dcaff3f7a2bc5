"""The calendar of a table: whether as many rows as today are usual at this place of a month, by its own past.

A month end with five times the rows is usual where earlier month ends had as many. Two earlier months are enough
when all of the last six agree; with fewer than two there is no answer.
"""

import calendar
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from feature_platform.ground.clock import shift_moment

MONTHS = 6  # before the month of the partition
LEAST_MONTHS = 2
_WEEK = 7 * 86_400_000_000  # microseconds
_WEEKS = [each * _WEEK for each in (-3, -2, -1, 1, 2, 3)]  # around a day, to those of the same weekday
_LEAST_WEEKS = 2
_APART = math.log(1.3)  # the smallest ratio that can matter
_AGREE = 0.5  # of the largest ratio, on a logarithmic scale, is the smallest one of a place at least
_SLACK = 0.5  # of the largest ratio, on a logarithmic scale, by which another may lie outside
_NTH = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, eq=False)
class Calendar:
    """The rows of partitions of a day or less.

    Attributes:
        starts: when each partition begins, by its key.
        rows: how many rows each has, by its start; later partitions than the current one do not count.
    """

    starts: Mapping[str, datetime]
    rows: Mapping[datetime, int]

    def place_of(self, key: str, rows: int, before: str) -> str | None:
        """Return the place in the month where so many rows are usual, in words; None where nothing says so.

        Args:
            rows: of the partition `key`.
            before: the current partition; only earlier ones, and `key` itself, are known.
        """
        if key not in self.starts or before not in self.starts:
            return None
        return self.usual_place(self.starts[key], rows, self.starts[before])

    def usual_place(self, start: datetime, rows: int, before: datetime) -> str | None:
        """Return the same for a start."""
        own = self._away(start, rows, before)
        if own is None or abs(own) < _APART:
            return None
        months = _months_before(before.date(), MONTHS, without=start.date())
        for words, days in _same_places(start.date(), months):
            known = [self._away_at(datetime.combine(day, start.timetz()), before) for day in days]
            ratios = [each for each in known if each is not None]
            if len(ratios) >= LEAST_MONTHS and _agree(ratios) and _is_like(own, ratios):
                return words
        return None

    def _away_at(self, start: datetime, before: datetime) -> float | None:
        rows = self.rows.get(start) if start < before else None
        return None if rows is None else self._away(start, rows, before)

    def _away(self, start: datetime, rows: int, before: datetime) -> float | None:
        """Return how many rows there are for those of the same weekday and time in the weeks around, as a logarithm."""
        neighbours = [self.rows.get(week) for each in _WEEKS if (week := shift_moment(start, each)) < before]
        around = sorted(each for each in neighbours if each)
        if len(around) < _LEAST_WEEKS or not rows:
            return None
        return math.log(rows / around[len(around) // 2])


def _agree(ratios: Sequence[float]) -> bool:
    """Tell whether all ratios say that there is more, or that there is less, by about as much."""
    sizes = [abs(each) for each in ratios]
    one_way = all(each > 0 for each in ratios) or all(each < 0 for each in ratios)
    return one_way and min(sizes) >= max(_APART, _AGREE * max(sizes))


def _is_like(own: float, ratios: Sequence[float]) -> bool:
    slack = max(_APART, _SLACK * max(abs(each) for each in ratios))
    return min(ratios) - slack <= own <= max(ratios) + slack


def _months_before(until: date, many: int, without: date) -> list[tuple[int, int]]:
    """Return some months up to the month of a day, newest first, without the month of another day."""
    number = until.year * 12 + until.month - 1
    months = [((number - back) // 12, (number - back) % 12 + 1) for back in range(many + 1)]
    return [each for each in months if each != (without.year, without.month)][:many]


def _same_places(day: date, months: Sequence[tuple[int, int]]) -> Iterator[tuple[str, list[date]]]:
    """Yield each place of a day in its month, in words, and the days at that place in other months."""
    length = calendar.monthrange(day.year, day.month)[1]
    from_end = length - day.day
    last = "the last day of the month" if not from_end else f"{from_end + 1} days before the end of the month"
    yield last, [date(*month, size - from_end) for month in months if (size := _length(month)) > from_end]
    yield f"day {day.day} of the month", [date(*month, day.day) for month in months if day.day <= _length(month)]
    nth = (day.day - 1) // 7
    same_weekday = [_nth_weekday(month, day.weekday(), nth) for month in months]
    yield f"the {_NTH[nth]} {day:%A} of the month", [each for each in same_weekday if each is not None]
    working = _working_days((day.year, day.month))
    if day in working:
        at = working.index(day)
        yield f"working day {at + 1} of the month", [_working_days(each)[at] for each in months if _has(each, at)]
        end = len(working) - at
        words = "the last working day of the month" if end == 1 else f"working day {end} from the end of the month"
        yield words, [_working_days(each)[-end] for each in months if _has(each, end - 1)]


def _length(month: tuple[int, int]) -> int:
    return calendar.monthrange(*month)[1]


def _has(month: tuple[int, int], at: int) -> bool:
    return at < len(_working_days(month))


def _nth_weekday(month: tuple[int, int], weekday: int, nth: int) -> date | None:
    first = date(*month, 1)
    day = date.fromordinal(first.toordinal() + (weekday - first.weekday()) % 7 + 7 * nth)
    return day if day.month == first.month else None


@lru_cache(maxsize=64)
def _working_days(month: tuple[int, int]) -> tuple[date, ...]:
    """Return the days of a month from Monday to Friday."""
    days = (date(*month, each) for each in range(1, _length(month) + 1))
    return tuple(each for each in days if each.weekday() < 5)

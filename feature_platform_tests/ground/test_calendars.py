from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_platform.ground.calendars import (
    CALENDAR_UNITS,
    CalendarStep,
    CalendarUnit,
    require_time_zone,
    start_after,
    starts_between,
    step_starts,
    unit_starts,
)
from feature_platform.ground.clock import ALWAYS, NEVER, microsecond_of, moment_of
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform_tests.effort import is_thorough, tries

HOUR, DAY = 3_600_000_000, 86_400_000_000
QUARTER_HOUR = timedelta(minutes=15)
ZONES = {  # where midnight is skipped, comes twice, or is an odd time of UTC, with the first of three such years
    "America/Sao_Paulo": 2016,
    "America/Havana": 2022,
    "Africa/Cairo": 2022,
    "Asia/Beirut": 2022,
    "Pacific/Apia": 2010,
    "Asia/Kathmandu": 1985,
    "Australia/Lord_Howe": 2022,
    "America/St_Johns": 2009,
    "America/Toronto": 1918,
}
STEPS = {
    "day": CalendarStep(days=1),
    "week": CalendarStep(days=7),
    "month": CalendarStep(months=1),
    "quarter": CalendarStep(months=3),
    "year": CalendarStep(months=12),
    "two days": CalendarStep(days=2),
    "400 days": CalendarStep(days=400),
}
FARTHEST = 290_000 * 365 * DAY  # microseconds; what lies beyond counts as this
BACK = st.integers(0, 40)
ALL_TICKS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(microsecond_of(ALWAYS) - DAY, microsecond_of(ALWAYS) + 400 * DAY),
    st.integers(microsecond_of(NEVER) - 400 * DAY, microsecond_of(NEVER) + DAY),
    st.integers(-100 * 365 * DAY, 100 * 365 * DAY),
)


def unit_of(day: date, unit: str) -> object:
    """What days of one unit share, and what rises from one unit to the next."""
    number = (day - date(1970, 1, 5)).days
    month = 12 * day.year + day.month - 1
    found = {"day": number, "week": number // 7, "month": month, "quarter": month // 3, "year": day.year}
    return (found | {"two days": number // 2, "400 days": number // 400})[unit]


def walk(tz: str, first: int, last: int) -> Iterator[tuple[datetime, date]]:
    """Each local date of some years, and the first quarter of an hour at which it is as late as that."""
    moment, latest, zone = datetime(first, 1, 1, tzinfo=UTC), date.min, ZoneInfo(tz)
    while moment.year <= last:
        if (day := moment.astimezone(zone).date()) > latest:
            yield moment, day
            latest = day
        moment += QUARTER_HOUR


def naive_starts(days: list[tuple[datetime, date]], unit: str) -> list[datetime]:
    return [moment for (_, before), (moment, day) in pairwise(days) if unit_of(day, unit) != unit_of(before, unit)]


def starts_of(moments: list[datetime], unit: CalendarUnit, tz: str, back: int = 0) -> list[datetime]:
    found = unit_starts(np.array([microsecond_of(moment) for moment in moments]), unit, tz, back)
    return [moment_of(int(each)) for each in found]


@pytest.mark.parametrize("tz", ZONES)
def test_a_unit_begins_where_one_who_walks_finds_its_first_day(tz):
    year = ZONES[tz]
    days = list(walk(tz, year - 4, year + 2))
    first = datetime(year, 1, 1, tzinfo=UTC)
    moments = [first + timedelta(hours=5 * number, minutes=37) for number in range(3 * 365 * 24 // 5)]
    moments += [moment for moment, _ in days if moment >= first]
    moments += [moment - timedelta(microseconds=1) for moment in moments]
    times = np.array([microsecond_of(moment) for moment in moments])
    for unit, step in STEPS.items():
        starts = naive_starts(days, unit)
        for back in (0, 1, 2):
            found = step_starts(times, step, tz, back)
            expected = [starts[bisect_right(starts, moment) - 1 - back] for moment in moments]
            assert [moment_of(int(each)) for each in found] == expected, (unit, back)


def test_a_day_begins_where_a_gap_ends_and_with_the_first_of_two_midnights():
    gap = datetime(2018, 11, 4, 3, tzinfo=UTC)  # 00:00 became 01:00
    assert starts_of([gap, gap - timedelta(seconds=1)], "day", "America/Sao_Paulo") == [gap, gap - timedelta(days=1)]
    early_gap = datetime(1919, 3, 31, 4, 30, tzinfo=UTC)  # 23:30 of the day before became 00:30
    assert starts_of([early_gap + timedelta(minutes=5)], "day", "America/Toronto") == [early_gap]
    twice = datetime(2023, 11, 5, 4, tzinfo=UTC)  # 01:00 became 00:00 again
    assert starts_of([twice + timedelta(hours=1.5)], "day", "America/Havana") == [twice]
    minute_past = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)  # 00:01 became 23:01 of the day before
    asked = [minute_past + timedelta(minutes=minutes) for minutes in (0, 30, 61)]
    assert starts_of(asked, "day", "America/St_Johns") == [minute_past] * 3


def test_a_day_that_is_missing_begins_with_the_next_one():
    missing = datetime(2011, 12, 30, 10, tzinfo=UTC)  # the end of the 29th, and the first instant of the 31st
    around = [missing + timedelta(days=days, hours=1) for days in (-1, 0, 1)]

    assert starts_of(around, "day", "Pacific/Apia") == [missing + timedelta(days=days) for days in (-1, 0, 1)]
    assert starts_of(around[1:2], "day", "Pacific/Apia", back=1) == [missing - timedelta(days=1)]


def test_the_days_of_a_year_in_new_york_have_23_to_25_hours_and_each_is_there_once():
    low, high = (microsecond_of(datetime(year, 1, 1, 5, tzinfo=UTC)) for year in (2024, 2025))
    starts = starts_between(low - 1, high, STEPS["day"], "America/New_York")
    hours = (np.diff(starts) // HOUR).tolist()

    assert [hours.count(number) for number in (23, 24, 25)] == [1, 364, 1]
    assert (hours.index(23), hours.index(25)) == (69, 307)  # the tenth of March and the third of November


@pytest.mark.parametrize("unit", STEPS)
@settings(max_examples=tries(100))
@given(tick=ALL_TICKS, tz=st.sampled_from(sorted(ZONES)))
@example(tick=microsecond_of(NEVER), tz="Asia/Kathmandu")
@example(tick=-(2**63), tz="America/Havana")
@example(tick=2**63 - 1, tz="America/Havana")
def test_a_start_is_at_or_before_its_time_and_no_other_lies_between(unit, tick, tz):
    step = STEPS[unit]
    (start,) = step_starts(np.array([tick]), step, tz)
    inside = min(max(tick, -FARTHEST), FARTHEST)

    assert start <= inside < start_after(int(start), step, tz)
    assert step_starts(np.array([start]), step, tz)[0] == start


@pytest.mark.parametrize("unit", STEPS)
@settings(max_examples=tries(100))
@given(tick=ALL_TICKS.filter(lambda tick: abs(tick) < FARTHEST // 2), tz=st.sampled_from(sorted(ZONES)), back=BACK)
@example(tick=microsecond_of(ALWAYS), tz="Asia/Kathmandu", back=40)
def test_starts_further_back_are_those_before_one_another(unit, tick, tz, back):
    start = tick + 1
    for _ in range(back + 1):
        (start,) = step_starts(np.array([start - 1]), STEPS[unit], tz)

    assert step_starts(np.array([tick]), STEPS[unit], tz, back)[0] == start


@settings(max_examples=tries(100))
@given(
    st.lists(st.one_of(ALL_TICKS, st.integers(0, 40 * DAY)), max_size=8),
    st.sampled_from(CALENDAR_UNITS),
    st.sampled_from(sorted(ZONES)),
)
def test_many_times_are_answered_as_each_alone(ticks, unit, tz):
    found = unit_starts(np.array(ticks, dtype=np.int64), unit, tz)

    assert found.tolist() == [int(unit_starts(np.array([tick]), unit, tz)[0]) for tick in ticks]


@settings(max_examples=tries(100))
@given(
    st.integers(-60 * 365 * DAY, 60 * 365 * DAY),
    st.integers(0, 500 * DAY),
    st.sampled_from(sorted(STEPS)),
    st.sampled_from(sorted(ZONES)),
)
def test_the_starts_of_an_interval_are_reached_one_after_the_other(low, length, unit, tz):
    step, high = STEPS[unit], low + length
    expected, at = [], start_after(low, step, tz)
    while at <= high:
        expected.append(at)
        at = start_after(at, step, tz)

    assert starts_between(low, high, step, tz).tolist() == expected


def changes_of_zones() -> dict[tuple[tuple[datetime, timedelta | None], ...], ZoneInfo]:
    """The days after which clocks change and the offsets then, with one of the zones that have these.

    Every eighth zone of the machine; all of them in the thorough profile.
    """
    first = datetime(1840, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=number) for number in range(200 * 366)]
    found = {}
    for tz in sorted(available_timezones() - {"localtime"})[:: 1 if is_thorough() else 8]:
        zone = ZoneInfo(tz)
        offsets = [day.astimezone(zone).utcoffset() for day in days]
        pairs = zip(days, pairwise(offsets), strict=False)
        found[tuple((day, after) for day, (before, after) in pairs if before != after)] = zone
    return found


def dates(times: Iterable[int], zone: ZoneInfo) -> list[date]:
    return [moment_of(int(at)).astimezone(zone).date() for at in times]


@pytest.mark.slow
def test_around_each_change_of_each_zone_a_day_begins_when_its_date_is_reached_and_no_later():
    for changes, zone in changes_of_zones().items():
        for day, _ in changes:
            times = np.array([microsecond_of(day) + minutes * 60_000_000 for minutes in range(-1440, 2 * 1440, 15)])
            starts = unit_starts(times, "day", zone.key)
            reached = zip(dates(starts, zone), dates(times, zone), strict=True)
            assert all(began >= found for began, found in reached), (zone, day)
            first = np.unique(starts)
            ends = zip(dates(first - 1, zone), dates(first, zone), strict=True)
            assert all(before < found for before, found in ends), (zone, day)


@pytest.mark.parametrize(
    ("tz", "words"),
    [
        ("America/New_Yrok", ["`America/New_York`", "IANA"]),
        ("america/new_york", ["`America/New_York`"]),
        ("New York", ["`America/New_York`"]),
        ("Middle Earth/Shire", ["IANA", "tzdata"]),
        ("../../etc/passwd", ["'../../etc/passwd'"]),
        ("localtime", ["'localtime'", "unknown"]),
        ("", ["''"]),
        (5, ["5"]),
        (ZoneInfo("UTC"), ["ZoneInfo"]),
    ],
)
def test_what_is_no_name_of_a_zone_is_refused_and_near_names_are_told(tz, words):
    with pytest.raises(InvalidDeclaration) as caught:
        require_time_zone(tz, "Cadence, tz,")

    assert str(caught.value).startswith("Cadence, tz, has the time zone ")
    assert all(word in str(caught.value) for word in words)

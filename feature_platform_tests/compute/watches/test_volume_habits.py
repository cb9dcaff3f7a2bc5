"""Rows by a table's own habits: days without rows, and days of a month that have more. A year each, day by day."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from feature_platform.compute.watches.base import LEAST_EARLIER
from feature_platform.compute.watches.calendar import Calendar
from feature_platform.compute.watches.volume import Count, judge_volume
from feature_platform.ground.clock import season_of
from feature_platform.monitoring.judging.volume import window_volumes

FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year
HISTORY, DAYS = 60, 420
HOUR, DAY = 3_600_000_000, 86_400_000_000


def looked_at(rows, step=timedelta(days=1), every=DAY, at=range(LEAST_EARLIER, DAYS)):
    """What is said of each moment that has those before it; `{moment: sight}`."""
    starts = [FIRST + step * each for each in range(len(rows))]
    seasons = [season_of(each, every) for each in starts]
    calendar = Calendar({}, dict(zip(starts, rows, strict=True)))
    said = {}
    for now in at:
        past = range(max(0, now - HISTORY), now)
        before = [
            Count(rows[each], seasons[each], calendar.usual_place(starts[each], rows[each], starts[now]))
            for each in past
        ]
        if seasons[now] in [each.season for each in before]:
            said[now] = judge_volume(
                rows[now], seasons[now], before, calendar.usual_place(starts[now], rows[now], starts[now])
            )
    return said


def wrong(said):
    return [at for at, sight in said.items() if sight.wrong]


def usual_days(seed, size=1000):
    """A week with two quieter days, and a wobble."""
    rng = np.random.default_rng(seed)
    week = np.array([1.0, 1.05, 0.95, 1.0, 1.1, 0.6, 0.5])
    return [int(size * week[at % 7] * np.exp(rng.normal(0, 0.06))) for at in range(DAYS)]


@pytest.mark.parametrize("seed", range(4))
def test_a_source_without_rows_on_a_third_of_the_days_is_not_called_broken_and_an_outage_is(seed):
    rng = np.random.default_rng(seed)
    rows = [0 if rng.random() < 1 / 3 else each for each in usual_days(seed)]
    false = [at for at in wrong(looked_at(rows)) if rows[at] == 0]
    assert len(false) <= 1
    outage = [*rows[:300], *[0] * 14]
    told = wrong(looked_at(outage, at=range(300, 314)))
    assert min(told) <= 311
    assert len(told) >= 3


def test_weekends_without_rows_say_nothing_about_a_monday():
    rows = [0 if at % 7 > 4 else each for at, each in enumerate(usual_days(1))]
    assert wrong(looked_at(rows)) == []
    rows[364] = 0  # a Monday
    sight = looked_at(rows, at=[364])[364]
    assert (sight.wrong, sight.severity) == (True, "critical")


def test_a_table_that_always_had_rows_is_told_of_the_first_day_without():
    rows = usual_days(2)
    rows[8] = rows[100] = rows[200] = 0
    said = looked_at(rows, at=[8, 100, 200])
    assert [said[at].severity for at in (8, 100, 200)] == ["warning", "critical", "critical"]
    assert all(each.wrong for each in said.values())


LAST_DAYS = {
    "last day": lambda day: day.day == monthrange(day.year, day.month)[1],
    "first day": lambda day: day.day == 1,
    "fifteenth": lambda day: day.day == 15,
    "second Tuesday": lambda day: day.weekday() == 1 and 8 <= day.day <= 14,
    "last working day": lambda day: (
        day.weekday() < 5
        and all((day + timedelta(days=more)).weekday() > 4 or (day + timedelta(days=more)).month != day.month
                for more in range(1, 4))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAST_DAYS)
def test_days_of_the_month_with_five_times_the_rows_are_learnt_in_two_months(name):
    more = [at for at in range(DAYS) if LAST_DAYS[name](FIRST + timedelta(days=at))]
    rows = [each * 5 if at in set(more) else each for at, each in enumerate(usual_days(3))]
    said = looked_at(rows, at=[*more, *range(LEAST_EARLIER, 260)])
    assert set(wrong(said)) <= set(more[:2])
    assert said[more[5]].evidence.endswith("in earlier months.")
    lost = [*rows[: more[6]], rows[more[6]] // 50]  # a tenth of an ordinary day
    assert wrong(looked_at(lost, at=[more[6]])) == [more[6]]
    half = [*rows[: more[6] + 3], rows[more[6] + 3] // 2]  # half of an ordinary day soon after
    assert wrong(looked_at(half, at=[more[6] + 3])) == [more[6] + 3]


def test_an_outage_on_the_same_day_of_another_month_is_told_again():
    rows = usual_days(4)
    for at in (70, 131):  # the eleventh of two months
        rows[at] //= 10
    assert set(wrong(looked_at(rows, at=[70, 131]))) == {70, 131}


def test_an_hour_more_or_less_of_summer_time_is_no_news():
    shape = np.array([0, 0, 0, 0, 5, 40, 90, 100, 100, 100, 100, 90, 90, 90, 80, 80, 80, 70, 50, 30, 10, 5, 0, 0]) * 10
    shift = 24 * 90
    rows = [int(shape[(at + (at >= shift)) % 24]) for at in range(24 * 120)]
    said = looked_at(rows, timedelta(hours=1), HOUR, at=range(shift - 48, shift + 24 * 7))
    assert [at for at in wrong(said) if said[at].severity == "critical"] == []


def test_windows_of_a_monitor_are_judged_by_the_same_rule():
    days = [FIRST + timedelta(days=at) for at in range(41)]
    rows = dict(zip(days, [0 if at % 3 == 0 else 900 for at in range(40)] + [0], strict=True))
    now = {days[40]: rows.pop(days[40])}
    found = window_volumes(rows, now, DAY, None)
    assert found["found"].to_list() == [False]
    assert found["evidence"].to_list() == ["No rows, as in 35% of earlier partitions."]

"""The watch of the number of rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.watches import Volume
from feature_platform_tests.compute.watches.world import only, table
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(60))
WEEK = [2400, 2300, 2500, 2450, 2350, 800, 780]


def weeks(many):
    return [table(at, rows=WEEK[at % 7] + at) for at in range(7 * many)]


def seen(history, rows, seasonal=True):
    return only(Volume(), history, [table(len(history), rows=rows)], seasonal)


def test_a_tenth_of_the_rows_and_all_rows_twice_are_unusual():
    few, twice = seen(weeks(5), 120), seen(weeks(5), 4800)
    assert few.wrong
    assert few.severity == "warning"
    assert few.evidence == "120 rows, where earlier partitions of its season have about 2,414."
    assert few.score == pytest.approx(0.05, rel=0.01)
    assert few.threshold == pytest.approx(1.3)
    assert twice.wrong


def test_the_rows_of_a_sunday_are_usual_on_sundays_only():
    sunday = weeks(5) + [table(35 + at, rows=WEEK[at]) for at in range(6)]
    assert seen(sunday, 790).wrong is False
    assert seen(weeks(5), 790).wrong is True


def test_a_first_weekend_is_not_held_against_weekdays():
    days = weeks(1)
    assert seen(days[:5], 800).wrong is None
    assert seen(days[:5], 0).wrong is None
    assert seen(days[:6], 780).wrong is None
    assert seen(weeks(2)[:12], 800).wrong is False


def test_an_empty_partition_is_critical_where_there_have_always_been_rows():
    sight = seen(weeks(5), 0)
    assert (sight.wrong, sight.severity) == (True, "critical")
    assert sight.evidence == "No rows, where earlier partitions of its season have about 2,414."


def test_an_empty_sunday_is_as_usual_where_sundays_are_empty():
    days = [table(at, rows=0 if at % 7 == 6 else 1000) for at in range(41)]
    assert seen(days, 0).wrong is False
    assert seen(days[:-1], 0).wrong is True  # a Saturday


def test_an_empty_partition_among_those_of_a_few_rows_may_be_chance():
    assert seen([table(at, rows=3) for at in range(10)], 0, seasonal=False).wrong is None


def test_an_outage_does_not_hide_the_next_half_of_a_partition():
    days = [table(at, rows=0 if at == 9 else 1000) for at in range(20)]
    assert seen(days, 400, seasonal=False).wrong is True


def test_few_rows_more_or_less_are_chance_where_few_are_usual():
    days = [table(at, rows=6 + at % 3) for at in range(10)]
    assert seen(days, 2, seasonal=False).wrong is False
    assert seen(days, 40, seasonal=False).wrong is True


@given(start=st.integers(1, 5000), growth=st.floats(1.0, 2.0), days=st.integers(5, 40))
@DRAWN
def test_steady_growth_is_never_unusual(start, growth, days):
    rows = [round(start * growth**at) for at in range(days + 1)]
    history = [table(at, rows=each) for at, each in enumerate(rows[:-1])]
    assert not seen(history, rows[-1], seasonal=False).wrong


@given(start=st.integers(0, 5000), step=st.integers(1, 5000), days=st.integers(5, 60))
@DRAWN
def test_steps_of_one_height_are_never_unusual(start, step, days):
    history = [table(at, rows=start + step * at) for at in range(days)]
    assert not seen(history, start + step * days, seasonal=False).wrong

from datetime import UTC as ZONE
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feature_platform.ground.cadences import instants, instants_between, next_instant, outer_instants, publication
from feature_platform.ground.clock import ALWAYS, NEVER, UTC, microsecond_of, moment_of, partition_of, shift_moment
from feature_platform_tests.compute.drawn import DRAWN, day

HOUR, DAY, WEEK = 3_600_000_000, 86_400_000_000, 604_800_000_000
MONDAY = 4 * DAY  # 1970-01-05
TICKS = st.integers(-60 * 365 * DAY, 60 * 365 * DAY)
EVERY = st.sampled_from([HOUR, 6 * HOUR, DAY, WEEK, 7 * HOUR])
NEW_YORK = "America/New_York"
ZONES = st.sampled_from([NEW_YORK, "America/Havana", "Africa/Cairo", "Pacific/Apia", "Asia/Kathmandu", "UTC"])
GRIDS = st.one_of(
    st.tuples(EVERY, st.none()), st.tuples(st.sampled_from([DAY, 2 * DAY, 3 * DAY, WEEK, 10 * DAY]), ZONES)
)


def computed(expr, *moments):
    return pl.DataFrame({"t": pl.Series(moments, dtype=UTC)}).select(expr).to_series().to_list()


def midnights(first, last, every=1):
    """The first hours of the days of New York that are counted, found by one who walks; midnight is there each day."""
    zone, hour, found = ZoneInfo(NEW_YORK), datetime(first, 1, 1, tzinfo=ZONE), []
    while hour.year < last:
        local = hour.astimezone(zone)
        if local.hour == 0 and (local.date() - datetime(1970, 1, 5).date()).days % every == 0:
            found.append(hour)
        hour += timedelta(hours=1)
    return found


# ---------------------------------------------------------------- in UTC


@DRAWN
@given(TICKS, EVERY, st.sampled_from([0, 1, HOUR]))
def test_the_newest_instant_that_is_out_is_the_last_one_with_its_delay_over(tick, every, delay):
    (found,) = computed(publication(pl.col("t"), every, delay), moment_of(tick))
    newest = microsecond_of(found)
    assert (newest - MONDAY) % every == 0
    assert newest + delay <= tick < newest + every + delay


@DRAWN
@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-3, 3), st.sampled_from([1, 2, 5, 7]))
def test_the_instants_of_an_interval_are_those_that_close_within_it(start, end, aside, every):
    low, high = start * HOUR + aside, end * HOUR + aside
    found = instants(moment_of(low), moment_of(high), every * HOUR)
    assert instants_between(moment_of(low), moment_of(high), every * HOUR) == len(found)
    hours = [hour for hour in range(-60, 61) if (hour - 96) % every == 0 and low < hour * HOUR <= high]
    assert found.dtype == UTC
    assert found.to_list() == [moment_of(hour * HOUR) for hour in hours]


def test_weekly_instants_are_mondays():
    assert {moment.isoweekday() for moment in instants(day(1), day(31), WEEK)} == {1}
    assert computed(publication(pl.col("t"), WEEK), day(31, 23), datetime(1969, 12, 31, tzinfo=ZONE)) == [
        day(25),
        datetime(1969, 12, 29, tzinfo=ZONE),
    ]


# ---------------------------------------------------------------- in a time zone


@pytest.mark.parametrize("every", [1, 2, 7])
def test_the_instants_of_new_york_are_its_midnights(every):
    found = instants(datetime(2023, 1, 1, tzinfo=ZONE), datetime(2026, 1, 1, tzinfo=ZONE), every * DAY, NEW_YORK)
    expected = midnights(2023, 2026, every)

    assert found.dtype == UTC
    assert found.to_list() == expected
    if every == 1:
        lengths = [(after - before) // timedelta(hours=1) for before, after in pairwise(expected)]
        assert [lengths.count(hours) for hours in (23, 24, 25)] == [3, len(lengths) - 6, 3]


def test_weeks_of_a_zone_begin_with_its_mondays():
    found = instants(day(1), day(31), WEEK, "Asia/Kathmandu").dt.convert_time_zone("Asia/Kathmandu")

    assert found.dt.to_string("%a %F %R").to_list() == [f"Mon 2013-03-{number:02} 00:00" for number in (4, 11, 18, 25)]


def test_an_instant_of_a_zone_belongs_to_the_utc_partition_that_it_closes():
    midnight = datetime(2024, 3, 11, 4, tzinfo=ZONE)  # of New York
    (start,) = instants(midnight - timedelta(hours=4), midnight, DAY, NEW_YORK)

    assert start == midnight
    assert computed(partition_of(pl.col("t"), "daily", closed="right"), midnight) == ["2024-03-11"]


# ---------------------------------------------------------------- laws of both


@DRAWN
@given(st.lists(st.one_of(TICKS, st.none()), max_size=6), GRIDS, st.sampled_from([0, 1, HOUR, 30 * HOUR]))
@example([microsecond_of(day(12)), None], (DAY, NEW_YORK), 30 * HOUR)  # of March, two days after a change
@example([microsecond_of(day(11, 5))], (DAY, NEW_YORK), HOUR)
def test_what_is_out_at_a_moment_is_the_newest_of_the_instants(ticks, grid, delay):
    every, tz = grid
    moments = [None if tick is None else moment_of(tick) for tick in ticks]
    found = computed(publication(pl.col("t"), every, delay, tz), *moments)
    for moment, newest in zip(moments, found, strict=True):
        if moment is None:
            assert newest is None
            continue
        earlier = shift_moment(moment, -delay)
        assert newest == instants(shift_moment(earlier, -2 * every - DAY), earlier, every, tz)[-1]


@DRAWN
@given(TICKS, st.integers(0, 60 * DAY), st.lists(st.integers(0, 60 * DAY), max_size=4), GRIDS)
@example(microsecond_of(datetime(2024, 3, 8, tzinfo=ZONE)), 5 * DAY, [2 * DAY + 5 * HOUR], (DAY, NEW_YORK))
def test_the_instants_of_an_interval_are_those_of_its_pieces_and_agree_with_their_count_and_ends(
    low, length, cuts, grid
):
    every, tz = grid
    edges = sorted([low, low + length, *(low + cut for cut in cuts if cut < length)])
    pieces = [instants(moment_of(first), moment_of(last), every, tz) for first, last in pairwise(edges)]
    start, end = moment_of(low), moment_of(low + length)
    whole = instants(start, end, every, tz)

    assert [each for piece in pieces for each in piece] == whole.to_list()
    assert all(start < each <= end for each in whole)
    assert instants_between(start, end, every, tz) == len(whole)
    assert outer_instants(start, end, every, tz) == ((whole[0], whole[-1]) if len(whole) else None)
    follower = next_instant(start, every, tz)
    assert follower == (whole[0] if len(whole) else follower)
    assert (follower > end) == (len(whole) == 0)


@pytest.mark.parametrize(("every", "tz"), [(DAY, None), (DAY, NEW_YORK), (DAY, "Asia/Kathmandu"), (WEEK, NEW_YORK)])
def test_the_ends_of_the_calendar_are_moments_like_others(every, tz):
    asked = [ALWAYS, shift_moment(ALWAYS, 30 * DAY), shift_moment(NEVER, -30 * DAY), NEVER]
    newest = pl.DataFrame({"t": asked}).select(publication(pl.col("t"), every, HOUR, tz).to_physical()).to_series()
    for moment, found in zip(asked, newest, strict=True):
        out = microsecond_of(moment) - HOUR
        assert found <= out < found + every + HOUR
    assert next_instant(NEVER, every, tz) == NEVER
    assert outer_instants(ALWAYS, NEVER, every, tz) is not None
    assert instants(NEVER, ALWAYS, every, tz).to_list() == []


def test_a_row_is_answered_for_itself_wherever_the_expression_stands():
    moments = [day(1), None, day(10, 5), day(1)]
    frame = pl.DataFrame({"group": [1, 1, 2, 2], "t": pl.Series(moments, dtype=UTC)})
    newest = publication(pl.col("t"), DAY, tz=NEW_YORK)
    expected = computed(newest, *moments)

    assert frame.lazy().select(newest).collect(engine="streaming")["t"].to_list() == expected
    assert frame.select(newest.over("group"))["t"].to_list() == expected
    assert frame.filter(pl.col("t") > day(2)).select(newest)["t"].to_list() == expected[2:3]
    assert frame.filter(newest == expected[2])["t"].to_list() == [day(10, 5)]
    assert frame.clear().select(newest).schema == {"t": UTC}

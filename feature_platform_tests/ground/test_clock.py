from datetime import UTC as ZONE
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.ground.clock import (
    ALWAYS,
    EARLIEST,
    GRAINS,
    LATEST,
    NEVER,
    UTC,
    instant,
    length_of,
    microsecond_of,
    microseconds,
    moment_of,
    near_interval,
    partition_bounds,
    partition_end,
    partition_key,
    partition_keys,
    partition_of,
    partition_start,
    shift_moment,
    shift_times,
    ticks,
    utc,
)
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, NotUtc, WrongColumnType
from feature_platform_tests.compute.drawn import DRAWN, day

MICROSECOND, HOUR, DAY, WEEK = 1, 3_600_000_000, 86_400_000_000, 604_800_000_000
MONDAY = 4 * DAY  # 1970-01-05
TICKS = st.integers(-60 * 365 * DAY, 60 * 365 * DAY)
MOMENTS = TICKS.map(moment_of)
GRAIN = st.sampled_from(GRAINS)
EVERY = st.sampled_from([HOUR, 6 * HOUR, DAY, WEEK, 7 * HOUR])


def series(*moments):
    return pl.DataFrame({"t": pl.Series(moments, dtype=UTC)})


def computed(expr, *moments):
    return series(*moments).select(expr).to_series().to_list()


# ---------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "length"),
    [("1s", 10**6), ("90m", 5_400 * 10**6), ("36h", 36 * HOUR), ("7d", 7 * DAY), ("2w", 14 * DAY)],
)
def test_a_duration_is_a_whole_number_and_a_unit(text, length):
    assert microseconds(text, "ttl") == length_of(text, "ttl") == length


@pytest.mark.parametrize(
    "text", ["", "1", "d", "0d", "-1d", "1.5h", " 1d", "1d\n", "1mo", "1y", "1D", "١d", "999999d", 7, None]
)
def test_anything_else_is_no_duration_and_the_culprit_is_named(text):
    for read in (microseconds, length_of):
        with pytest.raises(InvalidDeclaration, match="View `v`"):
            read(text, "View `v`")


def test_a_timedelta_is_a_duration_from_zero_on():
    assert length_of(timedelta(0), "ttl") == 0
    assert length_of(timedelta(days=1, microseconds=1), "ttl") == DAY + 1
    for wrong in (timedelta(microseconds=-1), timedelta.max):
        with pytest.raises(InvalidDeclaration, match="ttl"):
            length_of(wrong, "ttl")


# ---------------------------------------------------------------- times


ZONED = [("ms", "UTC"), ("ns", "UTC"), ("us", "Europe/Berlin"), ("ns", "America/New_York"), ("ms", "Asia/Kolkata")]


@pytest.mark.parametrize(("unit", "zone"), ZONED)
@DRAWN
@given(TICKS, st.integers(0, 3 * DAY), st.lists(st.integers(-4 * DAY, 4 * DAY), min_size=1))
def test_a_filter_on_stored_times_keeps_what_the_range_holds_and_little_more(unit, zone, low, length, beside):
    stored = series(*(moment_of(low + each) for each in beside)).with_columns(
        pl.col("t").dt.cast_time_unit(unit).dt.convert_time_zone(zone)
    )
    between = moment_of(low), moment_of(low + length)
    near = near_interval(stored.schema, "t", *between)
    assert near is not None
    read = utc(stored.schema, "t", "Source `s`")
    wanted = stored.filter(read.is_between(*between, closed="left"))
    assert stored.filter(near).filter(read.is_between(*between, closed="left")).equals(wanted)
    assert (
        stored.filter(near).select(read.is_between(moment_of(low - 2000), moment_of(low + length + 2000)).all()).item()
    )


def test_stored_times_near_the_ends_of_nanoseconds_are_kept():
    stored = pl.DataFrame({"t": pl.Series([-(2**63) + 1, 0, 2**63 - 1]).cast(pl.Datetime("ns", "UTC"))})
    for low, high in ((ALWAYS, NEVER), (EARLIEST, LATEST)):
        near = near_interval(stored.schema, "t", low, high)
        assert near is not None
        assert stored.filter(near).height == 3
    for dtype in (UTC, pl.Datetime("us"), pl.Date(), pl.String()):
        assert near_interval(pl.Schema({"t": dtype}), "t", EARLIEST, LATEST) is None


@DRAWN
@given(TICKS)
def test_a_moment_and_its_microsecond_are_one(tick):
    assert microsecond_of(moment_of(tick)) == tick
    assert shift_moment(moment_of(0), tick) == moment_of(tick)
    assert computed(pl.col("t").to_physical(), moment_of(tick)) == [tick]
    assert (
        computed(shift_times("t", 5), moment_of(tick))
        == computed(shift_times(pl.col("t"), 5), moment_of(tick))
        == [moment_of(tick + 5)]
    )


def test_text_without_a_zone_means_utc_and_datetimes_without_one_are_refused():
    assert instant("2013-03-01", "start") == day(1)
    assert instant("2013-03-01T01:00:00+01:00", "start") == day(1)
    assert instant(day(1), "start").tzinfo == ZONE
    for wrong in (datetime(2013, 3, 1), "yesterday", 3, None):
        with pytest.raises(InvalidDeclaration, match="start"):
            instant(wrong, "start")  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_every_zone_and_unit_is_read_as_utc_microseconds(unit, zone):
    frame = series(day(10, 7), datetime(1969, 12, 31, tzinfo=ZONE)).with_columns(
        pl.col("t").dt.cast_time_unit(unit).dt.convert_time_zone(zone)
    )
    found = frame.select(utc(frame.schema, "t", "f")).to_series()
    assert found.dtype == UTC
    assert found.to_list() == [day(10, 7), datetime(1969, 12, 31, tzinfo=ZONE)]
    assert frame.select(ticks(frame.schema, "t", "f")).to_series().to_list() == [
        microsecond_of(day(10, 7)),
        -DAY,
    ]


@pytest.mark.parametrize(("nanosecond", "microsecond"), [(1_999, 1), (-1, -1), (-1_000, -1), (-1_001, -2)])
def test_finer_times_are_cut_to_the_microsecond_they_are_in(nanosecond, microsecond):
    frame = pl.DataFrame({"t": pl.Series([nanosecond], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))})
    assert frame.select(ticks(frame.schema, "t", "f")).item() == microsecond


def test_columns_that_are_no_times_with_a_zone_are_refused_by_name():
    frame = pl.DataFrame(
        {"n": [1], "text": ["2013"], "naive": [datetime(2013, 3, 1)], "d": [day(1).date()], "nothing": [None]}
    )
    for column, error in (
        ("n", WrongColumnType),
        ("text", NotUtc),
        ("naive", NotUtc),
        ("d", NotUtc),
        ("x", MissingColumns),
    ):
        with pytest.raises(error, match=f"The source.*`{column}`"):
            utc(frame.schema, column, "The source")
    assert frame.select(utc(frame.schema, "nothing", "f")).schema == {"nothing": UTC}


# ---------------------------------------------------------------- partitions


@DRAWN
@given(MOMENTS, GRAIN)
def test_the_partition_of_a_moment_contains_it(moment, grain):
    (key,) = computed(partition_of(pl.col("t"), grain), moment)
    start, end = partition_bounds(key, grain, "partition")
    assert start <= moment < end
    assert (start, end) == (partition_start(moment, grain), partition_end(start, grain))
    assert key == partition_key(start, grain)


@DRAWN
@given(MOMENTS, GRAIN)
def test_an_instant_belongs_to_the_partition_that_it_closes(moment, grain):
    (key,) = computed(partition_of(pl.col("t"), grain, closed="right"), moment)
    start, end = partition_bounds(key, grain, "partition")
    assert start < moment <= end


@DRAWN
@given(MOMENTS, st.integers(-40 * DAY, 40 * DAY), GRAIN)
def test_the_keys_of_an_interval_are_those_of_all_partitions_that_overlap_it(start, length, grain):
    end = shift_moment(start, length if grain != "hourly" else length // 24)
    bounds = [partition_bounds(key, grain, "partition") for key in partition_keys(start, end, grain)]
    if end <= start:
        assert bounds == []
        return
    assert bounds[0][0] <= start
    assert end <= bounds[-1][1]
    assert all(low < end and start < high for low, high in bounds)
    assert all(first[1] == second[0] for first, second in pairwise(bounds))


def test_the_leap_day_has_a_partition_and_months_their_lengths():
    leap = datetime(2012, 2, 29, 23, tzinfo=ZONE)
    assert computed(partition_of(pl.col("t"), "daily"), leap) == ["2012-02-29"]
    assert partition_bounds("2012-02-01", "monthly", "p")[1] - partition_bounds("2012-02-01", "monthly", "p")[
        0
    ] == timedelta(29)
    assert partition_bounds("2012-12-01", "monthly", "p")[1] == datetime(2013, 1, 1, tzinfo=ZONE)


def test_weeks_start_on_monday():
    assert computed(partition_of(pl.col("t"), "weekly"), day(3, 23), day(4)) == ["2013-02-25", "2013-03-04"]
    with pytest.raises(InvalidDeclaration, match="weekly"):
        partition_bounds("2013-03-05", "weekly", "p")


@pytest.mark.parametrize(
    ("grain", "key"),
    [("hourly", "2013-03-01"), ("daily", "2013-3"), ("monthly", "2013-03-02"), ("daily", "")],
)
def test_a_key_of_another_grain_is_refused_with_an_example(grain, key):
    with pytest.raises(InvalidDeclaration, match=f"Asset `a`.*A {grain} key looks like"):
        partition_bounds(key, grain, "Asset `a`")


def test_no_time_at_all_has_no_partition():
    assert computed(partition_of(pl.col("t"), "daily"), None) == [None]

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.keys.codes import NO_KEY, key_codes, sorted_keys
from feature_platform.compute.keys.join_keys import key_names
from feature_platform.compute.windows.known_ranges import KnownRanges
from feature_platform.compute.windows.timeline import timeline
from feature_platform.ground.clock import UTC
from feature_platform_tests.compute.drawn import DRAWN

HUGE = [-(2**63), -(2**62), -1, 0, 1, 2, 2**62, 2**63 - 1]
ROWS = st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2, None]), st.integers(0, 6), st.integers(0, 6)), max_size=25)


def line_of(rows, known_at=None, **options):
    """Rows of key, event time and known-at, both in microseconds; a column tells the order of input."""
    events = pl.DataFrame(rows, schema={"key": pl.Int64, "t": pl.Int64, "known": pl.Int64}, orient="row")
    events = events.with_columns(pl.col("t", "known").cast(UTC)).with_row_index("place")
    types = {"key": pl.Int64()}
    return timeline(events, types, event_time="t", known_at=known_at, inputs=["place"], owner="test", **options)


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("arrival", ["any order", "in order of time", "in order of the line"])
@DRAWN
@given(rows=ROWS)
def test_events_are_by_key_and_time_and_equal_ones_in_input_order(arrival, rows):
    if arrival == "in order of time":
        rows = sorted(rows, key=lambda row: row[1])
    if arrival == "in order of the line":
        rows = sorted(rows, key=lambda row: (row[0] is None, row))
    line = line_of(rows)
    wanted = sorted((key, time, place) for place, (key, time, _) in enumerate(rows) if key is not None)
    codes, times = line.codes_and_times()
    keys = line.keys.to_series()
    assert list(zip(keys.gather(codes), times, line.events["place"], strict=True)) == wanted
    sizes = [sum(row[0] == key for row in rows) for key in keys]
    assert np.diff(line.starts()).tolist() == sizes or not sizes


@DRAWN
@given(
    rows=ROWS, asked=st.lists(st.sampled_from([0, 1, 7, None]), max_size=4), between=st.tuples(*[st.integers(0, 7)] * 2)
)
def test_events_that_no_window_asks_for_are_left_out(rows, asked, between):
    spine = pl.DataFrame({"key": pl.Series(asked, dtype=pl.Int64)})
    line = line_of(rows, asked=spine, between=between)
    known = [key for key in asked if key is not None]
    possible = range(min(known), max(known) + 1) if known else ()
    wanted = sorted(
        (k, t, i)
        for i, (k, t, _) in enumerate(rows)
        if k is not None and k in possible and between[0] <= t < between[1]
    )
    assert line.events["place"].to_list() == [place for *_, place in wanted]


@DRAWN
@given(
    st.lists(st.sampled_from([*HUGE, None]), max_size=12),
    st.lists(st.sampled_from([*HUGE, None]), max_size=12),
    st.sampled_from([pl.Int64, pl.UInt64, pl.Int128, pl.String, pl.Float64]),
)
def test_codes_are_places_among_the_sorted_keys(keys, rows, dtype):
    keys, rows = ([abs(each) if each and dtype == pl.UInt64 else each for each in some] for some in (keys, rows))
    name = key_names(["key"])
    known = pl.DataFrame({name[0]: pl.Series(keys).cast(dtype)}).drop_nulls()
    asked = pl.DataFrame({name[0]: pl.Series(rows).cast(dtype)})
    found = sorted_keys(known, name)
    assert found.to_series().to_list() == sorted(set(known.to_series()))
    places = {key: place for place, key in enumerate(found.to_series())}
    assert key_codes(asked, found, name).tolist() == [places.get(row, NO_KEY) for row in asked.to_series()]


@DRAWN
@given(ROWS, st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 8)), max_size=10), st.integers(1, 6))
def test_a_range_of_known_events_is_what_was_known_or_is_uncertain(rows, asked, length):
    line = line_of(rows, known_at="known")
    spine = pl.DataFrame(asked, schema={"key": pl.Int64, "t": pl.Int64}, orient="row")
    codes, times = line.codes_of(spine, {"key": pl.Int64()}), spine["t"].to_numpy()
    seen, low = KnownRanges.of(line, codes, times), line.first_at(codes, times - length)
    high = line.first_at(codes, times)
    start, stop = seen.certain(low, high)
    for place, (key, time) in enumerate(asked):
        wanted = [i for i, row in enumerate(rows) if row[0] == key and time - length <= row[1] < time >= row[2]]
        if place not in seen.uncertain(low, high):
            assert sorted(line.events["place"][int(start[place]) : int(stop[place])]) == wanted
        else:
            assert start[place] == stop[place]


# ---------------------------------------------------------------- literal cases


def test_events_known_in_the_order_they_happened_are_never_uncertain():
    rows = [(key, time, time + 3) for key in (1, 2) for time in range(50)]
    line = line_of(rows, known_at="known")
    codes, times = np.repeat([0, 1], 60), np.tile(np.arange(60), 2)
    seen, low = KnownRanges.of(line, codes, times), line.first_at(codes, times - 10)
    high = line.first_at(codes, times)
    start, stop = seen.certain(low, high)
    assert not len(seen.uncertain(low, high))
    assert (stop - start).tolist() == [len([t for t in range(50) if time - 10 <= t <= time - 3]) for time in times]

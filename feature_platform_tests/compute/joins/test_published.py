from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.windows import published_windows, window_features
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import ColumnCollision, MissingColumns, NotUtc
from feature_platform.parts.aggregations import Count, Mean, Sum
from feature_platform_tests.compute.catalogue import all_of
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, PARTS, VALUES, at, day, drawn_rows, frame
from feature_platform_tests.compute.frame_joins import published_join
from feature_platform_tests.compute.naive import window

HOUR, DAY = 3_600_000_000, 86_400_000_000
EVENTS = {"key": pl.String, "part": pl.Int64, "event": UTC, "known": UTC, "x": pl.Float64}
SPINE = {"key": pl.String, "part": pl.Int32, "t": UTC}
DRAWN_EVENTS = drawn_rows(KEYS, PARTS, HOURS, HOURS, VALUES, max_size=20)
ON = st.sampled_from([[], ["key"], ["key", "part"]])


def published(events, on, bitemporal=False, every=2, start=-14, end=14, aggregations=None):
    return published_windows(
        frame(events, **EVENTS),
        on=on,
        event_time="event",
        known_at="known" if bitemporal else None,
        aggregations=aggregations or all_of(["1h", "5h"]),
        every=every * HOUR,
        start=at(start),
        end=at(end),
    ).collect()


def keyed(events, on, bitemporal):
    return [(row[:2][: len(on)], row[2], row[3] if bitemporal else row[2], row[4]) for row in events]


# ---------------------------------------------------------------- laws


@DRAWN
@given(DRAWN_EVENTS, ON, st.booleans(), st.sampled_from([1, 2, 3]))
def test_there_is_a_row_for_each_key_with_an_event_in_the_longest_window_and_a_default_row(
    events, on, bitemporal, every
):
    found = published(events, on, bitemporal, every)
    known = keyed(events, on, bitemporal)
    instants = [a for a in range(-13, 15) if (a - 4 * 24) % every == 0]
    keys = {key for key, *_ in known if None not in key}
    wanted = {(key, at(a)) for a in instants for key in keys if window(key, a, known, 5)}
    wanted |= {((None,) * len(on), at(a)) for a in instants}
    assert {(row[: len(on)], row[len(on)]) for row in found.rows()} == (
        wanted if on else {((), at(a)) for a in instants}
    )
    assert found.select(*on, "as_of").is_unique().all()
    assert_frame_equal(found, found.sort(*on, "as_of"))


@DRAWN
@given(DRAWN_EVENTS, ON, st.booleans())
def test_a_row_holds_the_exact_windows_at_its_instant(events, on, bitemporal):
    found = published(events, on, bitemporal)
    keyed_rows = found.filter(pl.all_horizontal(pl.lit(True), *(pl.col(key).is_not_null() for key in on)))
    exact = window_features(
        keyed_rows.select(*on, "as_of"),
        frame(events, **EVENTS),
        on=on,
        spine_time="as_of",
        event_time="event",
        known_at="known" if bitemporal else None,
        aggregations=all_of(["1h", "5h"]),
    ).collect()
    assert_frame_equal(keyed_rows, exact)
    for row in found.filter(pl.all_horizontal(pl.col(key).is_null() for key in on)).to_dicts() if on else []:
        values = {name: value for name, value in row.items() if name not in {*on, "as_of"}}
        empty = ("count", "x_count", "x_count_distinct", "x_sum", "big_any")  # of the last one False, which equals 0
        assert {name for name, value in values.items() if value == 0} == {
            f"{kind}_{window}" for kind in empty for window in ("1h", "5h")
        }
        assert all(value in (None, 0) for value in values.values())


@DRAWN
@given(DRAWN_EVENTS, ON, st.booleans(), st.lists(st.integers(-14, 14), max_size=3))
def test_the_size_of_partitions_never_changes_a_row(events, on, bitemporal, cuts):
    whole = published(events, on, bitemporal)
    edges = [-14, *sorted(cuts), 14]
    parts = [published(events, on, bitemporal, start=start, end=end) for start, end in pairwise(edges)]
    assert_frame_equal(pl.concat(parts).sort(*on, "as_of"), whole, check_exact=True)


@DRAWN
@given(DRAWN_EVENTS, ON, st.booleans())
def test_only_events_between_the_longest_window_and_the_end_decide(events, on, bitemporal):
    needed = [row for row in events if row[2] is not None and -5 <= row[2] < 6]
    assert_frame_equal(
        published(events, on, bitemporal, start=0, end=6),
        published(needed, on, bitemporal, start=0, end=6),
        rel_tol=1e-9,
    )


@DRAWN
@given(
    drawn_rows(KEYS, PARTS, HOURS),
    DRAWN_EVENTS,
    ON,
    st.sampled_from([0, 1, 3]),
    st.sampled_from([None, 0, 2, 4]),
    st.sets(st.integers(-7, 7)),
)
def test_the_newest_instant_that_was_out_answers(spine, events, on, delay, ttl, unpublished):
    view = published(events, on, aggregations=[Count(windows=["1h", "5h"]), Mean("x", windows=["5h"])])
    view = view.filter(~pl.col("as_of").is_in([at(2 * a) for a in unpublished]))
    left = frame(spine, **SPINE)
    found = published_join(
        left,
        view,
        on=on,
        spine_time="t",
        every=2 * HOUR,
        delay=delay * HOUR,
        ttl=None if ttl is None else ttl * HOUR,
        event_time_as="seen",
    ).collect()
    assert_frame_equal(found.select(*SPINE), left)
    rows = {row[: len(on) + 1]: row[len(on) + 1 :] for row in view.rows()}
    for row, answer in zip(spine, found.select("count_1h", "count_5h", "x_mean_5h", "seen").rows(), strict=False):
        wanted = naive_answer(row[: len(on)], row[2], rows, delay, ttl, unpublished)
        assert list(map(str, answer)) == list(map(str, wanted))  # as text, where NaN is itself


def naive_answer(key, t, rows, delay, ttl, unpublished):
    out = [a for a in range(-14, 15, 2) if a > -14 and a // 2 not in unpublished and t is not None and a + delay <= t]
    if None in key or not out or (ttl is not None and t - out[-1] > ttl):
        return (None,) * 4
    newest = at(out[-1])
    return (*rows.get((*key, newest), rows.get((*(None for _ in key), newest))), newest)


# ---------------------------------------------------------------- literal cases


def carriers(*rows):
    return pl.DataFrame(rows, schema={"carrier": pl.String, "at": UTC, "x": pl.Float64}, orient="row")


FIRST, LAST = day(1), day(9)


def view_of(events, start=FIRST, end=LAST, **options):
    return published_windows(
        events,
        on=["carrier"],
        event_time="at",
        aggregations=[Sum("x", windows=["1d"]), Mean("x", windows=["1d"])],
        every=DAY,
        start=start,
        end=end,
        **options,
    ).collect()


def seen(times, view, carrier="UA", **options):
    spine = pl.DataFrame(
        {
            "carrier": pl.Series([carrier] * len(times), dtype=view.schema["carrier"]),
            "t": pl.Series(times, dtype=UTC),
        }
    )
    return (
        published_join(spine, view, on=["carrier"], spine_time="t", every=DAY, **options)
        .collect()["x_sum_1d"]
        .to_list()
    )


def test_a_key_that_fell_silent_is_worth_the_default_and_not_its_last_sum():
    view = view_of(carriers(("UA", day(1, 5), 7.0)))
    assert seen([day(2), day(2, 23), day(3), day(9)], view) == [7.0, 7.0, 0.0, 0.0]


def test_a_key_that_never_was_is_worth_the_default_and_a_null_key_nothing():
    view = view_of(carriers(("UA", day(1, 5), 7.0), (None, day(1, 5), 1.0)))
    assert seen([day(2)], view, carrier="AA") == [0.0]
    assert seen([day(2)], view, carrier=None) == [None]


def test_values_are_seen_from_the_end_of_the_delay_on():
    view = view_of(carriers(("UA", day(1, 5), 7.0)))
    out = day(2, 1)
    assert seen([out - timedelta(microseconds=1), out], view, delay=HOUR) == [None, 7.0]


def test_exactly_the_ttl_after_the_instant_is_valid_and_a_microsecond_more_is_not():
    view = view_of(carriers(("UA", day(1, 5), 7.0)), end=day(2))
    assert seen([day(3), day(3) + timedelta(microseconds=1)], view, ttl=DAY) == [7.0, None]


def test_an_instant_without_its_default_row_is_not_published():
    view = view_of(carriers(("UA", day(1, 5), 7.0), ("UA", day(2, 5), 8.0)))
    unpublished = pl.col("carrier").is_null() & (pl.col("as_of") == day(3))
    assert seen([day(3)], view.filter(~unpublished)) == [7.0]


def test_instants_of_an_earlier_cadence_are_not_looked_at():
    daily = view_of(carriers(("UA", day(1, 5), 7.0)))
    hourly = daily.with_columns(pl.col("as_of") + timedelta(hours=1), pl.col("x_sum_1d") + 1)
    assert seen([day(2, 5)], pl.concat([daily, hourly])) == [7.0]


def test_a_null_value_in_the_row_of_a_key_is_null_and_not_the_default():
    view = view_of(carriers(("UA", day(1, 5), 7.0))).with_columns(
        x_sum_1d=pl.when(pl.col("carrier").is_null()).then(pl.col("x_sum_1d"))
    )
    assert seen([day(2)], view) == [None]


def test_every_spine_row_comes_back_once_even_if_a_row_was_published_twice():
    view = view_of(carriers(("UA", day(1, 5), 7.0)))
    assert seen([day(2), day(2)], pl.concat([view, view])) == [7.0, 7.0]


@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Categorical, pl.Int16, pl.Enum(["UA"])])
def test_views_of_no_events_publish_default_rows_in_the_types_of_the_keys(dtype):
    view = view_of(pl.DataFrame(schema={"carrier": dtype, "at": UTC, "x": pl.Float64}), end=day(3))
    assert view.schema["carrier"] == dtype
    assert view.rows() == [(None, day(2), 0.0, None), (None, day(3), 0.0, None)]
    assert seen([day(2)], view, carrier=None) == [None]


def test_keys_keep_their_type_and_an_empty_interval_has_no_rows():
    events = carriers(("航", day(1, 5), 7.0), ("é", day(1, 5), 8.0)).with_columns(
        pl.col("carrier").cast(pl.Categorical)
    )
    view = view_of(events, end=day(2))
    assert view.schema["carrier"] == pl.Categorical
    assert view["carrier"].to_list() == [None, "é", "航"]
    assert view_of(events, start=day(2), end=day(2)).schema == view.schema


def test_without_keys_there_is_one_row_for_each_instant_also_without_events():
    for events in (carriers(), carriers(("UA", day(1), 7.0))):
        view = published_windows(
            events.drop("carrier"),
            on=[],
            event_time="at",
            aggregations=[Count(windows=["1d"])],
            every=DAY,
            start=day(1),
            end=day(3),
        ).collect()
        assert view.rows() == [(day(2), events.height), (day(3), 0)]
        spine = pl.DataFrame({"t": pl.Series([day(1), day(2), None], dtype=UTC)})
        found = published_join(spine, view, on=[], spine_time="t", every=DAY).collect()
        assert found["count_1d"].to_list() == [None, events.height, None]


def test_a_late_row_enters_only_the_instants_from_its_known_at_on():
    events = carriers(("UA", day(1, 5), 7.0)).with_columns(known=pl.Series([day(3)], dtype=UTC))
    view = published_windows(
        events,
        on=["carrier"],
        event_time="at",
        known_at="known",
        aggregations=[Sum("x", windows=["7d"])],
        every=DAY,
        start=day(1),
        end=day(4),
    ).collect()
    assert view.drop_nulls("carrier").rows() == [("UA", day(3), 7.0), ("UA", day(4), 7.0)]


def test_mistakes_are_named():
    events = carriers(("UA", day(1, 5), 7.0))
    view, spine = view_of(events), pl.DataFrame({"carrier": ["UA"], "t": [day(1)]})
    with pytest.raises(NotUtc, match="`at`"):
        view_of(events.with_columns(pl.col("at").dt.replace_time_zone(None)))
    with pytest.raises(ColumnCollision, match="x_sum_1d"):
        published_join(spine.with_columns(x_sum_1d=1), view, on=["carrier"], spine_time="t", every=DAY)
    with pytest.raises(MissingColumns, match="`as_of`"):
        published_join(spine, view.drop("as_of"), on=["carrier"], spine_time="t", every=DAY)
    with pytest.raises(MissingColumns, match="`carrier`"):
        published_join(spine.drop("carrier"), view, on=["carrier"], spine_time="t", every=DAY)


@DRAWN
@given(DRAWN_EVENTS, st.integers(-6, 5), st.booleans())
def test_an_instant_alone_is_what_it_is_among_many(events, hour, bitemporal):
    many = published(events, ["key"], bitemporal, start=-6, end=6)
    alone = published(events * 9, ["key"], bitemporal, start=hour, end=hour + 1)
    both = many.filter(pl.col("as_of").is_between(at(hour), at(hour + 1), closed="right"))
    assert alone.select("key", "as_of").equals(both.select("key", "as_of"))

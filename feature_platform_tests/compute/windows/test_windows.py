import math
from datetime import UTC as ZONE
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.windows import window_features
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import ColumnCollision, MissingColumns, NotUtc, WrongColumnType
from feature_platform.parts.aggregations import (
    Count,
    CountDistinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    Quantile,
    Std,
    Sum,
)
from feature_platform_tests.compute.catalogue import LAWS, NAMES, all_of, made, of_a_user
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, PARTS, VALUES, at, day, drawn_rows, frame
from feature_platform_tests.compute.naive import same, window

CLOCKS: dict[str, Any] = {"spine_time": "t", "event_time": "event"}
SPINE = {"key": pl.String, "part": pl.Int32, "t": UTC}
EVENTS = {"key": pl.String, "part": pl.Int64, "event": UTC, "known": UTC, "x": pl.Float64}
LENGTHS = (1, 3, 12)
WINDOWS = [f"{length}h" for length in LENGTHS]


def features(spine, events, *aggregations, **options):
    return window_features(spine, events, on=["plane"], **CLOCKS, aggregations=aggregations, **options).collect()


def spine_of(*times, plane="N1"):
    return pl.DataFrame({"plane": pl.Series([plane] * len(times), dtype=pl.String), "t": pl.Series(times, dtype=UTC)})


def events_of(*rows, dtype=pl.Float64):
    return pl.DataFrame(rows, schema={"plane": pl.String, "event": UTC, "x": dtype}, orient="row")


# ---------------------------------------------------------------- the law


@pytest.mark.usefixtures("way")
@DRAWN
@given(
    drawn_rows(KEYS, PARTS, HOURS, max_size=8),
    drawn_rows(KEYS, PARTS, HOURS, HOURS, VALUES, max_size=20),
    st.sampled_from([[], ["key"], ["key", "part"]]),
    st.booleans(),
    st.booleans(),
)
def test_every_aggregation_is_that_of_the_events_in_its_window(spine, events, on, bitemporal, of_users):
    aggregations = list(map(of_a_user, all_of(WINDOWS))) if of_users else all_of(WINDOWS)
    left = frame(spine, **SPINE)
    found = window_features(
        left,
        frame(events, **EVENTS),
        on=on,
        **CLOCKS,
        known_at="known" if bitemporal else None,
        aggregations=aggregations,
    ).collect()
    assert_frame_equal(found.select(*SPINE), left)
    size = len(on)
    known = [(row[:2][:size], row[2], row[3] if bitemporal else row[2], row[4]) for row in events]
    for row, features in zip(spine, found.iter_rows(named=True), strict=False):
        for length in LENGTHS:
            if None in row[:2][:size] or row[2] is None:
                assert all(features[each.feature(f"{length}h")] is None for each in all_of(WINDOWS))
                continue
            values = window(row[:2][:size], row[2], known, length)
            assert features[f"count_{length}h"] == len(values)
            for name in LAWS:
                value = features[made(name, WINDOWS).feature(f"{length}h")]
                assert same(name, value, values), (name, value, values)


# ---------------------------------------------------------------- literal cases


def test_the_window_holds_its_start_and_not_its_end():
    events = events_of(("N1", day(1), 1), ("N1", day(2), 2), ("N1", day(3), 4))
    assert features(spine_of(day(3)), events, Sum("x", windows=["1d", "2d"])).row(0)[2:] == (2, 3)
    early = [day(1) - timedelta(microseconds=1), day(2) - timedelta(microseconds=1)]
    assert features(spine_of(day(2)), events_of(("N1", early[0], 1), ("N1", early[1], 2)), Sum("x", windows=["1d"]))[
        "x_sum_1d"
    ].to_list() == [2]


def test_a_silent_key_has_empty_values_and_an_unknown_one_none():
    spine = pl.concat([spine_of(day(2), plane=plane) for plane in ("N1", "N9", None)] + [spine_of(None)])
    found = features(spine, events_of(("N1", day(1), 1.0)), Count(windows=["1d"]), Mean("x", windows=["1d"]))
    assert found.select("count_1d", "x_mean_1d").rows() == [(1, 1.0), (0, None), (None, None), (None, None)]


def test_without_keys_the_window_holds_the_events_of_all_and_a_null_time_has_no_value():
    events = events_of(("N1", day(1), 1.0), ("N2", day(1), 2.0), ("N2", None, 4.0)).drop("plane")
    found = window_features(spine_of(day(2), None), events, on=[], **CLOCKS, aggregations=[Sum("x", windows=["1d"])])
    assert found.collect()["x_sum_1d"].to_list() == [3.0, None]


def test_duplicate_spine_rows_come_back_as_often_and_in_order():
    found = features(spine_of(day(3), day(2), day(3)), events_of(("N1", day(1), 1.0)), Count(windows=["1d"]))
    assert found.rows() == [("N1", day(3), 0), ("N1", day(2), 1), ("N1", day(3), 0)]


def test_an_event_known_later_is_not_in_the_window_yet():
    events = events_of(("N1", day(1), 1.0), ("N1", day(1), 2.0), ("N1", day(1), 4.0)).with_columns(
        known=pl.Series([day(1), day(3), None], dtype=UTC)
    )
    found = features(spine_of(day(2), day(3)), events, Sum("x", windows=["5d"]), known_at="known")
    assert found["x_sum_5d"].to_list() == [1.0, 3.0]


def test_first_and_last_skip_nulls_and_follow_time_then_input_order():
    events = events_of(
        ("N1", day(2), 5.0),
        ("N1", day(1), None),
        ("N1", day(1), 1.0),
        ("N1", day(1), 2.0),
        ("N1", day(2), None),
    )
    found = features(spine_of(day(3)), events, First("x", windows=["7d"]), Last("x", windows=["7d"]))
    assert found.row(0)[2:] == (1.0, 5.0)


def test_first_last_and_distinct_take_text_and_extremes_take_times():
    events = events_of(("N1", day(1), "é"), ("N1", day(2), "航"), dtype=pl.String)
    found = features(
        spine_of(day(3)),
        events,
        *(kind("x", windows=["7d"]) for kind in (First, Last, CountDistinct)),
        *(kind("event", windows=["7d"]) for kind in (Min, Max)),
    )
    assert found.row(0)[2:] == ("é", "航", 2, day(1), day(2))


@pytest.mark.usefixtures("way")
def test_nan_and_infinities_show_in_the_windows_that_hold_them_and_in_no_other():
    events = events_of(
        *(("N1", day(n), x) for n, x in enumerate([1.0, math.nan, 2.0, math.inf, 3.0, -math.inf, 4.0], 1))
    )
    spine = spine_of(*(day(n) for n in range(2, 9)))
    found = features(spine, events, *(kind("x", windows=["1d"]) for kind in (Sum, Mean, Max, Min)))
    wanted = [1.0, math.nan, 2.0, math.inf, 3.0, -math.inf, 4.0]
    for feature in found.columns[2:]:
        assert_frame_equal(found.select(x=feature), pl.DataFrame({"x": wanted}))


@pytest.mark.usefixtures("way")
def test_infinities_of_both_signs_in_one_window_have_no_sum_and_a_spread_with_either_is_nan():
    events = events_of(("N1", day(1), math.inf), ("N1", day(2), -math.inf), ("N1", day(3), 1.0), ("N1", day(4), 2.0))
    spine = spine_of(day(3), day(4), day(5))
    found = features(spine, events, *(kind("x", windows=["2d"]) for kind in (Sum, Mean, Std)))
    assert sum(math.isnan(value) for row in found.rows() for value in row[2:]) == 4
    assert found["x_sum_2d"].to_list()[1:] == [-math.inf, 3.0]
    assert found["x_mean_2d"].to_list()[1:] == [-math.inf, 1.5]
    assert found["x_std_2d"].to_list()[2] == pytest.approx(math.sqrt(0.5))


@pytest.mark.usefixtures("way")
def test_a_spread_over_one_value_is_null_and_over_equal_ones_is_zero():
    events = events_of(("N1", day(1), 0.1), ("N1", day(2), 0.1), ("N1", day(2), 0.1))
    found = features(spine_of(day(2), day(3)), events, Std("x", windows=["1d"]))
    assert found["x_std_1d"].to_list() == [None, 0.0]


def test_sums_of_whole_numbers_are_exact():
    events = events_of(("N1", day(1), 2**53), ("N1", day(1), 1), ("N1", day(1), 2**62), dtype=pl.Int64)
    found = features(spine_of(day(2)), events, Sum("x", windows=["1d"]))
    assert found["x_sum_1d"].to_list() == [2**53 + 1 + 2**62]


@pytest.mark.parametrize("dtype", [pl.Null, pl.Boolean, pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_a_feature_has_one_type_whatever_is_in_its_window(name, dtype):
    aggregation = made(name, ["1d"]) if dtype != pl.Boolean or name not in ("Any", "Rate") else Count(windows=["1d"])
    values = [None, None] if dtype == pl.Null else [1, 0]
    some = events_of(("N1", day(1), None), ("N1", day(1), None)).with_columns(x=pl.Series(values).cast(dtype))
    schemas = [
        features(spine, events, aggregation).schema
        for spine in (spine_of(), spine_of(day(2), day(9)))
        for events in (some, some.clear())
    ]
    assert all(schema == schemas[0] for schema in schemas)


@pytest.mark.parametrize("on", [[], ["plane"]])
def test_empty_frames_of_any_type_are_frames_like_others(on):
    nothing = pl.DataFrame(schema={"plane": pl.Null, "event": pl.Null, "known": pl.Null, "x": pl.Null})
    for spine in (spine_of(day(2)), spine_of(), pl.DataFrame(schema={"plane": pl.Null, "t": pl.Null})):
        for known in (None, "known"):
            found = window_features(spine, nothing, on=on, **CLOCKS, known_at=known, aggregations=all_of(["1d"]))
            assert found.collect()["count_1d"].to_list() == [0] * spine.height
            assert_frame_equal(found.collect().select(spine.columns), spine)


def test_instants_far_apart_and_many_keys_fit():
    times = [datetime(1, 1, 1, tzinfo=ZONE), day(1), datetime(9999, 12, 30, tzinfo=ZONE)]
    events = pl.DataFrame(
        {"plane": [f"N{n}" for n in range(100) for _ in times], "event": times * 100, "x": [1.0] * 300}
    )
    spine = events.select("plane", t=pl.col("event") + timedelta(days=1))
    found = features(spine, events, Count(windows=["1d"]), Sum("x", windows=["26w"]))
    assert found["count_1d"].to_list() == [1] * 300
    assert found["x_sum_26w"].to_list() == [1.0] * 300


def test_a_day_is_24_hours_on_the_days_local_clocks_change():
    for changed in ("2013-03-10", "2013-11-03"):
        noon = pl.Series([f"{changed} 12:00"]).str.to_datetime(
            "%Y-%m-%d %H:%M", time_zone="America/New_York", time_unit="us"
        )
        back = noon.dt.convert_time_zone("UTC") - timedelta(days=1)
        events = pl.DataFrame(
            {"plane": ["N1", "N1"], "event": [back[0], back[0] - timedelta(microseconds=1)], "x": [1.0, 2.0]}
        )
        spine = pl.DataFrame({"plane": ["N1"], "t": noon})
        found = features(spine, events, Sum("x", windows=["1d"]))
        assert found["x_sum_1d"].to_list() == [1.0]
        assert found.schema["t"] == pl.Datetime("us", "America/New_York")


def test_the_leap_day_and_times_before_1970_are_days_like_others():
    leap = datetime(1968, 2, 29, 12, tzinfo=ZONE)
    events = events_of(("N1", leap, 1.0), ("N1", leap - timedelta(days=1), 2.0))
    found = features(spine_of(leap + timedelta(days=1)), events, Sum("x", windows=["1d", "2d"]))
    assert found.row(0)[2:] == (1.0, 3.0)


@pytest.mark.parametrize(("left", "right"), [(pl.Int32, pl.Int64), (pl.UInt64, pl.Int8), (pl.Categorical, pl.String)])
def test_key_types_meet_where_nothing_is_lost(left, right):
    values = ["é", "航"] if left == pl.Categorical else [1, 2]
    spine = pl.DataFrame({"plane": pl.Series(values, dtype=left), "t": [day(2)] * 2})
    events = pl.DataFrame({"plane": pl.Series(values[:1], dtype=right), "event": [day(1)], "x": [1.0]})
    found = features(spine, events, Count(windows=["1d"]))
    assert_frame_equal(found, spine.with_columns(count_1d=pl.Series([1, 0])))


def test_a_composite_key_is_one_key():
    spine = pl.DataFrame({"a": ["x", "x", None], "b": [1, 2, 1], "t": [day(2)] * 3})
    events = pl.DataFrame({"a": ["x", "y"], "b": [1, 2], "event": [day(1)] * 2})
    found = window_features(spine, events, on=["a", "b"], **CLOCKS, aggregations=[Count(windows=["1d"])]).collect()
    assert found["count_1d"].to_list() == [1, 0, None]


def test_mistakes_are_named():
    spine, events = spine_of(day(2)), events_of(("N1", day(1), 1.0))
    naive = pl.col("event").dt.replace_time_zone(None)
    with pytest.raises(NotUtc, match="`event`"):
        features(spine, events.with_columns(naive), Count(windows=["1d"]))
    with pytest.raises(MissingColumns, match="`y`"):
        features(spine, events, Mean("y", windows=["1d"]))
    with pytest.raises(WrongColumnType, match=r"Mean\('plane'.*`plane` is String"):
        features(spine, events, Mean("plane", windows=["1d"]))
    with pytest.raises(ColumnCollision, match="count_1d"):
        features(spine.with_columns(count_1d=1), events, Count(windows=["1d"]))
    with pytest.raises(ColumnCollision, match="count_1d"):
        features(spine, events, Count(windows=["1d"]), Count(windows=["7d", "1d"]))
    with pytest.raises(WrongColumnType, match="`plane` is Int64 on the left and String on the right"):
        features(spine.with_columns(plane=pl.lit(1, dtype=pl.Int64)), events, Quantile("x", 0.5, windows=["1d"]))


def test_hours_drawn_are_hours():
    assert at(1) - at(0) == timedelta(hours=1)

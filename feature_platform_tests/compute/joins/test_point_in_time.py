import warnings
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.joins.point_in_time import point_in_time_join
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingColumns,
    NotUtc,
    WrongColumnType,
)
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, PARTS, at, day, drawn_rows, frame
from feature_platform_tests.compute.naive import winner

CLOCKS = {"spine_time": "t", "event_time": "event"}
SPINE = {"key": pl.String, "part": pl.Int32, "t": UTC}
ROWS = {"key": pl.String, "part": pl.Int64, "event": UTC, "known": UTC, "value": pl.Int64}


def joined(spine, rows, **options):
    return point_in_time_join(spine, rows, on=["plane"], **CLOCKS, **options).collect()


def spine_of(*times, plane="N1"):
    return pl.DataFrame({"plane": pl.Series([plane] * len(times), dtype=pl.String), "t": pl.Series(times, dtype=UTC)})


def rows_of(*rows):
    return pl.DataFrame(rows, schema={"plane": pl.String, "event": UTC, "v": pl.Int64}, orient="row")


# ---------------------------------------------------------------- the law


@DRAWN
@given(
    drawn_rows(KEYS, PARTS, HOURS),
    drawn_rows(KEYS, PARTS, HOURS, HOURS, st.one_of(st.none(), st.integers(0, 99))),
    st.sampled_from([[], ["key"], ["key", "part"]]),
    st.booleans(),
    st.sampled_from([None, 0, 2, 5]),
)
def test_every_spine_row_sees_the_newest_row_of_its_key_that_was_known(spine, rows, on, bitemporal, ttl):
    left, right = frame(spine, **SPINE), frame(rows, **ROWS)
    right = right.select(*on, "event", *(["known"] if bitemporal else []), "value")
    found = point_in_time_join(
        left,
        right,
        on=on,
        **CLOCKS,
        known_at="known" if bitemporal else None,
        ttl=None if ttl is None else timedelta(hours=ttl),
        event_time_as="seen",
    ).collect()
    size = len(on)
    known = [(row[:2][:size], row[2], row[3] if bitemporal else row[2], row[4]) for row in rows]
    wanted = [winner(row[:2][:size], row[2], known, ttl) for row in spine]
    assert_frame_equal(found.select(*SPINE), left)
    assert found["value"].to_list() == [best and best[3] for best in wanted]
    assert found["seen"].to_list() == [best and at(best[0]) for best in wanted]


@DRAWN
@given(drawn_rows(KEYS, HOURS), drawn_rows(KEYS, HOURS, HOURS, st.integers()), st.integers(-12, 12))
def test_what_becomes_known_later_never_changes_an_answer(spine, rows, now):
    past = [row for row in rows if row[2] is not None and row[2] <= now]
    answers = [
        point_in_time_join(
            frame([row for row in spine if row[1] is not None and row[1] <= now], key=pl.String, t=UTC),
            frame(each, key=pl.String, event=UTC, known=UTC, value=pl.Int128),
            on=["key"],
            **CLOCKS,
            known_at="known",
        ).collect()
        for each in (rows, past)
    ]
    assert_frame_equal(*answers)


# ---------------------------------------------------------------- literal cases


def test_duplicate_spine_rows_come_back_as_often_and_in_order():
    found = joined(spine_of(day(3), day(1), day(3)), rows_of(("N1", day(2), 7)))
    assert found.rows() == [("N1", day(3), 7), ("N1", day(1), None), ("N1", day(3), 7)]


def test_a_row_of_the_same_instant_is_visible():
    assert joined(spine_of(day(2)), rows_of(("N1", day(2), 7)))["v"].to_list() == [7]


def test_of_equal_event_times_the_last_row_wins():
    rows = rows_of(("N1", day(2), 7), ("N1", day(2), 8), ("N1", day(1), 9))
    assert joined(spine_of(day(3)), rows)["v"].to_list() == [8]


def test_of_equal_event_times_the_newest_known_wins_then_the_last_row():
    rows = rows_of(("N1", day(2), 7), ("N1", day(2), 8), ("N1", day(2), 9)).with_columns(
        known=pl.Series([day(4), day(3), day(4)], dtype=UTC)
    )
    found = joined(spine_of(day(3), day(4)), rows, known_at="known")
    assert found["v"].to_list() == [8, 9]
    assert found.columns == ["plane", "t", "v"]


def test_a_late_row_about_the_past_does_not_beat_a_newer_event():
    rows = rows_of(("N1", day(3), 7), ("N1", day(1), 8)).with_columns(known=pl.Series([day(3), day(5)], dtype=UTC))
    assert joined(spine_of(day(6)), rows, known_at="known")["v"].to_list() == [7]


def test_a_null_value_of_the_winner_is_null():
    assert joined(spine_of(day(3)), rows_of(("N1", day(1), 7), ("N1", day(2), None)))["v"].to_list() == [None]


@pytest.mark.parametrize("ttl", ["1d", timedelta(days=1)])
def test_exactly_the_ttl_is_valid_and_a_microsecond_more_is_not(ttl):
    late = day(2) + timedelta(microseconds=1)
    found = joined(spine_of(day(2), late), rows_of(("N1", day(1), 7)), ttl=ttl, event_time_as="seen")
    assert found["v"].to_list() == [7, None]
    assert found["seen"].to_list() == [day(1), None]


def test_an_expired_winner_is_not_replaced_by_an_older_row_that_was_known_later():
    rows = rows_of(("N1", day(2), 7), ("N1", day(1), 8)).with_columns(known=pl.Series([day(2), day(9)], dtype=UTC))
    assert joined(spine_of(day(9)), rows, known_at="known", ttl="2d")["v"].to_list() == [None]


def test_a_null_key_matches_nothing_not_even_a_null_key():
    rows = rows_of((None, day(1), 7), ("N1", day(1), 8))
    found = joined(pl.concat([spine_of(day(2), plane=None), spine_of(day(2))]), rows)
    assert found["v"].to_list() == [None, 8]


def test_one_null_part_of_a_composite_key_is_enough_to_match_nothing():
    spine = pl.DataFrame({"a": ["x", "x"], "b": [1, None], "t": [day(2)] * 2})
    rows = pl.DataFrame({"b": [1, None], "a": ["x", "x"], "event": [day(1)] * 2, "v": [1, 2]})
    found = point_in_time_join(spine, rows, on=["a", "b"], **CLOCKS).collect()
    assert found["v"].to_list() == [1, None]


def test_without_keys_one_value_holds_for_all():
    rows = rows_of(("N1", day(1), 7), ("N2", day(3), 8)).drop("plane")
    found = point_in_time_join(spine_of(day(2), day(4), day(1), None), rows, on=[], **CLOCKS).collect()
    assert found["v"].to_list() == [7, 8, 7, None]


def test_rows_in_any_order_give_the_same_answer_without_a_warning():
    rows = rows_of(("N1", day(3), 3), ("N1", day(1), 1), ("N1", day(2), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert joined(spine_of(day(4), day(1), day(2)), rows)["v"].to_list() == [3, 1, 2]


@pytest.mark.parametrize("on", [[], ["plane"]])
@pytest.mark.parametrize("dtype", [pl.Null, pl.String])
def test_empty_frames_of_any_type_are_frames_like_others(on, dtype):
    spine = pl.DataFrame(schema={"plane": dtype, "t": pl.Null if dtype == pl.Null else UTC})
    rows = pl.DataFrame(schema={"plane": pl.Null, "event": pl.Null, "known": pl.Null, "v": pl.Null})
    rows = rows if on else rows.drop("plane")
    for left in (spine, spine_of(day(1))):
        for known in (None, "known"):
            right = rows if known else rows.drop("known")
            found = point_in_time_join(left, right, on=on, **CLOCKS, known_at=known, ttl="1d").collect()
            assert_frame_equal(found, left.with_columns(v=pl.lit(None)))


def test_times_of_other_zones_are_compared_in_utc_and_come_back_as_they_were():
    spine = spine_of(day(2)).with_columns(pl.col("t").dt.convert_time_zone("America/New_York"))
    rows = rows_of(("N1", day(2), 7), ("N1", day(3), 8)).with_columns(
        pl.col("event").dt.convert_time_zone("Asia/Tokyo")
    )
    found = joined(spine, rows, event_time_as="seen")
    assert_frame_equal(found.select("plane", "t"), spine)
    assert found.select("v", "seen").rows() == [(7, day(2))]
    assert found.schema["seen"] == UTC


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [("2013-03-10 06:30", "2013-03-10 07:30", 1), ("2013-11-03 05:30", "2013-11-03 06:30", 1)],
)
def test_the_hour_that_local_clocks_skip_or_repeat_is_an_hour(first, second, apart):
    local = pl.Series([first, second]).str.to_datetime("%Y-%m-%d %H:%M", time_zone="UTC", time_unit="us")
    local = local.dt.convert_time_zone("America/New_York")
    spine = pl.DataFrame({"plane": ["N1", "N1"], "t": local})
    rows = pl.DataFrame({"plane": ["N1"], "event": local[:1], "v": [7]})
    assert joined(spine, rows, ttl=timedelta(hours=apart))["v"].to_list() == [7, 7]
    assert joined(spine, rows, ttl=timedelta(minutes=59))["v"].to_list() == [7, None]


@pytest.mark.parametrize("unit", ["ns", "ms"])
def test_other_units_of_time_are_converted(unit):
    early = at(-24 * 365 * 50)
    spine = spine_of(early, day(2)).with_columns(pl.col("t").dt.cast_time_unit(unit))
    rows = rows_of(("N1", early, 1), ("N1", day(2), 2)).with_columns(pl.col("event").dt.cast_time_unit(unit))
    found = joined(spine, rows)
    assert found["v"].to_list() == [1, 2]
    assert found.schema["t"] == pl.Datetime(unit, "UTC")


@pytest.mark.parametrize(
    ("left", "right", "values"),
    [
        (pl.Int32, pl.Int64, [1, 2]),
        (pl.Int8, pl.UInt32, [1, 2]),
        (pl.Int64, pl.UInt64, [1, 2]),
        (pl.UInt64, pl.UInt64, [2**64 - 1, 2**64 - 2]),
        (pl.Int64, pl.Int64, [2**62, 2**62 + 1]),
        (pl.Float32, pl.Float64, [0.5, 1.5]),
        (pl.Categorical, pl.String, ["航空", "é"]),
        (pl.Enum(["航空", "é"]), pl.Categorical, ["航空", "é"]),
        (pl.Date, pl.Date, [day(1).date(), day(2).date()]),
        (pl.Boolean, pl.Boolean, [True, False]),
    ],
)
def test_key_types_meet_where_nothing_is_lost(left, right, values):
    spine = pl.DataFrame({"plane": pl.Series(values, dtype=left), "t": [day(2)] * 2})
    rows = pl.DataFrame({"plane": pl.Series(values, dtype=right), "event": [day(1)] * 2, "v": [1, 2]})
    found = joined(spine, rows)
    assert_frame_equal(found, spine.with_columns(v=pl.Series([1, 2])))


def test_huge_whole_numbers_that_floats_confuse_are_different_keys():
    spine = pl.DataFrame({"plane": pl.Series([2**63 - 1, 2**63 - 2]), "t": [day(2)] * 2})
    rows = pl.DataFrame({"plane": pl.Series([2**63 - 2], dtype=pl.UInt64), "event": [day(1)], "v": [1]})
    assert joined(spine, rows)["v"].to_list() == [None, 1]


@pytest.mark.parametrize("other", [pl.Int64, pl.Float64, pl.Boolean, pl.List(pl.String)])
def test_key_types_that_do_not_meet_are_refused_by_name(other):
    rows = pl.DataFrame(schema={"plane": other, "event": UTC, "v": pl.Int64})
    with pytest.raises(WrongColumnType, match=r"`plane` is String on the left and .* on the right"):
        joined(spine_of(day(1)), rows)


def test_naive_times_are_refused_on_either_side():
    rows = rows_of(("N1", day(1), 7)).with_columns(known="event")
    with pytest.raises(NotUtc, match="`t`"):
        joined(spine_of(day(1)).with_columns(pl.col("t").dt.replace_time_zone(None)), rows)
    for clock in ("event", "known"):
        with pytest.raises(NotUtc, match=f"`{clock}`"):
            joined(
                spine_of(day(1)),
                rows.with_columns(pl.col(clock).dt.replace_time_zone(None)),
                known_at="known",
            )


def test_columns_of_both_sides_are_refused_and_so_is_a_taken_name_for_the_event_time():
    with pytest.raises(ColumnCollision, match="v"):
        joined(spine_of(day(1)).with_columns(v=1), rows_of(("N1", day(1), 7)))
    for taken in ("t", "v"):
        with pytest.raises(ColumnCollision, match=taken):
            joined(spine_of(day(1)), rows_of(("N1", day(1), 7)), event_time_as=taken)


@pytest.mark.parametrize(("side", "absent"), [("spine", "plane"), ("spine", "t"), ("rows", "plane"), ("rows", "event")])
def test_absent_columns_are_named(side, absent):
    frames = {"spine": spine_of(day(1)), "rows": rows_of(("N1", day(1), 7))}
    frames[side] = frames[side].drop(absent)
    with pytest.raises(MissingColumns, match=f"`{absent}`"):
        joined(**frames)


def test_an_absent_known_at_is_named():
    with pytest.raises(MissingColumns, match="`known`"):
        joined(spine_of(day(1)), rows_of(("N1", day(1), 7)), known_at="known")


@pytest.mark.parametrize("ttl", ["1 day", "", timedelta(days=-1)])
def test_a_ttl_that_means_nothing_is_refused(ttl):
    with pytest.raises(InvalidDeclaration, match="ttl"):
        joined(spine_of(day(1)), rows_of(("N1", day(1), 7)), ttl=ttl)


def test_the_event_time_may_be_the_time_it_was_known():
    assert joined(spine_of(day(1)), rows_of(("N1", day(1), 7)), known_at="event")["v"].to_list() == [7]


def test_rows_with_nothing_to_add_leave_the_spine_as_it_is():
    spine = spine_of(day(3), day(1))
    assert_frame_equal(joined(spine, rows_of(("N1", day(1), 7)).drop("v")), spine)


def test_a_plan_is_made_and_nothing_is_read_until_it_is_collected():
    assert isinstance(point_in_time_join(spine_of(day(1)), rows_of(), on=["plane"], **CLOCKS), pl.LazyFrame)

"""Tables that come in pieces of time, sorted or not, in memory or spilled: always the same answers."""

from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, target
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.joins import columns, join_plan, runs
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Piece, table_of_frame
from feature_platform.compute.joins.point_in_time import point_in_time_join, row_join
from feature_platform.compute.joins.published import snapshot_join
from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform_tests.compute.drawn import DRAWN, HOURS, KEYS, at, drawn_rows, frame
from feature_platform_tests.compute.naive import outcome, winner

SPINE = {"key": pl.String, "t": UTC}
ROWS = {"key": pl.String, "event": UTC, "known": UTC, "value": pl.Int64}
CUTS = st.sets(st.integers(-6, 6), max_size=4).map(sorted)
ORDERS = st.sampled_from(["as drawn", "by key and time"])
LATER = st.sampled_from([-3, 0, 0, 0, 1, 2, 4, 9])
MANY = st.lists(st.tuples(KEYS, HOURS, LATER, st.integers(0, 99)), min_size=20, max_size=60)
ASKING = st.lists(st.tuples(KEYS, HOURS), min_size=10, max_size=20)
HOUR = 3_600_000_000


def cut(rows: pl.DataFrame, cuts: list[int], order: str, *clocks: str) -> list[Piece]:
    """The rows in pieces that begin at some hours; those without a time are in the first."""
    bounds = [-(2**63), *(microsecond_of(at(hour)) for hour in cuts), 2**63 - 1]
    ticks = pl.col(clocks[0]).to_physical().fill_null(-(2**62))
    pieces = []
    for low, high in pairwise(bounds):
        held = rows.filter((ticks >= low) & (ticks < high))
        if order == "by key and time":
            held = held.sort("key", *clocks, maintain_order=True)
        pieces.append(Piece(held.lazy(), low, high - 1, held.height))
    return pieces


def values(spine: pl.DataFrame, join) -> list[object]:
    return JoinPlan(spine.lazy(), "t", [join], "the spine").lazy().collect()["value"].to_list()


def known_rows(drawn, *, bitemporal: bool):
    """Rows as the naive definition takes them; the third number drawn is how much later a row was known."""
    hours = [(key, hour, None if hour is None else hour + later, value) for key, hour, later, value in drawn]
    return [((key,), event, known if bitemporal else event, value) for key, event, known, value in hours], hours


@DRAWN
@given(ASKING, MANY, CUTS, ORDERS, st.booleans(), st.sampled_from([None, 0, 2, 5]))
def test_pieces_give_the_newest_row_known(spine, drawn, cuts, order, bitemporal, ttl):
    naive, hours = known_rows(drawn, bitemporal=bitemporal)
    left, right = frame(spine, **SPINE), frame(hours, **ROWS)
    clocks = ("event", "known") if bitemporal else ("event",)
    join = row_join(
        left.schema,
        cut(right, cuts, order, *clocks),
        on=["key"],
        event_time="event",
        known_at="known" if bitemporal else None,
        columns={"value": "value"},
        name="rows",
        limit=None if ttl is None else ttl * HOUR,
        owner="test",
    )
    best = [winner((key,), t, naive, ttl) for key, t in spine]
    assert values(left, join) == [each and each[3] for each in best]


@DRAWN
@given(ASKING, MANY, CUTS, ORDERS, st.sampled_from([None, 0, 3]), st.sampled_from([None, 4]))
def test_pieces_give_the_first_outcome(spine, drawn, cuts, order, by, horizon):
    naive, hours = known_rows(drawn, bitemporal=True)
    left, right = frame(spine, **SPINE), frame(hours, **ROWS)
    join = row_join(
        left.schema,
        cut(right, cuts, order, "event", "known"),
        on=["key"],
        event_time="event",
        known_at="known",
        known_by=None if by is None else microsecond_of(at(by)),
        limit=None if horizon is None else horizon * HOUR,
        forward=True,
        name="rows",
        owner="test",
    )
    best = [outcome((key,), t, naive, by, horizon) for key, t in spine]
    assert values(left, join) == [each and each[2] for each in best]


@DRAWN
@given(ASKING, drawn_rows(KEYS, st.sampled_from(range(-6, 7)), st.integers(0, 99)), CUTS, st.sampled_from([None, 3]))
def test_pieces_give_the_newest_instant(spine, drawn, cuts, ttl):
    instants = sorted({hour for _, hour, _ in drawn if hour % 2 == 0})
    rows = {(key, hour): value for key, hour, value in drawn} | {(None, hour): -hour for hour in instants[1:]}
    published = frame([(key, hour, value) for (key, hour), value in rows.items()], key=pl.String, as_of=UTC, value=int)
    left = frame(spine, **SPINE)
    options: dict[str, Any] = {
        "on": ["key"],
        "every": 2 * HOUR,
        "limit": None if ttl is None else ttl * HOUR,
        "name": "rows",
        "owner": "test",
    }
    found = [
        values(left, snapshot_join(left.schema, table, **options))
        for table in (table_of_frame(published), cut(published, cuts, "by key and time", "as_of"))
    ]
    assert found[0] == found[1] == [naive_instant(key, t, rows, ttl) for key, t in spine]


def naive_instant(key, t, rows, ttl):
    out = [hour for other, hour in rows if other is None and hour % 2 == 0 and t is not None and hour <= t]
    if key is None or not out or (ttl is not None and t - max(out) > ttl):
        return None
    return rows.get((key, max(out)), rows[(None, max(out))])


# ---------------------------------------------------------------- every way through the rows of a key


@DRAWN
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60)), min_size=40, max_size=90), ASKING)
def test_rows_known_long_after_many_others_are_found_in_order_of_availability(drawn, spine):
    rows = [("UA", event - 20, event - 20 + later, place) for place, (event, later) in enumerate(drawn)]
    asked = [("UA", None if t is None else 3 * t) for _, t in spine]
    left, right = frame(asked, **SPINE), frame(rows, **ROWS)
    found = point_in_time_join(left, right, on=["key"], spine_time="t", event_time="event", known_at="known")
    naive = [((key,), *rest) for key, *rest in rows]
    best = [winner((key,), t, naive) for key, t in asked]
    steps = [
        sum(1 for row in naive if b[:2] < row[1:3] and row[1] <= t) for b, (_, t) in zip(best, asked, strict=True) if b
    ]
    target(float(max(steps, default=0)), label="rows passed over")
    assert found.collect()["value"].to_list() == [each and each[3] for each in best]


def test_rows_are_passed_over_one_by_one_and_then_by_search():
    late = [("UA", hour / 10, 100.0 + hour, hour) for hour in range(3 * runs._STEPS_BACK)]
    rows = frame([("UA", -1, -1, 7), *late], **ROWS)
    asked = frame([("UA", 50), ("UA", 100), ("UA", 101.5), ("UA", 99)], **SPINE)
    found = point_in_time_join(asked, rows, on=["key"], spine_time="t", event_time="event", known_at="known")
    assert found.collect()["value"].to_list() == [7, 0, 1, 7]


@pytest.mark.parametrize("shuffled", [False, True])
def test_files_that_are_not_sorted_as_they_should_be_are_sorted_here(shuffled):
    rows = frame([(key, hour, hour, hour) for key in ("a", "b") for hour in range(20)], **ROWS)
    if shuffled:
        rows = rows.sample(fraction=1.0, shuffle=True, seed=1)
    asked = frame([("a", 4), ("b", 19), ("a", -1), ("c", 3)], **SPINE)
    found = point_in_time_join(asked, rows, on=["key"], spine_time="t", event_time="event", known_at="known")
    assert found.collect()["value"].to_list() == [4, 19, None, None]


@pytest.mark.parametrize("keys", [[-(2**63), 2**63 - 1], [0, 10**12], [5, 7]])
def test_whole_numbers_near_and_far_apart_are_keys(keys):
    rows = pl.DataFrame({"key": keys * 6, "event": [at(hour) for hour in range(12)], "value": range(12)})
    asked = pl.DataFrame({"key": [*keys, keys[0] + 1, None], "t": [at(20)] * 4}, schema_overrides={"key": pl.Int64})
    found = point_in_time_join(asked, rows, on=["key"], spine_time="t", event_time="event").collect()
    assert found["value"].to_list() == [10, 11, None, None]


# ---------------------------------------------------------------- what is asked of a result


@DRAWN
@given(drawn_rows(KEYS, HOURS), drawn_rows(KEYS, HOURS, HOURS, st.integers(0, 99)), st.integers(0, 9))
def test_a_spilled_result_is_the_result(spine, rows, limit):
    left, right = frame(spine, **SPINE), frame(rows, **ROWS)
    plan = point_in_time_join(left, right, on=["key"], spine_time="t", event_time="event", event_time_as="seen")
    wanted = plan.collect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join_plan, "IN_MEMORY", -1)
        patch.setattr(join_plan, "GROUP", 1)
        patch.setattr(columns, "ROWS_IN_A_BLOCK", 3)
        assert_frame_equal(plan.collect(), wanted)
        assert_frame_equal(plan.head(limit).collect(), wanted.head(limit))
        assert_frame_equal(plan.select("value").collect(), wanted.select("value"))
        later = plan.filter(pl.col("value") > 40).select("seen")
        assert_frame_equal(later.collect(), wanted.filter(pl.col("value") > 40).select("seen"))
        assert_frame_equal(plan.collect(engine="streaming"), wanted)
        assert plan.select(pl.len()).collect().item() == len(spine)
    assert plan.select(pl.len()).collect().item() == len(spine)


def test_a_spilled_result_that_nobody_reads_to_its_end_closes_its_file():
    spilled = columns.Spilled()
    spilled.add(pl.DataFrame({"x": range(3 * columns.ROWS_IN_A_BLOCK)}))
    blocks: Any = spilled.blocks(["x"])
    assert next(blocks).height == columns.ROWS_IN_A_BLOCK
    blocks.close()
    assert spilled._file.closed

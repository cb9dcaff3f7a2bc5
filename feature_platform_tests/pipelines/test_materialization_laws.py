"""Laws of materializing: no partitioning, no order of work and no late row changes what was true at an instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import Grain
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import FIRST, at, customer, hashes, last_order, source, spending, spine, told

pytestmark = pytest.mark.usefixtures("unrecorded")

KEYS = st.sampled_from(["ann", "bob", None])
AMOUNTS = st.sampled_from([None, 0.0, 1.0, 2.0, 5.0])
UTC = pl.Datetime("us", "UTC")


def law(examples: int, fewest: int = 3) -> settings:
    return settings(derandomize=True, deadline=None, max_examples=tries(examples, fewest=fewest), database=None)


def moments(first: float, last: float, unit: timedelta) -> st.SearchStrategy[datetime]:
    """Moments on quarters of a unit, where windows and partitions have their edges, or just beside them."""
    quarters = st.integers(int(first * 4), int(last * 4) - 1)
    beside = st.sampled_from([0, 0, 0, 1, 17_000_000])
    return st.builds(lambda q, us: FIRST + q * unit / 4 + timedelta(microseconds=us), quarters, beside)


def rows(drawn: Sequence[Sequence[object]], *more: str) -> pl.DataFrame:
    schema: dict[str, Any] = {"customer": pl.String, "at": UTC, "amount": pl.Float64, **dict.fromkeys(more, UTC)}
    return pl.DataFrame(drawn, schema=schema, orient="row")


@dataclass(frozen=True)
class Cut:
    """Three partitions of a grain, and windows that fit them."""

    grain: Grain
    unit: timedelta
    every: str
    windows: tuple[str, ...]

    @property
    def grid(self) -> fp.Partitions:
        return fp.Partitions(self.grain, start=FIRST)

    @property
    def keys(self) -> list[str]:
        return self.grid.overlapping(FIRST, FIRST + 3 * self.unit)


CUTS = [
    Cut("hourly", timedelta(hours=1), "30m", ("15m", "2h")),
    Cut("daily", timedelta(days=1), "7h", ("6h", "2d", "lifetime", "last_day")),
    Cut("weekly", timedelta(days=7), "2d", ("3d", "2w")),
    Cut("monthly", timedelta(days=30), "1w", ("10d", "40d", "month_to_date", "last_month")),
]


def echo(read: FeatureView) -> FeatureView:
    return fp.feature_view(entity=customer, source=read, name="echo")(lambda spent: spent)


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.grain)
@law(4, fewest=1)  # each is many runs, and there are four grains
@given(data=st.data())
def test_the_size_and_the_order_of_partitions_change_no_value(cut: Cut, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(st.tuples(KEYS, moments(0, 3, cut.unit), AMOUNTS), min_size=1, max_size=10))
    asked = spine(*data.draw(st.lists(st.tuples(KEYS, moments(-1, 5, cut.unit)), min_size=8, max_size=16)))
    order = data.draw(st.permutations(cut.keys))
    spent = spending(source(rows(drawn)), windows=cut.windows, every=cut.every, delay="10m")
    view = echo(spent)
    first, last = cut.grid.bounds(cut.keys[0])[0], cut.grid.bounds(cut.keys[-1])[1]
    ways = [[(first, last)], [cut.grid.bounds(key) for key in cut.keys], [cut.grid.bounds(key) for key in order]]

    answers = []
    for way in ways:
        with TemporaryDirectory() as folder:
            store = fp.OfflineStore(folder)
            for start, end in way:
                fp.materialize(view, store, start, end, partitions=cut.grid)
            answers.append((told(spent, asked, store), told(view, asked, store), hashes(store, "views/spending")))
    for spent_by, echoed, content in answers[1:]:
        assert_frame_equal(spent_by, answers[0][0], check_exact=True)
        assert_frame_equal(echoed, answers[0][1], check_exact=True)
        assert content == answers[0][2]


TTLS = st.sampled_from([None, "12h", "1d", "3d"])
LAGS = st.sampled_from([timedelta(0), timedelta(hours=3), timedelta(days=2), None])


@pytest.mark.parametrize("known_at", [None, "known"])
@pytest.mark.parametrize("kind", ["snapshot", "exact", "row"])
@law(12)
@given(data=st.data())
def test_a_materialized_view_says_what_the_same_view_says_of_the_frames(
    kind: str, known_at: str | None, data: st.DataObject
) -> None:
    day = timedelta(days=1)
    drawn: list[Any] = data.draw(st.lists(st.tuples(KEYS, moments(0, 5, day), AMOUNTS, LAGS), max_size=12))
    frame = rows([(*event, None if lag is None else event[1] + lag) for *event, lag in drawn], "known")
    delay, ttl = data.draw(st.sampled_from([None, "1h", "30h"])), data.draw(TTLS)
    asked = spine(*data.draw(st.lists(st.tuples(KEYS, moments(2.25, 5, day)), min_size=8, max_size=16)))
    read = source(frame if known_at else frame.drop("known"), known_at=known_at)
    if kind == "row":
        view = last_order(read, ttl=ttl)
    else:
        windows = ["6h", "3d", *data.draw(st.sampled_from([(), ("lifetime",), ("day_to_date", "last_week")]))]
        view = spending(read, windows=windows, delay=delay, ttl=ttl, accuracy=kind)

    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(view, store, at(0), at(5))
        stored = told(view, asked, store)
    assert_frame_equal(stored, fp.testing.values_at(view, {"orders": vars(read.connector)["frame"]}, asked).collect())


@law(6)
@given(
    drawn=st.lists(
        st.tuples(KEYS, moments(0, 4, timedelta(days=1)), AMOUNTS, st.integers(0, 2)), min_size=1, max_size=10
    )
)
def test_days_taken_in_one_by_one_with_late_rows_end_as_one_run_of_all(drawn: list[tuple[Any, ...]]) -> None:
    frame = rows([event for *event, _ in drawn])
    arrival = pl.Series([(moment - FIRST).days + late for _, moment, _, late in drawn])

    def view(day: int) -> FeatureView:
        return spending(source(frame.filter(arrival <= day)), windows=["1d", "2d"], lateness="2d")

    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        store, whole = fp.OfflineStore(folder), fp.OfflineStore(other)
        days = fp.Partitions("daily", start=FIRST)
        for day in range(6):
            done = fp.materialize(view(day), store, at(day), at(day + 1), partitions=days)
            arrived = {(moment - FIRST).days for _, moment, _, late in drawn if (moment - FIRST).days + late == day}
            assert set(done["sources/orders"].commit.changed) <= {f"2024-01-0{each + 1}" for each in {*arrived, day}}
            reached = {f"2024-01-0{each + more + 1}" for each in {*arrived, day} for more in range(3)}
            assert set(done["views/spending"].commit.changed) <= reached
        fp.materialize(view(6), whole, at(0), at(6))
        assert hashes(store, "sources/orders") == hashes(whole, "sources/orders")
        assert hashes(store, "views/spending") == hashes(whole, "views/spending")
        assert not store.exists("late/sources/orders")


@pytest.mark.parametrize("start", [FIRST, None])
@law(6)
@given(drawn=st.lists(st.tuples(KEYS, moments(0, 4, timedelta(days=1)), AMOUNTS, st.integers(0, 5)), max_size=8))
def test_a_late_row_changes_all_later_days_of_a_lifetime(start: datetime | None, drawn: list[tuple[Any, ...]]) -> None:
    frame = rows([("ann", at(0), 1.0), *(event for *event, _ in drawn)])
    arrival = pl.Series([0, *((moment - FIRST).days + late for _, moment, _, late in drawn)])
    days = fp.Partitions("daily", start=start)

    def view(day: int) -> FeatureView:
        return spending(source(frame.filter(arrival <= day)), windows=["lifetime", "last_day"], lateness="9d")

    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        store, whole = fp.OfflineStore(folder), fp.OfflineStore(other)
        for day in (1, 0, 2, 3, 5):
            fp.materialize(view(day), store, at(day), at(day + 1), partitions=days)
        fp.materialize(view(5), store, partitions=days)
        fp.materialize(view(9), store, at(3), at(6), partitions=days)
        fp.materialize(view(9), whole, at(0), at(6), partitions=days)
        assert hashes(store, "sources/orders") == hashes(whole, "sources/orders")
        assert hashes(store, "views/spending") == hashes(whole, "views/spending")
        assert min(hashes(whole, "views/spending")) == "2024-01-01"


def test_a_view_below_a_lifetime_is_made_for_the_days_that_were_asked_for_before_its_data_begins() -> None:
    frame = rows([("ann", at(2), 1.0)])
    below = spending(source(frame), windows=["1d"])
    sums = [fp.Sum("amount_sum_1d", windows=["lifetime"])]
    above = fp.feature_view(entity=customer, source=below, aggregations=sums, name="above")(lambda spent: spent)
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(above, store, at(0), at(5), partitions=fp.Partitions("daily"))
        days = {f"2024-01-0{day}" for day in range(1, 6)}
        assert set(hashes(store, "views/spending")) == set(hashes(store, "views/above")) == days


@pytest.mark.parametrize("kind", ["snapshot", "exact", "row"])
@law(8)
@given(data=st.data())
def test_with_a_known_at_clock_late_rows_leave_the_past_as_it_was_known(kind: str, data: st.DataObject) -> None:
    day = timedelta(days=1)
    event = st.tuples(KEYS, moments(0, 4, day), AMOUNTS)
    known = rows([(*each, each[1]) for each in data.draw(st.lists(event, min_size=1, max_size=6))], "known")
    learnt = data.draw(moments(2, 4, day))
    late = rows([(*each, max(each[1], learnt)) for each in data.draw(st.lists(event, min_size=1, max_size=6))], "known")
    asked = spine(*data.draw(st.lists(st.tuples(KEYS, moments(0, 5, day)), min_size=8, max_size=16)))
    before_it = asked.filter(pl.col("event_timestamp") < learnt)

    def view(frame: pl.DataFrame) -> FeatureView:
        read = source(frame, known_at="known")
        windows: dict[str, Any] = {"windows": ["6h", "3d"], "every": "6h", "lateness": "4d", "accuracy": kind}
        return last_order(read) if kind == "row" else spending(read, **windows)

    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(view(known), store, at(0), at(5))
        past = told(view(known), before_it, store)
        fp.materialize(view(pl.concat([known, late])), store, at(0), at(5))
        assert_frame_equal(told(view(known), before_it, store), past)


def test_with_a_known_at_clock_late_rows_are_seen_from_then_on() -> None:
    known = rows([("ann", at(0, 12), 5.0, at(0, 12))], "known")
    late = rows([("ann", at(0, 13), 7.0, at(2, 12))], "known")
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        for day, frame in enumerate([known, known, pl.concat([known, late]), pl.concat([known, late])]):
            view = spending(source(frame, known_at="known"), windows=["4d"], lateness="3d")
            fp.materialize(view, store, at(day), at(day + 1))
        asked = spine(("ann", at(1)), ("ann", at(2)), ("ann", at(3)), ("ann", at(4)))
        assert told(view, asked, store)["amount_sum_4d"].to_list() == [5.0, 5.0, 12.0, 12.0]

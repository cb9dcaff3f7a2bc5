"""Windows at the midnights of a time zone: what is said of them, what is stored, and what late rows change."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.pipelines.candidates import parts
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import customer, hashes, orders, same, source, spine, told
from feature_platform_tests.zones import CHANGES, DAY, HOUR, Change

pytestmark = pytest.mark.usefixtures("unrecorded")

Row = tuple[str | None, datetime, float | None]


def law(examples: int) -> settings:
    phases = [Phase.explicit, Phase.generate]  # what fails is not made smaller, which takes minutes
    return settings(
        derandomize=True, deadline=None, max_examples=tries(examples, fewest=1), database=None, phases=phases
    )


def spending(rows: pl.DataFrame, tz: str, **words: Any) -> FeatureView:
    read = source(rows)
    cadence = fp.Cadence(every="1d", delay=words.pop("delay", None), lateness="6d", tz=tz)
    aggregations = [fp.Sum("amount", windows=["24h", "36h"]), fp.Count(windows=["24h", "36h"]), *words.pop("more", [])]
    declare = fp.feature_view(
        entity=customer, source=read, aggregations=aggregations, cadence=cadence, name="spending", **words
    )
    return declare(same)


def moments(first: float = 0, last: float = 6) -> st.SearchStrategy[timedelta]:
    """Hours of the six days, where midnights and windows have their edges, or just beside."""
    hours, beside = st.integers(int(first * 24), int(last * 24) - 1), st.sampled_from([0, 0, 0, 1, -1])
    return st.builds(lambda hour, us: max(hour * HOUR + timedelta(microseconds=us), timedelta(0)), hours, beside)


KEYS = st.sampled_from(["ann", "ann", "bob", None])
AMOUNTS = st.sampled_from([None, 0.0, 1.0, 2.0, 5.0])
ORDERS = st.lists(st.tuples(KEYS, moments(), AMOUNTS), min_size=1, max_size=10)


def at_days(change: Change, drawn: list[tuple[str | None, timedelta, float | None]]) -> list[Row]:
    return [(key, change.first + after, amount) for key, after, amount in drawn]


def days_of(change: Change) -> fp.Partitions:
    return fp.Partitions("daily", start=change.first)


def stored_hashes(
    view: FeatureView, change: Change, spans: Sequence[tuple[int, int]] = ((0, 6),)
) -> Mapping[str, str | None]:
    """The hashes of the view's partitions after runs over some spans of days."""
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        for low, high in spans:
            first, last = change.first + low * DAY, change.first + high * DAY
            fp.materialize(view, store, first, last, partitions=days_of(change))
        return hashes(store, "views/spending")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@law(20)
@given(
    drawn=ORDERS,
    asked=st.lists(st.tuples(KEYS, moments(0, 8)), min_size=1, max_size=6),
    delay=st.sampled_from([0, 1, 30]),
    ttl=st.sampled_from([None, 12]),
)
def test_a_view_says_what_is_in_the_windows_of_the_newest_midnight_that_is_out(change, drawn, asked, delay, ttl):
    rows = at_days(change, drawn)
    delayed = f"{delay}h" if delay else None
    days = [fp.Count(windows=["last_day"], tz=change.tz)]
    view = spending(orders(*rows), change.tz, delay=delayed, ttl=None if ttl is None else f"{ttl}h", more=days)
    moment_of = [(key, change.first + after) for key, after in asked]
    found = fp.testing.values_at(view, {"orders": orders(*rows)}, spine(*moment_of)).collect()
    published = change.midnights()
    for row, (key, moment) in zip(found.iter_rows(named=True), moment_of, strict=True):
        place = bisect_right(published, moment - delay * HOUR) - 1
        newest, before = published[place], published[place - 1]
        silent = key is None or (ttl is not None and moment - newest > ttl * HOUR)
        for hours in (24, 36):
            inside = [x for who, at, x in rows if who == key and newest - hours * HOUR <= at < newest]
            assert row[f"count_{hours}h"] == (None if silent else len(inside))
            assert row[f"amount_sum_{hours}h"] == (None if silent else sum(x for x in inside if x is not None))
        of_day = [x for who, at, x in rows if who == key and before <= at < newest]
        assert row["count_last_day"] == (None if silent else len(of_day))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@law(5)
@given(data=st.data())
def test_runs_of_parts_leave_what_a_run_of_the_whole_leaves(change, data):
    rows = orders(*at_days(change, data.draw(ORDERS)))
    days = [fp.Count(windows=["last_day"], tz=change.tz)]
    view = spending(rows, change.tz, delay=data.draw(st.sampled_from([None, "1h", "30h"])), more=days)
    cuts = sorted({0, 6, *data.draw(st.lists(st.integers(1, 5), max_size=4))})
    spans = data.draw(st.permutations(list(pairwise(cuts))))
    whole = stored_hashes(view, change)

    assert stored_hashes(view, change, spans) == whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_VALUES", 1)
        assert stored_hashes(view, change) == whole


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("grain", ["hourly", "daily"])
@law(4)
@given(data=st.data())
def test_what_is_stored_in_partitions_of_any_size_is_what_the_view_says(change, grain, data):
    rows = orders(*at_days(change, data.draw(ORDERS)))
    days = [fp.Count(windows=["last_day", "week_to_date"], tz=change.tz)]
    view = spending(rows, change.tz, delay=data.draw(st.sampled_from([None, "1h", "30h"])), more=days)
    asked = spine(
        *[(key, change.first + after) for key, after in data.draw(st.lists(st.tuples(KEYS, moments(3, 6)), min_size=6))]
    )
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(view, store, change.first, change.last, partitions=fp.Partitions(grain, start=change.first))

        assert_frame_equal(told(view, asked, store), fp.testing.values_at(view, {"orders": rows}, asked).collect())


def touched_days(change: Change, moment: datetime) -> set[str]:
    """The days that hold a midnight whose longest window, of 36 hours, holds a moment; an instant closes its day."""
    reached = [each for each in change.midnights() if moment < each <= moment + 36 * HOUR]
    return {f"{each - timedelta(microseconds=1):%F}" for each in reached}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@law(8)
@given(drawn=ORDERS, late=st.tuples(st.sampled_from(["ann", "eve"]), moments()))
@example(drawn=[("ann", 12 * HOUR, 1.0)], late=("ann", 18 * HOUR))  # seen by the midnight after the next, 53 hours on
@example(drawn=[("ann", 12 * HOUR, 1.0)], late=("eve", 3 * DAY + 4 * HOUR))
def test_a_late_row_makes_anew_the_days_whose_midnights_see_it_and_no_others(change, drawn, late):
    (key, after), rows = late, at_days(change, drawn)
    grid, moment = days_of(change), change.first + after
    view = spending(orders(*rows, (key, moment, 1000.0)), change.tz)
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(spending(orders(*rows), change.tz), store, change.first, change.last, partitions=grid)
        done = fp.materialize(view, store, change.last - DAY, change.last, partitions=grid)

        reached = touched_days(change, moment) & set(grid.overlapping(change.first, change.last))
        assert set(done["views/spending"].commit.changed) == reached
        assert hashes(store, "views/spending") == stored_hashes(view, change)


def test_a_view_of_a_source_without_partitions_has_all_midnights_up_to_the_first_after_the_last_order(
    tmp_path: Path,
) -> None:
    first = CHANGES["New York, back"].first
    rows = orders(
        ("ann", first + 4 * HOUR, 1.0), ("ann", first + 52 * HOUR, 2.0)
    )  # at midnight, the last of a long day
    read = source(rows, partitioned=False)
    declare = fp.feature_view(
        entity=customer,
        source=read,
        aggregations=[fp.Count(windows=["24h"])],
        cadence=fp.Cadence(tz="America/New_York"),
        name="spending",
    )
    store = fp.OfflineStore(tmp_path)
    fp.materialize(declare(same), store)
    stored = store.read("views/spending").filter(pl.col("customer").is_null()).collect()

    assert stored["as_of"].to_list() == [first + hours * HOUR for hours in (4, 28, 52, 77)]


def test_another_zone_is_another_code_and_its_old_instants_are_not_looked_at(tmp_path: Path) -> None:
    change = CHANGES["New York, forward"]
    rows, store = orders(("ann", change.first + 30 * HOUR, 1.0)), fp.OfflineStore(tmp_path)
    asked, span = spine(("ann", change.first + 53 * HOUR)), (change.first, change.last)
    fp.materialize(spending(rows, change.tz), store, *span, partitions=days_of(change))
    elsewhere = spending(rows, "Asia/Kathmandu")

    assert told(spending(rows, change.tz), asked, store)["count_24h"].to_list() == [1]
    assert told(elsewhere, asked, store, stale="ignore")["count_24h"].to_list() == [None]
    fp.materialize(elsewhere, store, *span, partitions=days_of(change))
    assert told(elsewhere, asked, store)["count_24h"].to_list() == [1]

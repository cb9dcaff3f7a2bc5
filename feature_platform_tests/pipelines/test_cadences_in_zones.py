"""Windows at the midnights of a time zone: what is said of them, what is stored, and what late rows change."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

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

NEW_YORK = "America/New_York"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHANGES = {  # the first of six days of UTC; the clocks of New York change on the third
    "forward": datetime(2024, 3, 8, tzinfo=timezone.utc),
    "back": datetime(2024, 11, 1, tzinfo=timezone.utc),
}
Row = tuple[str | None, datetime, float | None]


def law(examples: int) -> settings:
    phases = [Phase.explicit, Phase.generate]  # what fails is not made smaller, which takes minutes
    return settings(
        derandomize=True, deadline=None, max_examples=tries(examples, fewest=2), database=None, phases=phases
    )


def spending(rows: pl.DataFrame, tz: str = NEW_YORK, every: str = "1d", **words: Any) -> FeatureView:
    read = source(rows)
    cadence = fp.Cadence(every=every, delay=words.pop("delay", None), lateness="6d", tz=tz)
    aggregations = [fp.Sum("amount", windows=["24h", "36h"]), fp.Count(windows=["24h", "36h"]), *words.pop("more", [])]
    declare = fp.feature_view(
        entity=customer, source=read, aggregations=aggregations, cadence=cadence, name="spending", **words
    )
    return declare(same)


def midnights(first: datetime) -> list[datetime]:
    """The midnights of New York around six days, found by one who walks."""
    hours = (first + number * HOUR for number in range(-10 * 24, 16 * 24))
    return [hour for hour in hours if hour.astimezone(ZoneInfo(NEW_YORK)).hour == 0]


def moments(first: float = 0, last: float = 6) -> st.SearchStrategy[timedelta]:
    """Hours of the six days, where midnights and windows have their edges, or just beside."""
    hours, beside = st.integers(int(first * 24), int(last * 24) - 1), st.sampled_from([0, 0, 0, 1, -1])
    return st.builds(lambda hour, us: max(hour * HOUR + timedelta(microseconds=us), timedelta(0)), hours, beside)


KEYS = st.sampled_from(["ann", "ann", "bob", None])
AMOUNTS = st.sampled_from([None, 0.0, 1.0, 2.0, 5.0])
ORDERS = st.lists(st.tuples(KEYS, moments(), AMOUNTS), min_size=1, max_size=10)


def at_days(first: datetime, drawn: list[tuple[str | None, timedelta, float | None]]) -> list[Row]:
    return [(key, first + after, amount) for key, after, amount in drawn]


def stored_hashes(view: FeatureView, first: datetime, spans: list[tuple[float, float]]) -> Mapping[str, str | None]:
    """The hashes of the view's partitions after runs over some spans of days."""
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        for low, high in spans:
            fp.materialize(view, store, first + low * DAY, first + high * DAY, partitions=grid(first))
        return hashes(store, "views/spending")


def grid(first: datetime) -> fp.Partitions:
    return fp.Partitions("daily", start=first)


@pytest.mark.parametrize("change", CHANGES)
@law(20)
@given(
    drawn=ORDERS,
    asked=st.lists(st.tuples(KEYS, moments(0, 8)), min_size=1, max_size=6),
    delay=st.sampled_from([0, 1, 30]),
    ttl=st.sampled_from([None, 12]),
)
def test_a_view_says_what_is_in_the_windows_of_the_newest_midnight_that_is_out(change, drawn, asked, delay, ttl):
    first = CHANGES[change]
    rows = at_days(first, drawn)
    delayed = f"{delay}h" if delay else None
    days = [fp.Count(windows=["last_day"], tz=NEW_YORK)]
    view = spending(orders(*rows), delay=delayed, ttl=None if ttl is None else f"{ttl}h", more=days)
    moment_of = [(key, first + after) for key, after in asked]
    found = fp.testing.values_at(view, {"orders": orders(*rows)}, spine(*moment_of)).collect()
    published = midnights(first)
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


@pytest.mark.parametrize("change", CHANGES)
@law(8)
@given(data=st.data())
def test_runs_of_parts_leave_what_a_run_of_the_whole_leaves(change, data):
    first = CHANGES[change]
    rows = orders(*at_days(first, data.draw(ORDERS)))
    days = [fp.Count(windows=["last_day"], tz=NEW_YORK)]
    view = spending(rows, delay=data.draw(st.sampled_from([None, "1h", "30h"])), more=days)
    cuts = sorted({0, 6, *data.draw(st.lists(st.integers(1, 5), max_size=4))})
    spans = data.draw(st.permutations(list(pairwise(cuts))))
    whole = stored_hashes(view, first, [(0, 6)])

    assert stored_hashes(view, first, spans) == whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_VALUES", 1)
        assert stored_hashes(view, first, [(0, 6)]) == whole


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("grain", ["hourly", "daily"])
@law(6)
@given(data=st.data())
def test_what_is_stored_in_partitions_of_any_size_is_what_the_view_says(change, grain, data):
    first = CHANGES[change]
    rows = orders(*at_days(first, data.draw(ORDERS)))
    days = [fp.Count(windows=["last_day", "week_to_date"], tz=NEW_YORK)]
    view = spending(rows, delay=data.draw(st.sampled_from([None, "1h", "30h"])), more=days)
    asked = spine(
        *[(key, first + after) for key, after in data.draw(st.lists(st.tuples(KEYS, moments(3, 6)), min_size=6))]
    )
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(view, store, first, first + 6 * DAY, partitions=fp.Partitions(grain, start=first))

        assert_frame_equal(told(view, asked, store), fp.testing.values_at(view, {"orders": rows}, asked).collect())


def touched_days(first: datetime, moment: datetime) -> set[str]:
    """The days that hold a midnight whose longest window, of 36 hours, holds a moment; an instant closes its day."""
    reached = [each for each in midnights(first) if moment < each <= moment + 36 * HOUR]
    return {f"{each - timedelta(microseconds=1):%F}" for each in reached}


@pytest.mark.parametrize("change", CHANGES)
@law(12)
@given(drawn=ORDERS, late=st.tuples(st.sampled_from(["ann", "eve"]), moments()))
@example(drawn=[("ann", 12 * HOUR, 1.0)], late=("ann", 18 * HOUR))  # seen by the midnight after the next, 53 hours on
@example(drawn=[("ann", 12 * HOUR, 1.0)], late=("eve", 3 * DAY + 4 * HOUR))
def test_a_late_row_makes_anew_the_days_whose_midnights_see_it_and_no_others(change, drawn, late):
    first, (key, after) = CHANGES[change], late
    rows = at_days(first, drawn)
    more = [*rows, (key, first + after, 1000.0)]
    days = set(grid(first).overlapping(first, first + 6 * DAY))
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(spending(orders(*rows)), store, first, first + 6 * DAY, partitions=grid(first))
        view = spending(orders(*more))
        done = fp.materialize(view, store, first + 5 * DAY, first + 6 * DAY, partitions=grid(first))

        assert set(done["views/spending"].commit.changed) == touched_days(first, first + after) & days
        assert hashes(store, "views/spending") == stored_hashes(view, first, [(0, 6)])


def test_a_view_of_a_source_without_partitions_has_all_midnights_up_to_the_first_after_the_last_order(
    tmp_path: Path,
) -> None:
    first = CHANGES["back"]
    rows = orders(
        ("ann", first + 4 * HOUR, 1.0), ("ann", first + 52 * HOUR, 2.0)
    )  # at midnight, the last of a long day
    read = source(rows, partitioned=False)
    declare = fp.feature_view(
        entity=customer,
        source=read,
        aggregations=[fp.Count(windows=["24h"])],
        cadence=fp.Cadence(tz=NEW_YORK),
        name="spending",
    )
    store = fp.OfflineStore(tmp_path)
    fp.materialize(declare(same), store)
    stored = store.read("views/spending").filter(pl.col("customer").is_null()).collect()

    assert stored["as_of"].to_list() == [first + hours * HOUR for hours in (4, 28, 52, 77)]


def test_another_zone_is_another_code_and_its_old_instants_are_not_looked_at(tmp_path: Path) -> None:
    first = CHANGES["forward"]
    rows, store = orders(("ann", first + 30 * HOUR, 1.0)), fp.OfflineStore(tmp_path)
    fp.materialize(spending(rows), store, first, first + 6 * DAY, partitions=grid(first))
    asked = spine(("ann", first + 53 * HOUR))

    assert told(spending(rows), asked, store)["count_24h"].to_list() == [1]
    elsewhere = spending(rows, tz="Asia/Kathmandu")
    assert told(elsewhere, asked, store, stale="ignore")["count_24h"].to_list() == [None]
    fp.materialize(elsewhere, store, first, first + 6 * DAY, partitions=grid(first))
    assert told(elsewhere, asked, store)["count_24h"].to_list() == [1]

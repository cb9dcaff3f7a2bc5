"""Time alone tells what is too old and what is late; both end as soon as the data is there."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.partitions import Partitions
from feature_platform.monitoring.partitions import find_unmonitored
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot
from feature_platform.monitoring.watching.timeliness import _due_partitions, grace_of
from feature_platform.offline import CommitStamp
from feature_platform.offline.log_facts import newest_event, partitions_with_rows
from feature_platform_tests.effort import tries
from feature_platform_tests.monitoring.watching.words import LATER, Watcher, day, materialize, shop
from feature_platform_tests.shop import at, daily, orders, source, spending

ORDERS = "sources/orders"


def at_noon(watcher: Watcher, number: int) -> list[str]:
    """The next look, at noon of a day (0 is the first)."""
    watcher.now = at(number, 11)
    return watcher.looks()


def test_a_source_is_too_old_by_its_newest_event_until_a_fresh_one_is_there(store, alerts):
    project = shop(days=None, freshness="2d")
    materialize(project, store, 5)  # the newest event is at noon of the day 4
    watcher = Watcher(project, store, alerts)

    assert at_noon(watcher, 6) == []  # two days, to the second
    assert at_noon(watcher, 7) == ["opened freshness in sources/orders"]

    found = watcher.finding(ORDERS, "freshness")
    assert (found.evidence, found.size, found.compared_to) == (
        "the newest event is of 2024-01-05 12:00 UTC", 72.0, "at most 2d, as declared",
    )  # fmt: skip
    assert found.owner == "team:shop"
    materialize(project, store, 3, first=5)
    assert at_noon(watcher, 7) == ["resolved freshness in sources/orders"]
    assert watcher.open() == []


def test_what_lasts_is_found_again_each_day_and_told_once(store, alerts):
    project = shop(days=None, freshness="2d")
    materialize(project, store, 5)
    watcher = Watcher(project, store, alerts)
    at_noon(watcher, 7)
    assert [watcher.looks(hours=1) for _ in range(3)] == [[], [], []]
    assert at_noon(watcher, 8) == ["wider freshness in sources/orders, and 3 more"]  # now partitions are late, too
    assert watcher.looks(hours=1) == []
    history = watcher.alerts.history(watcher.finding(ORDERS, "freshness").fingerprint)
    assert [each.finding.size for each in history] == [96.0, 72.0]


def test_of_a_project_that_is_over_the_present_is_its_end(store, alerts):
    project = shop(days=5, freshness="1d")
    materialize(project, store, 5)
    assert Watcher(project, store, alerts).looks() == []
    older = shop(days=7, freshness="1d")
    assert "opened freshness in sources/orders" in Watcher(older, store, alerts).looks()[0]


def test_without_statistics_the_newest_event_is_read(store, alerts, monkeypatch):
    project = shop(days=5, freshness="1d")
    materialize(project, store, 3)
    monkeypatch.setattr("feature_platform.monitoring.watching.timeliness.newest_event", lambda location, column: None)
    watcher = Watcher(project, store, alerts)
    watcher.looks()
    assert watcher.finding(ORDERS, "freshness").evidence == "the newest event is of 2024-01-03 12:00 UTC"


@pytest.mark.parametrize("time", [datetime(2099, 1, 1, 9, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)])
def test_an_event_that_is_still_to_come_makes_no_source_fresh(store, alerts, time):
    """Such rows are left out unless the project has an end; tables that were written before may hold one."""
    project = shop(days=None, freshness="2d")
    materialize(project, store, 5)
    before = datetime(time.year, time.month, time.day, tzinfo=UTC)
    grid = Partitions(end="9999-12-31")
    future = source(pl.concat([daily(), orders(("eve", time, 1.0))]))
    fp.materialize(future, store, before, before + timedelta(days=1), partitions=grid)
    assert time in store.read(ORDERS).collect()["at"]
    watcher = Watcher(project, store, alerts)
    at_noon(watcher, 7)
    assert watcher.finding(ORDERS, "freshness").evidence == "the newest event is of 2024-01-05 12:00 UTC"
    at_noon(watcher, 8)
    late = watcher.finding(ORDERS, "late_partition")
    assert (late.since, late.partition) == ("2024-01-06", "2024-01-06")  # none between today and then


def test_a_row_of_2099_does_not_end_an_alert_about_age_that_is_open_nor_opens_a_partition_to_judge(store, alerts):
    project = shop(days=None, freshness="2d")
    materialize(project, store, 5)
    watcher = Watcher(project, store, alerts)
    assert at_noon(watcher, 7) == ["opened freshness in sources/orders"]
    before = set(find_unmonitored(project.asset(ORDERS), project, store, LATER))

    far = datetime(2099, 1, 1, tzinfo=UTC)
    future = source(pl.concat([daily(), orders(("eve", far, 1.0))]))
    fp.materialize(future, store, far, far + timedelta(days=1), partitions=Partitions(end="9999-12-31"))
    assert far in store.read(ORDERS).collect()["at"]
    assert "resolved freshness in sources/orders" not in watcher.looks(hours=1)
    assert "freshness of None in sources/orders" in watcher.open()
    assert set(find_unmonitored(project.asset(ORDERS), project, store, LATER)) == before


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=20))
@settings(max_examples=tries(20), deadline=None)
def test_the_newest_event_of_the_log_is_that_of_the_rows(tmp_path_factory, times):
    store = fp.OfflineStore(tmp_path_factory.mktemp("store"))
    frame = pl.DataFrame({"at": times}, schema={"at": pl.Datetime("us")}).with_columns(
        pl.col("at").dt.replace_time_zone("UTC")
    )
    store.replace("t", frame.head(1), stamp=CommitStamp("r", "t", "1"))
    store.replace("t", frame, stamp=CommitStamp("r", "t", "1"))
    told, newest = newest_event(store.location("t"), "at"), max(frame["at"].to_list())
    assert timedelta(0) <= newest - told < timedelta(milliseconds=1)
    assert newest_event(store.location("t"), "other") is None


def test_a_partition_is_late_a_grace_after_its_end_and_over_when_it_is_there(store, alerts):
    project = shop(days=None, freshness="36h")
    materialize(project, store, 5)
    watcher = Watcher(project, store, alerts)
    assert grace_of(project.asset(ORDERS)) == "36h"

    watcher.now = at(7, 10)  # a day of January 6 has ended at 7, and is late at 7 and a half
    assert "late_partition" not in str(watcher.looks())
    assert watcher.open() == ["freshness of None in sources/orders"]
    watcher.looks()
    assert "late_partition of None in sources/orders" in watcher.open()
    found = watcher.finding(ORDERS, "late_partition")
    assert found.evidence == "partition 2024-01-06 is not there; the last of them ended 2024-01-07 00:00 UTC"
    assert (found.partition, found.since, found.compared_to) == (day(6), day(6), "there 36h after their end")

    at_noon(watcher, 9)
    found = watcher.finding(ORDERS, "late_partition")
    assert (found.partition, found.since, found.size) == (day(8), day(6), 3)
    assert found.evidence.startswith("3 partitions are not there, 2024-01-06 to 2024-01-08")
    materialize(project, store, 4, first=5)
    at_noon(watcher, 9)
    assert watcher.open() == []


def test_a_gap_is_late_and_a_partition_that_was_written_empty_is_there(store, alerts):
    rows = daily(10).filter(pl.col("at").dt.day() != 4)
    project = shop(rows, days=8)
    materialize(project, store, 3)
    materialize(project, store, 3, first=5)  # the 4th and 5th were never written
    watcher = Watcher(project, store, alerts)
    watcher.looks()
    found = watcher.finding(ORDERS, "late_partition")
    assert (found.since, found.partition) == (day(4), day(5))
    materialize(project, store, 5, first=3)
    watcher.looks(hours=24)
    assert day(4) not in partitions_with_rows(store.location(ORDERS))
    assert watcher.open() == []


def test_what_was_never_materialized_is_not_late(store, alerts):
    project = shop(days=None, freshness="1d")
    assert Watcher(project, store, alerts).looks() == []
    materialize(project, store, 5, only=ORDERS)
    watcher = Watcher(project, store, alerts)
    watcher.looks()
    assert all(each.endswith("in sources/orders") for each in watcher.open())


def test_the_grace_is_the_largest_of_an_asset_and_all_that_it_is_made_from():
    read = source(daily(), freshness="1d")
    view = spending(read, lateness="3h")
    assert grace_of(read) == grace_of(view) == "1d"
    assert grace_of(spending(read, lateness="2d")) == "2d"
    assert grace_of(spending(source(daily()), lateness=None)) is None


@given(st.integers(0, 30), st.integers(0, 24 * 40), st.sampled_from(["1d", "36h", None]))
@settings(max_examples=tries(60), deadline=None)
def test_partitions_are_due_as_the_rule_says(first, hours, freshness):
    project = shop(days=None, start=at(0), freshness=freshness)
    look = ProjectSnapshot(project, fp.OfflineStore("nothing"), at(0, hours), None)
    grace = {"1d": 24, "36h": 36, None: 24}[freshness]
    naive = {
        f"{at(number):%Y-%m-%d}" for number in range(first, 60) if 24 * (number + 1) + grace <= hours
    }  # fmt: skip
    assert _due_partitions(look, project.asset(ORDERS), [f"{at(first):%Y-%m-%d}", "not a key"]) == naive


@pytest.mark.parametrize("freshness", ["1d", "5d"])
def test_a_future_event_is_fresh(store, alerts, freshness):
    project = shop(orders(("ann", at(40), 1.0)), days=None, freshness=freshness)
    materialize(project, store, 41)
    watcher = Watcher(project, store, alerts)
    watcher.now = LATER
    assert "freshness of None in sources/orders" not in (watcher.looks(), watcher.open())[1]

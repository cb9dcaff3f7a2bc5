"""The order in which rows are read is not content; what changes by chance is told, once."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.alerting import AlertStore
from feature_platform.declarations.project import Project
from feature_platform.materialization import materialize_asset
from feature_platform.offline import CommitStamp
from feature_platform.publishing import UNREPEATABLE, Published
from feature_platform_tests.verbs.shop import at, daily, last_order, source, spending, spine
from feature_platform_tests.watching.words import Watcher, shop

ORDERS = "sources/orders"


class Reading:
    """Changes rows at each reading: a stand-in for a `prepare` that says the same and does another thing each time."""

    def __init__(self, change: Callable[[pl.LazyFrame, int], pl.LazyFrame]) -> None:
        self.change = change
        self.readings = 0


READING = Reading(lambda rows, _: rows)


def prepare(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Whatever the test says."""
    return changed(rows)


def changed(rows: pl.LazyFrame) -> pl.LazyFrame:
    READING.readings += 1
    return READING.change(rows, READING.readings)


@pytest.fixture
def reading() -> Reading:
    READING.readings = 0
    return READING


def shuffled(rows: pl.LazyFrame, reading: int) -> pl.LazyFrame:
    """Other order each time, as a join or group_by without `maintain_order` gives."""
    return rows.collect().sample(fraction=1.0, shuffle=True, seed=reading).lazy()


def louder(rows: pl.LazyFrame, reading: int) -> pl.LazyFrame:
    """Other values each time, as a sample without a seed gives."""
    return rows.with_columns(amount=pl.col("amount") + reading)


@pytest.mark.parametrize("partitioned", [True, False])
def test_rows_read_in_another_order_change_nothing_in_a_source_nor_below_it(
    store: fp.OfflineStore, reading: Reading, partitioned: bool
) -> None:
    reading.change = shuffled
    read = source(daily(40), prepare=prepare, partitioned=partitioned)
    views = [spending(read), last_order(read)]
    tables = [ORDERS, *(view.asset for view in views)]
    for view in views:
        fp.materialize(view, store)
    before = {name: store.latest_version(name) for name in tables}
    first = store.read(ORDERS).collect()
    for view in views:
        assert not any(each.commit and each.commit.changed for each in fp.materialize(view, store).values())
    assert {name: store.latest_version(name) for name in tables} == before
    assert store.read(ORDERS).collect().equals(first)


def test_the_order_of_a_training_set_is_content(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view, store)
    service = fp.FeatureService("v1", [view])
    asked = spine(("ann", at(3)), ("bob", at(4)))
    built = [
        fp.build_training_set(fp.TrainingSet("buying", service=service, spine=rows), store)
        for rows in (asked, asked.reverse(), asked.reverse())
    ]
    hashes = [each.manifest["content_hash"] for each in built]
    assert hashes[0] != hashes[1] == hashes[2]
    assert [each.rows.collect()["customer"].to_list() for each in built] == [["ann", "bob"], *[["bob", "ann"]] * 2]


def test_a_table_without_partitions_keeps_its_order_and_takes_the_same_rows_in_another_for_the_same(
    store: fp.OfflineStore,
) -> None:
    stamp, rows = CommitStamp("run", "t", "1"), daily()
    assert store.replace("t", rows, stamp=stamp).changed == ("",)
    assert store.replace("t", rows.reverse(), stamp=stamp).changed == ()
    assert store.read("t").collect().equals(rows)


def run(project: Project, store: fp.OfflineStore) -> Published:
    return materialize_asset(project.asset(ORDERS), store, (at(0), at(10)), project.partitions)


def test_other_rows_by_the_same_code_of_the_same_data_are_told_once_with_the_table(
    store: fp.OfflineStore, reading: Reading, tmp_path: Path
) -> None:
    reading.change = louder
    project = shop(prepare=prepare)
    watcher = Watcher(project, store, AlertStore(tmp_path / "alerts"))
    assert UNREPEATABLE not in run(project, store).candidate.notes
    assert "opened unrepeatable in sources/orders" not in watcher.looks()

    assert run(project, store).candidate.notes[UNREPEATABLE] == 10
    assert "opened unrepeatable in sources/orders" in watcher.looks()
    finding = watcher.finding(ORDERS, "unrepeatable")
    assert finding.severity == "warning"
    assert "version 1 holds other rows of 10 partitions (2024-01-01 first)" in finding.evidence
    run(project, store)
    assert watcher.looks() == []

    reading.change = lambda rows, _: rows
    mended = shop(prepare=lambda rows: rows.filter(pl.col("amount") >= 0))
    run(mended, store)
    assert watcher.looks(mended) == ["resolved unrepeatable in sources/orders"]


def test_corrected_data_and_changed_code_are_no_chance(store: fp.OfflineStore) -> None:
    for project in (shop(), shop(daily(10).with_columns(amount=pl.col("amount") + 1)), shop(prepare=louder_once)):
        assert UNREPEATABLE not in run(project, store).candidate.notes


def louder_once(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(amount=pl.col("amount") + 7)

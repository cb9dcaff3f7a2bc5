"""The order in which rows are read is not content; what changes by chance is told, once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.offline import CommitStamp
from feature_platform.parts.sources.files import OpenedFiles
from feature_platform.parts.sources.places import FileFacts
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform.pipelines.publishing import UNREPEATABLE
from feature_platform.pipelines.results import PublishResult
from feature_platform_tests.assets import table_asset
from feature_platform_tests.monitoring.watching.words import Watcher, shop
from feature_platform_tests.shop import at, daily, last_order, source, spending, spine

ORDERS = "sources/orders"


class Unchanging(fp.sources.Parquet):
    """A file that says it is the same whatever it holds: code that does another thing each time looks like that."""

    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        data = super().open_files(files, owner)
        units = [replace(unit, stamp="the same") for unit in data.units()]
        vars(data).update(fingerprint=lambda: "the same", units=lambda: units)
        return data


def read_from(folder: Path, **words: Any) -> fp.Source:
    """The orders, read from a file that a test writes again."""
    return fp.Source("orders", Unchanging(folder / "orders.parquet"), event_time="at", **words)


def deliver(folder: Path, rows: pl.DataFrame) -> None:
    """Write what the next reading finds."""
    rows.write_parquet(folder / "orders.parquet")


def shuffled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Other order each time, as a join or group_by without `maintain_order` gives."""
    return rows.sample(fraction=1.0, shuffle=True, seed=seed)


@pytest.mark.parametrize("partitioned", [True, False])
def test_rows_read_in_another_order_change_nothing_in_a_source_nor_below_it(
    store: fp.OfflineStore, tmp_path: Path, partitioned: bool
) -> None:
    read = read_from(tmp_path, partitioned=partitioned)
    views = [spending(read), last_order(read)]
    tables = [ORDERS, *(view.asset for view in views)]
    deliver(tmp_path, daily(40))
    for view in views:
        fp.materialize(view, store)
    before = {name: store.latest_version(name) for name in tables}
    first = store.read(ORDERS).collect()
    for seed in range(2):
        deliver(tmp_path, shuffled(daily(40), seed))
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


def shop_of(folder: Path, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None) -> Project:
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(10))
    module.last_order = last_order(read_from(folder, prepare=prepare))
    return project_of(module)


def run(project: Project, store: fp.OfflineStore) -> PublishResult:
    return materialize_asset(table_asset(project, ORDERS), store, (at(0), at(10)), project.partitions)


def doubled(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(amount=pl.col("amount") * 2)


def test_other_rows_by_the_same_code_of_the_same_data_are_told_once_with_the_table(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    project = shop_of(tmp_path)
    watcher = Watcher(project, store, AlertStore(tmp_path / "alerts"))
    deliver(tmp_path, daily(10))
    assert UNREPEATABLE not in run(project, store).candidate.notes
    assert "opened unrepeatable in sources/orders" not in watcher.looks()

    deliver(tmp_path, daily(10).with_columns(amount=pl.col("amount") + 1))
    assert run(project, store).candidate.notes[UNREPEATABLE] == 10
    assert "opened unrepeatable in sources/orders" in watcher.looks()
    finding = watcher.finding(ORDERS, "unrepeatable")
    assert finding.severity == "warning"
    assert "version 1 holds other rows of 10 partitions (2024-01-01 first)" in finding.evidence
    deliver(tmp_path, daily(10).with_columns(amount=pl.col("amount") + 2))
    run(project, store)
    assert watcher.looks() == []

    mended = shop_of(tmp_path, doubled)
    run(mended, store)
    assert watcher.looks(mended) == ["resolved unrepeatable in sources/orders"]


def test_corrected_data_and_changed_code_are_no_chance(store: fp.OfflineStore) -> None:
    more = daily(10).with_columns(amount=pl.col("amount") + 1)
    for project in (shop(), shop(more), shop(more, prepare=doubled)):
        assert UNREPEATABLE not in run(project, store).candidate.notes

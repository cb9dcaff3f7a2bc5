"""Refused and failed runs, and rows of strangers: told from records and logs, over when a good run was there."""

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

import feature_platform as fp
from feature_platform.ground.errors import TransformFailed
from feature_platform.offline import CommitStamp
from feature_platform_tests.assets import table_asset
from feature_platform_tests.monitoring.watching.words import Watcher, day, materialize, shop
from feature_platform_tests.shop import daily

ORDERS = "sources/orders"
RULES = [
    fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0),
    fp.Expect("expect_column_values_to_not_be_null", column="customer", severity="warning"),
]


def refused(store: fp.OfflineStore) -> None:
    with pytest.raises(fp.FeaturePlatformError, match="was not published"):
        _materialize(shop(daily(10).with_columns(amount=-pl.col("amount")), expectations=RULES), store)


def _materialize(project, store):
    from feature_platform.pipelines.materialization import materialize_asset
    from feature_platform_tests.shop import at

    materialize_asset(table_asset(project, ORDERS), store, (at(0), at(10)), project.partitions).raise_if_refused()


def failed(store: fp.OfflineStore) -> None:
    def broken(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", "at", amount=pl.col("nothing"))

    with pytest.raises((TransformFailed, fp.FeaturePlatformError)):
        _materialize(shop(prepare=broken), store)


def foreign(store: fp.OfflineStore, key: str, amount: float = 7.0) -> None:
    rows = store.read(ORDERS, partition_column=True).filter(pl.col("fp_partition") == key).collect()
    changed = rows.with_columns(amount=pl.lit(amount))
    write_deltalake(store.location(ORDERS).uri, changed, mode="overwrite", predicate=f"fp_partition = '{key}'")


def test_a_refused_run_is_critical_names_what_failed_and_is_over_after_a_good_one(watcher):
    refused(watcher.store)
    assert watcher.looks() == ["opened expectations in sources/orders"]

    found = watcher.finding(ORDERS, "expectations")
    assert found.severity == "critical"
    assert "expect_column_values_to_be_between on amount failed" in found.evidence
    assert "not_be_null" not in found.evidence
    assert "quarantine/sources/orders" in found.remedy
    assert watcher.looks() == []
    materialize(watcher.project, watcher.store, 10)
    assert watcher.looks() == ["resolved expectations in sources/orders"]


def test_a_failed_run_is_a_warning_with_its_error(watcher):
    failed(watcher.store)
    assert watcher.looks() == ["opened run in sources/orders"]
    found = watcher.finding(ORDERS, "run")
    assert (found.severity, found.owner) == ("warning", "team:shop")
    assert "failed: " in found.evidence
    assert "nothing" in found.evidence
    materialize(watcher.project, watcher.store, 10, only=ORDERS)
    assert watcher.looks() == ["resolved run in sources/orders"]


def test_of_several_runs_since_the_last_look_the_newest_counts(watcher):
    refused(watcher.store)
    materialize(watcher.project, watcher.store, 10, only=ORDERS)
    assert watcher.looks() == []
    assert watcher.open() == []
    failed(watcher.store)
    refused(watcher.store)
    assert watcher.looks() == ["opened expectations in sources/orders"]
    assert watcher.open() == ["expectations of None in sources/orders"]


def test_a_failed_run_does_not_end_what_a_refused_one_began_and_a_refused_one_ends_a_failure(watcher):
    refused(watcher.store)
    watcher.looks()
    failed(watcher.store)
    watcher.looks()
    assert watcher.open() == ["expectations of None in sources/orders", "run of None in sources/orders"]
    refused(watcher.store)
    watcher.looks()
    assert watcher.open() == ["expectations of None in sources/orders"]


def test_what_a_stranger_wrote_is_critical_until_the_platform_writes_it_again(watcher):
    foreign(watcher.store, day(3))
    assert watcher.looks() == ["opened foreign_write in sources/orders"]
    found = watcher.finding(ORDERS, "foreign_write")
    assert (found.partition, found.severity) == (day(3), "critical")
    assert found.evidence.startswith("version 1 (WRITE, ")
    assert watcher.looks() == []

    foreign(watcher.store, day(5))
    assert watcher.looks() == []  # the same trouble
    materialize(watcher.project, watcher.store, 1, first=4)  # the 5th alone
    assert watcher.looks() == []
    assert watcher.open() == ["foreign_write of None in sources/orders"]
    materialize(watcher.project, watcher.store, 10)
    assert watcher.looks() == ["resolved foreign_write in sources/orders"]


def test_a_rollback_ends_a_foreign_write_too(watcher):
    foreign(watcher.store, day(3))
    watcher.looks()
    watcher.store.rollback(ORDERS, 0, stamp=CommitStamp("undo", ORDERS, ""))
    assert watcher.looks() == ["resolved foreign_write in sources/orders"]


def test_a_foreign_vacuum_and_upkeep_are_no_foreign_writes(watcher):
    DeltaTable(watcher.store.location(ORDERS).uri).vacuum(0, dry_run=False, enforce_retention_duration=False)
    watcher.store.maintain(ORDERS)
    assert watcher.looks() == []
    assert watcher.open() == []


def test_runs_of_other_assets_say_nothing(watcher):
    from feature_platform.pipelines.publishing import Run

    with pytest.raises(ValueError, match="boom"), Run(watcher.store, "sources/theirs"):
        raise ValueError("boom")
    assert watcher.looks() == []
    assert watcher.open() == []


def test_a_table_that_somebody_else_made_is_foreign(store, alerts):
    project = shop()
    materialize(project, store, 10)
    watcher = Watcher(project, store, alerts)
    foreign(store, day(2))
    assert "opened foreign_write in sources/orders" in watcher.looks()


def test_published_rows_that_are_gone_are_critical_until_they_are_back_or_let_go(watcher):
    without = daily(10).filter(pl.col("at").dt.day() != 4)
    materialize(shop(), watcher.store, 10)
    watcher.looks()
    materialize(shop(without), watcher.store, 10, only=ORDERS)
    assert watcher.looks() == ["opened rows_gone in sources/orders"]
    found = watcher.finding(ORDERS, "rows_gone")
    assert found.severity == "critical"
    assert found.evidence == "2024-01-04: its data changed; 2 of 2 published rows are not there any more"
    assert "feature-platform confirm SOURCE FIRST LAST" in found.remedy

    materialize(shop(without), watcher.store, 1, first=9, only=ORDERS)  # another day: it still is so
    assert watcher.looks() == []
    materialize(shop(), watcher.store, 1, first=9, only=ORDERS)
    assert watcher.looks() == ["resolved rows_gone in sources/orders"]


def test_a_run_that_refuses_to_let_rows_go_is_critical(watcher):
    connector = fp.sources.Frame(daily(10).filter(pl.col("at").dt.day() != 4), gone="refuse")
    materialize(shop(), watcher.store, 10)
    watcher.looks()
    with pytest.raises(fp.FeaturePlatformError, match="published rows are not there any more"):
        materialize(shop(connector=connector), watcher.store, 10, only=ORDERS)
    assert watcher.looks() == ["opened rows_gone in sources/orders, and 1 more"]
    assert watcher.finding(ORDERS, "rows_gone").severity == "critical"

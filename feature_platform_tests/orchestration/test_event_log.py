"""Dagster's memory in SQLite, written to in batches: nothing is lost, and a range costs a handful of transactions."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from feature_platform.orchestration.event_log import BATCH_SIZE, BatchedEventLog

DAYS = 8
KEYS = [f"2024-01-{day:02}" for day in range(1, DAYS + 1)]
OURS = {"module": "feature_platform.orchestration.event_log", "class": "SqliteStorage"}
FIRST, SECOND = dg.AssetKey("first"), dg.AssetKey("second")


def two_assets(*, fails: bool = False) -> dg.Definitions:
    """Two partitioned assets with a check each, the second after the first."""
    settings: dict[str, Any] = {
        "partitions_def": dg.DailyPartitionsDefinition("2024-01-01"),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }

    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="first")], **settings)
    def first() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": 7}, check_results=[dg.AssetCheckResult(passed=True)])

    @dg.asset(deps=[first], check_specs=[dg.AssetCheckSpec("whole", asset="second")], **settings)
    def second() -> dg.MaterializeResult:
        if fails:
            raise ValueError("no")
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    return dg.Definitions(assets=[first, second])


@contextmanager
def instance_of(home: Path, *, ours: bool = True) -> Iterator[dg.DagsterInstance]:
    """An instance with a storage in SQLite at a folder: ours, or Dagster's own."""
    place = {"base_dir": str(home / "storage")}
    storage = {"custom": {**OURS, "config": place}} if ours else {"sqlite": place}
    home.mkdir(exist_ok=True)
    with dg.instance_for_test(temp_dir=str(home), overrides={"storage": storage}) as instance:
        yield instance


def ran(instance: dg.DagsterInstance, *, last: str = KEYS[-1], fails: bool = False) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": last}
    job = two_assets(fails=fails).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


@pytest.fixture(autouse=True)
def batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a storage sets in the environment is gone after the test."""
    monkeypatch.setenv(BATCH_SIZE, "1000")


def known(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the UI asks for about both assets, without ids and times."""
    log = instance.event_log_storage
    records = instance.fetch_materializations(FIRST, limit=500).records
    newest = instance.get_asset_records([SECOND])[0].asset_entry.last_materialization
    checks = log.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(FIRST, "whole")])
    [run] = instance.get_run_records()
    events = instance.all_logs(run.dagster_run.run_id)
    return {
        "partitions": [each.partition_key for each in records],
        "metadata": [each.asset_materialization.metadata for each in records if each.asset_materialization],
        "materialized": log.get_materialized_partitions(SECOND),
        "newest": newest.asset_materialization.partition if newest and newest.asset_materialization else None,
        "versions": log.get_latest_tags_by_partition(
            FIRST, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
        ).keys(),
        "checks": [each.status.value for each in checks.values()],
        "events": sorted(each.dagster_event_type.value for each in events if each.dagster_event_type),
        "run": run.dagster_run.status.value,
    }


def rows_of(home: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "storage" / "history" / "runs" / "index.db")) as index:
        return index.execute(query).fetchall()


def test_dagster_knows_the_same_of_a_range_as_from_its_own_storage(tmp_path: Path) -> None:
    with instance_of(tmp_path / "own", ours=False) as own, instance_of(tmp_path / "ours") as ours:
        assert ran(own).success
        assert ran(ours).success

        assert known(ours) == known(own)
        assert known(ours)["partitions"] == KEYS[::-1]


def commits(home: Path, last: str) -> int:
    """How many transactions a run up to a partition is."""
    written: list[Connection] = []

    def note(connection: Connection) -> None:
        written.append(connection)

    with instance_of(home) as instance:
        event.listen(Engine, "commit", note)
        try:
            assert ran(instance, last=last).success
        finally:
            event.remove(Engine, "commit", note)
    return len(written)


def test_a_longer_range_is_no_more_transactions(tmp_path: Path) -> None:
    assert commits(tmp_path / "long", KEYS[-1]) == commits(tmp_path / "short", KEYS[1])


@pytest.mark.parametrize("size", ["0", "1000"])
def test_a_check_of_a_range_is_planned_once_and_answered_with_and_without_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setenv(BATCH_SIZE, size)
    with instance_of(tmp_path / "ours") as instance:
        ran(instance)
        assert known(instance)["partitions"] == KEYS[::-1]

    found = rows_of(tmp_path / "ours", "SELECT check_name, partition, execution_status FROM asset_check_executions")

    assert found == [("whole", None, "SUCCEEDED")] * 2


def test_the_partitions_of_a_failed_range_are_known_one_by_one(tmp_path: Path) -> None:
    with instance_of(tmp_path / "ours") as instance:
        assert not ran(instance, fails=True).success
        failed = instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations
        assert sorted(failed(SECOND)) == KEYS
        assert not failed(FIRST)


def test_what_dagsters_own_storage_wrote_is_there_and_is_added_to(tmp_path: Path) -> None:
    with instance_of(tmp_path / "home", ours=False) as own:
        ran(own)
        before = known(own)
    with instance_of(tmp_path / "home") as ours:
        assert known(ours) == before
        ran(ours)
        assert len(ours.fetch_materializations(FIRST, limit=500).records) == 2 * DAYS


def test_the_project_keeps_dagsters_memory_in_this_storage_with_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BATCH_SIZE)
    settings = (Path(__file__).parents[2] / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(settings.replace(".dagster/", f"{tmp_path}/.dagster/"))

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, BatchedEventLog)

    assert int(os.environ[BATCH_SIZE]) >= DAYS

"""Monitoring as Dagster assets: what people see of it, and that it says nothing of what is not there."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

import feature_platform as fp
from feature_platform.declarations.project import project_of
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop
from feature_platform_tests.readings import FIRST, day_key, planted, project, published, readings

DAYS = 16
KEY = dg.AssetKey(["monitoring", "sources", "readings"])
SOURCE, MONITORING = 'key:"sources/readings"', 'key:"monitoring/sources/readings"'


def module(frame: pl.DataFrame) -> ModuleType:
    """The project of readings as a module."""
    made: Any = ModuleType("plant")
    found = project(frame, fp.Monitor(reference="21d"), days=DAYS)
    made.partitions, made.readings = found.partitions, found.assets[0]
    return made


def thousandfold(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(level=pl.col("level") * 1000)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def told(bench: Bench) -> dict[str, dict[str, Any]]:
    """The newest metadata of each partition of the monitoring asset."""
    found: dict[str, dict[str, Any]] = {}
    for record in bench.instance.fetch_materializations(KEY, limit=500).records:
        if record.asset_materialization:
            values = {name: each.value for name, each in record.asset_materialization.metadata.items()}
            found.setdefault(str(record.partition_key), values)
    return found


def latest(bench: Bench, keys: Sequence[dg.AssetCheckKey]) -> dict[dg.AssetCheckKey, tuple[str, str]]:
    """What the page of each check shows: the status of its newest record, and the description."""
    records = bench.instance.event_log_storage.get_latest_asset_check_execution_by_key([*keys])
    context = LoadingContextForTest(bench.instance)
    statuses = {key: asyncio.run(each.resolve_status(context)).value for key, each in records.items()}
    said = {key: each.evaluation for key, each in records.items()}
    return {key: (status, getattr(said[key], "description", "") or "") for key, status in statuses.items()}


def test_a_refused_row_leaves_no_monitoring_check_of_its_run_execution_failed(bench: Bench) -> None:
    bad = shop(orders().with_columns(amount=pl.when(pl.col("customer") == "bob").then(-1.0).otherwise("amount")))

    result = bench.run(bad, "2024-03-01")

    keys = bench.definitions(bad).resolve_asset_graph().asset_check_keys
    shown = latest(bench, [each for each in keys if each.asset_key.path[0] == "monitoring"])
    assert {key.asset_key.path[-1] for key in shown} == {"orders", "spending", "last_order"}
    why = "Not judged: sources/orders was refused, so this run commits nothing new to judge."
    assert {(status, said.replace("\\", "")) for status, said in shown.values()} == {("SUCCEEDED", why)}
    assert not result.success  # and nothing is computed from what was refused
    assert {each.step_key for each in result.all_events if each.is_step_start} == {
        "maintenance__offline_store",
        "sources__orders",
    }


def test_a_fault_is_seen_in_checks_numbers_and_pictures_in_every_partition_and_a_run_tells_nobody(bench: Bench) -> None:
    middle = DAYS - 6
    bad = module(planted(planted(readings(DAYS), middle, thousandfold), DAYS - 1, thousandfold))
    bench.run(bad, day_key(0), day_key(DAYS - 1), select=SOURCE)

    result = bench.run(bad, day_key(0), day_key(DAYS - 1), select=MONITORING)

    assert result.success
    outcome = checks(result)
    assert {name for name, passed in outcome.items() if not passed} == {"no_drift", "watch_unit"}
    assert all(not each.blocking for each in result.get_asset_check_evaluations())
    partitions = told(bench)
    assert set(partitions) == {day_key(day) for day in range(DAYS)}
    newest, before = partitions[day_key(DAYS - 1)], partitions[day_key(DAYS - 2)]
    assert (newest["columns_drifted"], before["columns_drifted"]) == (1, 0)
    assert "data:image/svg+xml;base64," in str(newest["drift"])
    assert "level" in str(newest["summary"])
    assert "drift" not in before
    unit = next(each for each in result.get_asset_check_evaluations() if each.check_name == "watch_unit")
    assert str(unit.description).startswith(f"2 of {DAYS} partitions; the worst is ")
    assert all(key in str(unit.metadata["failing"].value) for key in (day_key(middle), day_key(DAYS - 1)))
    graph = bench.definitions(bad).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(bench.instance, graph, LoadingContextForTest(bench.instance))
    assert {resolver.get_status(KEY, day_key(day)) for day in (0, middle, DAYS - 1)} == {StaleStatus.FRESH}
    assert not (bench.root / "alerts").exists()


def test_what_is_not_committed_is_told_as_not_judged_so_that_no_backfill_fails(bench: Bench) -> None:
    good = module(readings(DAYS))
    before = bench.run(good, day_key(4), day_key(9), select=MONITORING)  # there is no table yet
    bench.run(good, day_key(0), day_key(5), select=SOURCE)

    result = bench.run(good, day_key(4), day_key(9), select=MONITORING)

    assert before.success
    assert result.success
    judged = {key: values["partitions_judged"] for key, values in told(bench).items()}
    assert judged == {day_key(day): int(day <= 5) for day in range(4, 10)}
    assert {each.description for each in before.get_asset_check_evaluations()} == {"insufficient data"}
    assert len(checks(before)) == len(checks(result))
    assert all(checks(result).values())


def test_the_profile_of_what_was_written_is_beside_its_numbers(bench: Bench) -> None:
    good = module(readings(3))
    bench.run(good, day_key(0), day_key(2), select=SOURCE)

    records = bench.instance.fetch_materializations(dg.AssetKey(["sources", "readings"]), limit=10).records
    shown = {
        str(each.partition_key): each.asset_materialization.metadata
        for each in reversed(records)  # the newest of a partition last
        if each.asset_materialization
    }

    assert FIRST.date().isoformat() in shown
    assert "data:image/svg+xml;base64," in str(shown[day_key(2)]["profile"].value)
    assert shown[day_key(2)]["null_share"].value == 0.0


def test_a_refused_run_says_again_what_is_known_so_that_a_failed_check_stays_failed(bench: Bench) -> None:
    last = day_key(DAYS - 1)
    known = ruled(planted(readings(DAYS), DAYS - 1, thousandfold))
    found = project_of(known)
    published(bench.store, found)
    monitor_asset(found.assets[0], found, bench.store, [last])
    version = bench.store.latest_version("monitoring/sources/readings")
    bad = ruled(planted(readings(DAYS), DAYS - 1, lambda frame: frame.with_columns(level=pl.lit(-1e9))))

    result = bench.run(bad, last, select=f"{SOURCE} or {MONITORING}")

    assert not result.success
    watch = next(each for each in result.get_asset_check_evaluations() if each.check_name == "watch_unit")
    assert not watch.passed
    assert "Known from before:" in str(watch.description)
    assert "level" in str(watch.description)
    assert bench.store.latest_version("monitoring/sources/readings") == version


def ruled(frame: pl.DataFrame) -> ModuleType:
    """The project of readings, which are refused when they are far below zero."""
    made: Any = ModuleType("plant")
    rule = fp.Expect("expect_column_values_to_be_between", column="level", min_value=-1e6)
    made.partitions = fp.Partitions("daily", start=FIRST, end=FIRST + timedelta(days=DAYS))
    made.readings = fp.Source("readings", fp.sources.Frame(frame), event_time="at", expectations=[rule])
    return made

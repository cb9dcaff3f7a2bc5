"""Monitoring as Dagster assets: what people see of it, and that it says nothing of what is not there."""

from types import ModuleType

import dagster as dg
import polars as pl

import feature_platform as fp
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.verbs.readings import FIRST, day_key, planted, project, readings

DAYS = 24
KEY = dg.AssetKey(["monitoring", "sources", "readings"])
SOURCE, MONITORING = 'key:"sources/readings"', 'key:"monitoring/sources/readings"'


def module(frame: pl.DataFrame) -> ModuleType:
    """The project of readings as a module."""
    made = ModuleType("plant")
    found = project(frame, fp.Monitor(reference="21d"), days=DAYS)
    made.partitions, made.readings = found.partitions, found.assets[0]
    return made


def thousandfold(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(level=pl.col("level") * 1000)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def told(bench: Bench) -> dict[str, dict[str, object]]:
    """The newest metadata of each partition of the monitoring asset."""
    found: dict[str, dict[str, object]] = {}
    for record in bench.instance.fetch_materializations(KEY, limit=500).records:
        if record.asset_materialization:
            values = {name: each.value for name, each in record.asset_materialization.metadata.items()}
            found.setdefault(str(record.partition_key), values)
    return found


def test_a_fault_is_seen_in_checks_numbers_and_pictures(bench: Bench) -> None:
    bad = module(planted(readings(DAYS), DAYS - 1, thousandfold))
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


def test_what_is_not_committed_is_not_said_to_be_judged(bench: Bench) -> None:
    good = module(readings(DAYS))
    bench.run(good, day_key(0), day_key(5), select=SOURCE)

    result = bench.run(good, day_key(4), day_key(9), select=MONITORING)

    assert result.success
    assert set(told(bench)) == {day_key(4), day_key(5)}
    assert all(checks(result).values())


def test_nothing_is_told_to_anybody_by_a_run(bench: Bench) -> None:
    bad = module(planted(readings(DAYS), DAYS - 1, thousandfold))
    bench.run(bad, day_key(0), day_key(DAYS - 1), select=SOURCE)

    bench.run(bad, day_key(0), day_key(DAYS - 1), select=MONITORING)

    assert not (bench.root / "alerts").exists()


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

"""Facts about Dagster that the platform is built on; a failure here says that an update changed one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

KEYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
PARTITIONED: dict[str, Any] = {
    "partitions_def": dg.DailyPartitionsDefinition("2024-01-01"),
    "backfill_policy": dg.BackfillPolicy.single_run(),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster").mkdir()
    return tmp_path / "dagster"


def ran(home: Path, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """Run the assets for a range of three partitions."""
    job = dg.Definitions(assets=[*assets]).resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        return job.execute_in_process(instance=instance, tags=tags)


def test_a_result_that_says_its_step_tells_its_events_makes_none_and_lets_what_is_behind_it_run(home: Path) -> None:
    @dg.asset(output_required=False, **PARTITIONED)
    def silent() -> Iterator[dg.MaterializeResult]:
        yield dg.MaterializeResult(metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})

    @dg.asset(deps=[silent], **PARTITIONED)
    def behind() -> None:
        """Nothing."""

    result = ran(home, silent, behind)

    assert result.asset_materializations_for_node("silent") == []
    assert [each.partition for each in result.asset_materializations_for_node("behind")] == KEYS


def test_a_range_plans_a_check_for_each_partition_and_answers_none_of_them(home: Path) -> None:
    """When this fails, `BatchedEventLog` need not plan checks by itself any more."""

    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="checked")], **PARTITIONED)
    def checked() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    ran(home, checked)

    [index] = home.rglob("index.db")
    with closing(sqlite3.connect(index)) as log:
        rows = log.execute("SELECT partition, execution_status FROM asset_check_executions ORDER BY id").fetchall()
    assert rows == [*((key, "PLANNED") for key in KEYS), (None, "SUCCEEDED")]

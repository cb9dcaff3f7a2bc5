"""The native commands of the README, in processes of their own, on the reference project."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform_tests.databases import Server

ROOT = Path(__file__).parents[2]
MODULE = ("-m", "feature_platform.definitions")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Stores and Dagster's memory in a folder of the test."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    places = {"DAGSTER_HOME": str(tmp_path / "home"), "FEATURE_PLATFORM_ROOT": str(tmp_path / "store")}
    return {**os.environ, **places, "PYTHONWARNINGS": "ignore"}


def dagster(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dagster", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_asset_list_names_every_asset(environment: dict[str, str]) -> None:
    done = dagster(environment, "asset", "list", *MODULE)

    assert done.returncode == 0, done.stderr
    assert {"sources/flights", "views/carrier_delays", "labels/arrived_late", "training_sets/delay_training"} <= set(
        done.stdout.split()
    )


@pytest.mark.slow
def test_definitions_validate_reads_the_workspace_file(environment: dict[str, str]) -> None:
    done = dagster(environment, "definitions", "validate", "-w", "workspace.yaml")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("which", "partitions"),
    [
        pytest.param(("--partition", "2013-02-01"), ["2013-02-01"], marks=pytest.mark.slow),
        (("--partition-range", "2013-02-01...2013-03-01"), ["2013-02-01", "2013-03-01"]),
    ],
)
def test_asset_materialize_runs_one_partition_and_a_range_with_unpartitioned_assets_beside_it(
    environment: dict[str, str], tmp_path: Path, which: tuple[str, str], partitions: list[str]
) -> None:
    weather = 'key:"sources/weather" or key:"views/origin_weather"'
    planes = 'key:"sources/planes" or key:"views/aircraft"'
    chosen = weather if len(partitions) == 1 else f"{weather} or {planes}"

    done = dagster(environment, "asset", "materialize", "--select", chosen, *which, *MODULE)

    assert done.returncode == 0, done.stderr + done.stdout
    store = fp.OfflineStore(tmp_path / "store")
    assert sorted(store.partition_states("views/origin_weather")) == partitions
    if chosen != weather:
        assert store.read("views/aircraft").collect().height == 3322


@pytest.mark.slow
def test_a_partition_outside_the_range_is_refused_and_nothing_is_written(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("--select", 'key:"sources/weather"', "--partition", "2031-01-01")

    done = dagster(environment, "asset", "materialize", *words, *MODULE)

    assert done.returncode != 0
    assert "2031-01-01" in done.stderr + done.stdout
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_four_commands_at_once_share_a_dagster_storage_in_postgres(
    environment: dict[str, str], tmp_path: Path, postgres: Server
) -> None:
    (tmp_path / "home" / "dagster.yaml").write_text(
        "telemetry:\n  enabled: false\nstorage:\n  postgres:\n    postgres_url:\n      env: DAGSTER_POSTGRES_URL\n"
    )
    postgres.run("CREATE DATABASE dagster")
    url = postgres.url.replace("postgresql://", "postgresql+psycopg2://").replace("/postgres?", "/dagster?")
    shared = {**environment, "DAGSTER_POSTGRES_URL": url}
    months = [f"2013-0{month}-01" for month in range(2, 6)]
    chosen = ("--select", 'key:"sources/weather" or key:"views/origin_weather"')

    def run(month: str) -> subprocess.CompletedProcess[str]:
        return dagster(shared, "asset", "materialize", *chosen, "--partition", month, *MODULE)

    with ThreadPoolExecutor(len(months)) as commands:
        done = list(commands.map(run, months))

    assert [each.returncode for each in done] == [0] * 4, "".join(each.stderr[-2000:] for each in done)
    assert sorted(fp.OfflineStore(tmp_path / "store").partition_states("views/origin_weather")) == months
    count = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    [(events,)] = _of_database(postgres, "dagster").run(count)
    assert events == 2 * len(months)


def _of_database(server: Server, name: str) -> Server:
    return Server(server.url.replace("/postgres?", f"/{name}?"), server.guarded_url, server.folder)

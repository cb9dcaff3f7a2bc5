"""`make demo`, as a stranger runs it: everything once, nothing the second time, and served both times."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.examples.flights.project import delay_training

DEPARTURES = 336_776


def demo(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    places = {"FEATURE_PLATFORM_ROOT": str(tmp_path / "store"), "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "feature_platform.cli", "demo"]
    return subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What it printed, without the breaks of its lines."""
    return " ".join(done.stdout.split())


@pytest.mark.slow
def test_the_demo_computes_everything_once_and_nothing_twice(tmp_path: Path) -> None:
    first, second = demo(tmp_path), demo(tmp_path)

    assert first.returncode == 0, first.stdout + first.stderr
    assert "Computed 19 assets, published 10 online." in first.stdout
    for done in (first, second):
        assert " values of delay_v1 compared for real keys, all equal" in said(done)
        assert "100 values over HTTP, the same as offline; Feast's endpoint says the same." in said(done)
        assert said(done).count("p99") == 2
        assert "New [critical]: unit of distance in sources/flights" in done.stdout
        assert "drift of distance" in done.stdout
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Nothing to recompute" in second.stdout
    store = fp.OfflineStore(tmp_path / "store")
    assert store.read("monitoring/sources/flights").select("partition").unique().collect().height == 12
    logs = ("runs", "profiles/", "layouts/")  # grow with every run, or with what monitoring looks at
    assert {store.latest_version(name) for name in store.tables() if not name.startswith(logs)} == {0}
    rows = store.read("training_sets/delay_training")
    spine = store.read("sources/departures")
    assert rows.select(pl.len()).collect().item() == DEPARTURES
    assert rows.select("flight_id").collect().equals(spine.select("flight_id").collect())
    built = fp.build_training_set(delay_training, store)
    assert built.published.commit is not None
    assert (built.published.commit.version, built.published.commit.changed) == (0, ())

"""`make demo-retail`, as a stranger runs it: everything once, nothing the second time, and served both times."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp

ROWS = {
    "sources/purchases": 1_468_773,
    "sources/visits": 155_762,
    "sources/products": 92_331,
    "sources/promotions": 5_068_208,
    "sources/campaigns": 6_589,
    "sources/redemptions": 2_102,
    "sources/demographics": 801,
    "spines/weekly": 114_598,
    "views/members": 801,
    "training_sets/spending_training": 80_741,
}


def demo(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    places = {"FEATURE_PLATFORM_ROOT": str(tmp_path / "store"), "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "feature_platform.cli", "demo", "retail"]
    return subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What it printed, without the breaks of its lines."""
    return " ".join(done.stdout.split())


@pytest.mark.slow
def test_the_second_demo_computes_everything_once_and_nothing_twice(tmp_path: Path) -> None:
    first, second = demo(tmp_path), demo(tmp_path)

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Computed 15 assets, published 6 online." in said(first)
    assert "Nothing to recompute" in said(second)
    for done in (first, second):
        assert said(done).count(" compared for real keys, all equal") == 2
        assert "104 values over HTTP, the same as offline; Feast's endpoint says the same." in said(done)
        assert "train 41,381" in said(done)
        assert "again: made again from its source: 5.98, the same" in said(done)
    store = fp.OfflineStore(tmp_path / "store")
    found = {name: store.read(name).select(pl.len()).collect().item() for name in ROWS}
    assert found == ROWS
    logs = ("runs", "profiles/", "layouts/")  # grow with every run
    assert {store.latest_version(name) for name in store.tables() if not name.startswith(logs)} == {0}

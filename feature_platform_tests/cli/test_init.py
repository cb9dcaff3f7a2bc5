"""From an empty folder to a feature that is served, and projects made from files of one's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from feature_platform_tests.cli.test_cli import refused, said
from feature_platform_tests.server.process import Process


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATURE_PLATFORM_ROOT", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("definitions", "shop"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in set(sys.modules) - before:
        if name in ("definitions", "shop"):
            del sys.modules[name]


def test_five_commands_lead_from_an_empty_folder_to_a_feature_that_is_served(tmp_path: Path) -> None:
    shown = said("init", "shop").stdout
    assert "`at` is taken for the time, `customer` for the key, and `amount` a number to add up" in shown
    os.chdir(tmp_path / "shop")
    assert "training_sets/next_day: " in said("materialize").stdout
    assert "activity: built, 4 entries written" in said("publish").stdout

    command = [sys.executable, "-c", "from feature_platform.cli.app import app; app()", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            last = next((line for line in server.stdout if line.startswith("Try: ")), "")
            port = int(last.rsplit(":", 1)[1].split("/")[0])
            asked = {"service": "recent", "entities": [{"customer": "ann"}]}
            status, answer = Process(server, port, []).ask("/v1/features", asked)
        finally:
            server.terminate()

    assert status == 200
    assert answer["rows"][0]["statuses"] == ["PRESENT"] * 3
    assert answer["rows"][0]["values"][2] > 0


def test_the_project_is_checked_and_its_own_test_passes(tmp_path: Path) -> None:
    said("init", "shop")
    os.chdir(tmp_path / "shop")
    assert said("check").stdout == "shop: 4 assets and 2 expectations are fine.\n"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TIMES = [NOON + timedelta(hours=7 * n) for n in range(12)]
FILES: dict[str, dict[str, list[Any]]] = {
    "spaces.csv": {
        "Invoice Date": [f"{t:%Y-%m-%d %H:%M}" for t in TIMES], "Customer ID": [7, 8, 9] * 4, "Unit Price": [1.5] * 12
    },
    "dates.csv": {"day": [f"{t:%Y-%m-%d}" for t in TIMES], "shop": ["a", "b"] * 6},
    "naive.parquet": {"user_id": ["a", "b"] * 6, "at": [t.replace(tzinfo=None) for t in TIMES], "n": list(range(12))},
    "zoned.parquet": {"class": ["a", "b"] * 6, "at": TIMES, "x": [0.5] * 12},
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_project_is_made_from_a_file_of_ones_own(name: str, tmp_path: Path) -> None:
    rows = pl.DataFrame(FILES[name])
    rows.write_csv(name) if name.endswith("csv") else rows.write_parquet(name)

    assert "is a project now" in said("init", "shop", "--from", name).stdout
    os.chdir(tmp_path / "shop")
    lines = said("materialize").stdout.splitlines()

    assert lines[0].startswith("sources/events: 12 rows in 4 partitions, 2024-05-01 to 2024-05-04"), lines
    final = 8 if name == "spaces.csv" else 6  # rows of each customer at each midnight but the last
    assert lines[-1] == f"training_sets/next_day: {final} rows"


def test_a_file_of_one_day_makes_a_project_whose_labels_are_not_final_yet(tmp_path: Path) -> None:
    Path("one.csv").write_text("at,customer\n2024-05-01T10:00:00Z,ann\n")
    said("init", "shop", "--from", "one.csv")
    os.chdir(tmp_path / "shop")
    assert said("materialize").stdout.splitlines()[-1] == "training_sets/next_day: 1 rows"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no_time.csv", "customer,amount\nann,1\n", "no column that is a time among customer, amount"),
        ("no_key.csv", "at,amount\n2024-05-01,1.5\n", "no column of text or whole numbers beside `at`"),
        ("orders.txt", "x", "is not a CSV or Parquet file"),
        ("broken.parquet", "x", "cannot be read"),
        ("none.csv", None, "is not a CSV or Parquet file"),
    ],
)
def test_a_file_that_says_too_little_is_refused_and_nothing_is_made(
    name: str, content: str | None, words: str, tmp_path: Path
) -> None:
    if content is not None:
        Path(name).write_text(content)
    assert words in refused("init", "shop", "--from", name)
    assert not (tmp_path / "shop").exists()


def test_a_folder_with_files_and_a_name_that_is_no_module_are_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    assert "exists and is not empty" in refused("init", "shop")
    assert "cannot be a module" in refused("init", "my-shop")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["shop"]


def test_the_version_is_told() -> None:
    assert said("--version").stdout.startswith("feature-platform 0.")

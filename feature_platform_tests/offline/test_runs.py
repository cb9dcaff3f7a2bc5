"""Every run leaves one row, with what it ran in and what it cost."""

import json
import mmap
import subprocess
from pathlib import Path

import pytest

from feature_platform.offline import OfflineStore
from feature_platform.offline.environment import describe_environment, measure_cost
from feature_platform.offline.opened import OpenedTable
from feature_platform.offline.runs import RunRecord, record_run


def test_a_run_is_one_row_that_reads_back(store: OfflineStore) -> None:
    with measure_cost() as cost:
        pass
    record = RunRecord(
        "run-1", "views/delays", "1", "published", describe_environment(), cost,
        partitions=("2013-01-01", "2013-01-02"), version=4, rows_in=10, rows_out=7,
        inputs_declared={"sources/flights": 3}, inputs_opened=[OpenedTable("file:///x/", 2)], config={"ttl": "3d"},
    )  # fmt: skip
    record_run(store, record)
    record_run(store, RunRecord("run-2", "views/delays", "1", "failed", describe_environment(), cost, error="boom"))
    first, second = store.read("runs").sort("run_id").collect().to_dicts()
    assert (first["partitions"], first["version"], first["rows_out"]) == (["2013-01-01", "2013-01-02"], 4, 7)
    assert first["inputs_declared"] == [{"table": "sources/flights", "version": 3}]
    assert first["inputs_opened"] == [{"table": "file:///x/", "version": 2}]
    assert json.loads(first["config"]) == {"ttl": "3d"}
    assert first["started_at"] == cost.started_at
    assert (second["outcome"], second["error"], second["rows_in"]) == ("failed", "boom", None)


def test_the_environment_of_a_folder_without_git_is_null(tmp_path: Path) -> None:
    found = describe_environment(tmp_path)
    assert (found.git_commit, found.git_dirty, found.lock_hash) == (None, None, None)


def test_the_environment_names_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    (tmp_path / "uv.lock").write_text("locked")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "clean").mkdir()
    clean = describe_environment(tmp_path / "clean")
    (tmp_path / "uv.lock").write_text("changed")
    dirty = describe_environment(tmp_path)
    assert (clean.git_commit, clean.git_dirty) == (git("rev-parse", "HEAD"), False)
    assert (dirty.git_commit, dirty.git_dirty) == (clean.git_commit, True)
    assert clean.lock_hash is not None
    assert clean.lock_hash != dirty.lock_hash


def test_the_peak_of_a_block_is_its_own_where_the_kernel_allows() -> None:
    with measure_cost() as big, mmap.mmap(-1, 2**28) as memory:
        for page in range(0, 2**28, mmap.PAGESIZE):
            memory[page] = 1
    with measure_cost() as small:
        pass
    assert big.peak_memory_mb > 2**8
    assert small.peak_memory_mb < big.peak_memory_mb - 100 or not small.peak_is_of_block


def test_a_block_that_fails_is_measured_too() -> None:
    with pytest.raises(ValueError, match="boom"), measure_cost() as cost:
        raise ValueError("boom")
    assert cost.peak_memory_mb > 0

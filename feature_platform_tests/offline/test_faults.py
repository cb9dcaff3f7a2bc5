"""Killed, starved and racing writers: a reader sees a whole old or a whole new version, never a mixture."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.ground.errors import TableNotFound
from feature_platform.offline import OfflineStore
from feature_platform_tests.effort import repetitions
from feature_platform_tests.offline import writer
from feature_platform_tests.offline.writer import PARTS, ROWS
from feature_platform_tests.racing import await_ready, start_together

ROOT = Path(fp.__file__).parents[1]


def started(task: str, root: Path, tag: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "feature_platform_tests.offline.writer", task, str(root), str(tag)]
    return subprocess.Popen(
        words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@contextmanager
def running(task: str, root: Path, *tags: int) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [started(task, root, tag) for tag in tags]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def the_tag(store: OfflineStore) -> int | None:
    """The one tag of the newest version, whose every row is there; `None` before the first version."""
    try:
        frame = store.read("views/tags").collect()
    except TableNotFound:
        return None
    tags = frame["tag"].unique().to_list()
    assert len(tags) == 1, f"a mixture of {tags}"
    assert frame["key"].value_counts().sort("key").rows() == [(part, ROWS) for part in PARTS]
    return int(tags[0])


def test_a_killed_writer_leaves_a_whole_version(tmp_path: Path) -> None:
    """Reads go on while the writer works; it is killed at any moment, its very first commit too."""
    store, chance = OfflineStore(tmp_path), random.Random(20130101)
    for kills in repetitions(20, until=lambda: store.exists("views/tags")):
        with running("forever", tmp_path, kills * 1000) as (process,):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            moment = time.monotonic() + chance.uniform(0.0, 0.05 * kills)
            while time.monotonic() < moment:
                the_tag(store)
            process.kill()
            promised = [int(line) for line in process.stdout if line.endswith("\n")]
        found = the_tag(store)
        if promised:
            assert found in (promised[-1], promised[-1] + 1)
        elif found is not None:
            assert found <= kills * 1000
    assert writer.write(store, 7).changed == PARTS
    assert the_tag(store) == 7
    assert not store.history("views/tags")["foreign"].any()


def test_a_full_disk_publishes_nothing_and_leaves_the_last_version(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    writer.write(store, 1)
    with running("starved", tmp_path, 2) as (process,):
        said, _ = process.communicate(timeout=300)
    assert said.startswith("WriteFailed `views/tags` could not be written")
    assert "File too large" in said
    assert the_tag(store) == 1
    assert store.latest_version("views/tags") == 0
    assert writer.write(store, 2).changed == PARTS


def raced(task: str, root: Path) -> list[str]:
    with running(task, root, 1000, 2000, 3000, 4000) as processes:
        await_ready(processes)
        start_together(processes)
        return [line for process in processes for line in process.communicate(timeout=300)[0].splitlines()]


@pytest.mark.parametrize("task", ["racing", "whole"])
def test_of_four_writers_of_the_same_rows_each_wins_whole_or_says_so(tmp_path: Path, task: str) -> None:
    said = raced(task, tmp_path)
    store = OfflineStore(tmp_path)
    assert {line.split()[0] for line in said} <= {"ok", "CommitConflict"}, said
    assert len(said) == 16
    assert the_tag(store) in {tag + number for tag in (1000, 2000, 3000, 4000) for number in range(4)}
    commits = store.history("views/tags")
    assert commits.height == said.count("ok")
    for version in commits["version"]:
        assert store.read("views/tags", version=version).collect()["tag"].n_unique() == 1


def test_of_writers_who_create_a_table_at_once_each_wins_whole(tmp_path: Path) -> None:
    for number in range(8):
        store, barrier = OfflineStore(tmp_path / str(number)), threading.Barrier(4)

        def write(tag: int, store: OfflineStore = store, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            writer.write(store, tag)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        assert the_tag(store) in range(4)
        assert store.latest_version("views/tags") == 3


def test_four_writers_of_partitions_of_their_own_all_succeed(tmp_path: Path) -> None:
    said = raced("apart", tmp_path)
    frame = OfflineStore(tmp_path).read("views/tags").collect()
    assert said == ["ok"] * 16
    expected = [(f"own{tag}", tag + 3, ROWS) for tag in (1000, 2000, 3000, 4000)]
    assert frame.group_by("key", "tag").len().sort("key").rows() == expected


def test_a_table_deleted_under_an_open_scan_is_an_error_not_an_empty_answer(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    writer.write(store, 1)
    scan = store.read("views/tags")
    for path in sorted((tmp_path / "offline").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError):
        scan.collect()
    with pytest.raises(TableNotFound):
        store.read("views/tags")

"""Materializing while processes die, disks fill and others write: readers see whole contents only."""

import random
import subprocess
import sys
from pathlib import Path

import polars as pl
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform_tests.effort import repetitions
from feature_platform_tests.pipelines import writer
from feature_platform_tests.racing import await_ready, start_together
from feature_platform_tests.shop import at, daily, source, spending, spine, told

ROOT = Path(fp.__file__).parents[1]


def started(task: str, root: str, tag: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "feature_platform_tests.pipelines.writer", task, root, str(tag)]
    return subprocess.Popen(
        words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def amounts(store: fp.OfflineStore) -> tuple[set[float], set[float]]:
    """The amounts that source and view hold; one each when both are whole."""
    orders = store.read("sources/orders").collect()
    spent = store.read("views/spending").filter(pl.col("customer").is_not_null()).collect()
    assert (orders.height, spent.height) == (2 * writer.DAYS, 2 * writer.DAYS)
    return set(orders["amount"]), set(spent["amount_sum_1d"])


def test_a_killed_run_leaves_whole_contents(store: fp.OfflineStore) -> None:
    chance, finished, tag = random.Random(1), 0, 1
    writer.write(store, 0)
    for _ in repetitions(12):
        with started("forever", str(store.root), tag) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(timeout=chance.uniform(0.0, 1.0))
            except subprocess.TimeoutExpired:
                process.kill()
            finished = max([finished, *map(int, process.stdout.read().split())])
        in_source, in_view = amounts(store)
        assert len(in_source) == len(in_view) == 1
        assert finished <= max(in_view) <= max(in_source)
        tag = int(max(in_source)) + 1
    writer.write(store, 10_000)
    assert amounts(store) == ({10_000.0}, {10_000.0})


def test_a_full_disk_stops_the_run_and_the_last_version_stays(store: fp.OfflineStore) -> None:
    writer.write(store, 1)
    with started("starved", str(store.root), 2) as process:
        said, _ = process.communicate(timeout=300)
    assert said.startswith("WriteFailed `sources/orders` could not be written"), said
    assert amounts(store) == ({1.0}, {1.0})
    writer.write(store, 2)
    assert amounts(store) == ({2.0}, {2.0})


def test_of_two_processes_that_materialize_the_same_days_each_ends_well_or_says_who_won(store: fp.OfflineStore) -> None:
    processes = [started("racing", str(store.root), tag) for tag in (100, 200)]
    await_ready(processes)
    start_together(processes)
    said = [line for process in processes for line in process.communicate(timeout=300)[0].splitlines()]
    assert len(said) == 8
    assert {line.split()[0] for line in said} <= {"ok", "CommitConflict"}, said
    in_source, in_view = amounts(store)
    assert len(in_source) == len(in_view) == 1
    assert in_source | in_view <= {base + number for base in (100.0, 200.0) for number in range(4)}
    fp.materialize(writer.view_of(int(max(in_source))), store)
    assert amounts(store) == (in_source, in_source)


def test_rows_written_by_somebody_else_are_seen_and_written_over_by_the_next_run(store: fp.OfflineStore) -> None:
    view = spending(source(daily(3)), windows=["1d"])
    fp.materialize(view, store)
    location = store.location("views/spending").uri
    changed = store.read("views/spending", partition_column=True).filter(pl.col("fp_partition") == "2024-01-02")
    write_deltalake(
        location,
        changed.with_columns(amount_sum_1d=pl.lit(-1.0)).collect(),
        mode="overwrite",
        predicate="fp_partition = '2024-01-02'",
    )
    assert store.history("views/spending").select("version", "foreign").rows() == [(1, True), (0, False)]
    asked = spine(("ann", at(2)), ("ann", at(3)))
    assert told(view, asked, store, stale="ignore")["amount_sum_1d"].to_list() == [-1.0, 10.0]

    done = fp.materialize(view, store)

    assert done["views/spending"].commit.changed == ("2024-01-02",)
    assert told(view, asked, store)["amount_sum_1d"].to_list() == [10.0, 10.0]

"""Files that may still be being written are left for the next run, and so are the days that they are part of."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.pipelines.source_status import status_of_sources
from feature_platform_tests.shop import at, orders

TABLE = "sources/orders"
GRID = fp.Partitions(start=at(0), end=at(3))
DAYS = GRID.keys()
NOON = at(10, 12)


class Files:
    """A file of one order for each day, and a source that reads what is older than a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()

    def source(self, **words: Any) -> fp.Source:
        connector = fp.sources.Parquet(self.folder, settles="1m")
        return fp.Source("orders", connector, **{"event_time": "at", **words})

    def put(self, day: int, amount: float, written: datetime) -> Path:
        file = self.folder / f"d{day}.parquet"
        orders(("ann", at(day), amount)).write_parquet(file)
        return write_at(file, written)


def write_at(file: Path, moment: datetime) -> Path:
    """Give a file the time at which it was written."""
    os.utime(file, (moment.timestamp(), moment.timestamp()))
    return file


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path / "files")
    files.put(0, 1.0, at(9)), files.put(1, 1.0, at(9))
    return files


def run(source: fp.Source, store: fp.OfflineStore, now: datetime) -> dict[str, int]:
    """Run all days, and return the counts that the run tells of."""
    return dict(fp.materialize(source, store, at(0), at(3), partitions=GRID, now=now)[TABLE].candidate.notes)


def amounts(store: fp.OfflineStore) -> list[float]:
    return store.read(TABLE).sort("at").collect()["amount"].to_list()


def plan(source: fp.Source, store: fp.OfflineStore, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """What a run would change, and what waits."""
    found = fp.stale_assets(fp.Project("shop", GRID, (source,)), store, now=now)
    waits = {key: each.reasons[key] for each in found for key in each.undecided}
    return {key: why for each in found for key, why in each.due_partitions.items()}, waits


def test_a_new_file_is_read_once_it_is_old_enough(files: Files, store: fp.OfflineStore) -> None:
    files.put(2, 2.0, NOON).write_bytes(b"half of a file")
    write_at(files.folder / "d2.parquet", NOON)

    assert run(files.source(), store, at(10, 12, 0.5)) == {"files_left_for_the_next_run": 1}
    assert amounts(store) == [1.0, 1.0]
    (status,) = status_of_sources([files.source()], store, GRID, now=at(10, 12, 0.5))
    assert (status.young, status.units, str(status.changes)) == (1, 2, "nothing new")

    files.put(2, 2.0, NOON)
    assert set(plan(files.source(), store, at(10, 12, 1.1))[0]) == {DAYS[2]}
    assert run(files.source(), store, at(10, 12, 1.1)) == {}
    assert amounts(store) == [1.0, 1.0, 2.0]


def test_a_day_waits_while_a_file_of_it_is_written_again(files: Files, store: fp.OfflineStore) -> None:
    run(files.source(), store, at(9, 1))
    files.put(0, 5.0, at(9))
    write_at(files.folder / "d0.parquet", at(9))
    (files.folder / "d1.parquet").write_bytes(b"half of a file")
    write_at(files.folder / "d1.parquet", NOON)

    due, waits = plan(files.source(), store, NOON)
    assert set(due) == {DAYS[0]}
    assert waits == {DAYS[1]: "d1.parquet may still be being written"}
    assert run(files.source(), store, NOON) == {"files_left_for_the_next_run": 1}
    assert amounts(store) == [5.0, 1.0]

    files.put(1, 7.0, NOON)
    assert plan(files.source(), store, at(10, 13)) == ({DAYS[1]: "its data changed: d1.parquet changed"}, {})
    run(files.source(), store, at(10, 13))
    assert amounts(store) == [5.0, 7.0]


def test_where_nothing_is_old_enough_the_first_run_says_so(files: Files, store: fp.OfflineStore) -> None:
    with pytest.raises(SourceUnreadable, match=r"d0.parquet and 1 more may still be being written\. Run it again when"):
        run(files.source(), store, at(9))
    assert not store.exists(TABLE)


@pytest.mark.parametrize("written", [at(9), at(4000)], ids=["long ago", "in the far future"])
def test_any_other_time_is_no_reason_to_wait(files: Files, store: fp.OfflineStore, written: datetime) -> None:
    files.put(2, 3.0, written)
    run(files.source(), store, NOON)
    assert amounts(store) == [1.0, 1.0, 3.0]


@pytest.mark.parametrize("gone", ["kept", "taken", "refuse"])
def test_a_day_whose_file_comes_back_under_another_name_waits_for_it(
    files: Files, store: fp.OfflineStore, gone: Any
) -> None:
    source = fp.Source("orders", fp.sources.Parquet(files.folder, settles="1m", gone=gone), event_time="at")
    run(source, store, at(9, 1))
    write_at((files.folder / "d1.parquet").rename(files.folder / "x1.parquet"), NOON)

    due, waits = plan(source, store, NOON)
    assert (set(due), set(waits)) == (set(), {DAYS[1]})
    assert "d1.parquet is gone" in waits[DAYS[1]]
    run(source, store, NOON)
    assert amounts(store) == [1.0, 1.0]
    run(source, store, at(10, 13))
    assert plan(source, store, at(10, 13)) == ({}, {})
    assert amounts(store) == [1.0, 1.0]


TOGETHER: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows.with_columns(pl.col("amount").max().over("at"))  # noqa: E731


@pytest.mark.parametrize("words", [{"partitioned": False}, {"prepare": TOGETHER}], ids=["in one piece", "together"])
def test_where_all_files_are_needed_a_run_waits_for_all(
    files: Files, store: fp.OfflineStore, words: dict[str, Any]
) -> None:
    source = files.source(**words)
    run(source, store, at(9, 1))
    files.put(2, 2.0, NOON)

    with pytest.raises(SourceUnreadable, match=r"d2.parquet may still be being written"):
        run(source, store, NOON)
    run(source, store, at(10, 13))
    assert amounts(store) == [1.0, 1.0, 2.0]


def test_a_table_in_one_piece_waits_in_a_plan(files: Files, store: fp.OfflineStore) -> None:
    source = files.source(partitioned=False)
    run(source, store, at(9, 1))
    files.put(2, 2.0, NOON)

    assert plan(source, store, NOON) == ({}, {"": "its data changed, and may still be being written"})
    assert plan(source, store, at(10, 13)) == ({"": "its data changed"}, {})


@pytest.mark.parametrize("kind", [fp.sources.Csv, fp.sources.Json, fp.sources.Parquet])
def test_the_word_is_a_duration(kind: Callable[..., object]) -> None:
    with pytest.raises(InvalidDeclaration, match="settles"):
        kind("files", settles="a while")

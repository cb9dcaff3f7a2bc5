"""A source that refuses changes: published rows that other rows have replaced stop every run until somebody decides."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, PublishedRowsChanged
from feature_platform_tests.shop import at, orders

TABLE = "sources/orders"
FIRST, SECOND, THIRD = (f"2024-01-0{day}" for day in (1, 2, 3))


class Files:
    """A file of two orders for each of two days, which a source that refuses changes was made of."""

    def __init__(self, folder: Path, prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None) -> None:
        self.folder = folder
        self.folder.mkdir()
        connector = fp.sources.Parquet(folder, changed="refuse")
        self.source = fp.Source("orders", connector, event_time="at", prepare=prepare)
        self.put("d1", 0), self.put("d2", 1)

    def put(self, name: str, day: int, amount: float = 1.0, count: int = 2) -> None:
        rows = [("ann", at(day, hour), amount) for hour in range(count)]
        orders(*rows).write_parquet(self.folder / f"{name}.parquet")

    def stale(self, store: fp.OfflineStore) -> tuple[dict[str, str], set[str]]:
        """What a run would change, and what waits for a decision."""
        project = fp.Project("shop", fp.Partitions(start=at(0), end=at(3)), (self.source,))
        found = fp.stale_assets(project, store)
        return (found[0].due_partitions, set(found[0].undecided)) if found else ({}, set())


@pytest.fixture
def files(tmp_path: Path, store: fp.OfflineStore) -> Files:
    files = Files(tmp_path / "files")
    fp.materialize(files.source, store)
    return files


def amounts(store: fp.OfflineStore) -> list[float]:
    return sorted(store.read(TABLE).collect()["amount"].to_list())


def test_a_changed_file_stops_every_run_in_one_sentence_until_it_is_confirmed(
    files: Files, store: fp.OfflineStore
) -> None:
    files.put("d1", 0, amount=9.0)
    for span in ((at(0), at(1)), (at(2), at(3))):
        with pytest.raises(PublishedRowsChanged) as raised:
            fp.materialize(files.source, store, *span)
        assert str(raised.value) == (
            f"Source `orders`: published rows were changed in {files.folder}: {FIRST} (its data changed: d1.parquet "
            "changed). Nothing was written. If the new rows are right, confirm them: `feature-platform confirm orders "
            'FIRST LAST`, or changed="taken" (see docs/how-to/late-and-gone-data.md).'
        )
    due, undecided = files.stale(store)
    assert (set(due), undecided) == ({THIRD}, {FIRST})
    assert amounts(store) == [1.0] * 4

    done = fp.materialize(files.source, store, at(0), at(1), changed="taken")

    assert done[TABLE].commit.changed == (FIRST,)
    assert amounts(store) == [1.0, 1.0, 9.0, 9.0]
    fp.materialize(files.source, store, at(0), at(3))
    assert files.stale(store) == ({}, set())


def test_a_decision_about_one_day_says_nothing_of_another(files: Files, store: fp.OfflineStore) -> None:
    files.put("d1", 0, amount=9.0)
    files.put("d2", 1, amount=8.0)
    fp.materialize(files.source, store, at(0), at(1), changed="taken")

    with pytest.raises(PublishedRowsChanged, match=rf": {SECOND} \(its data changed: d2.parquet changed\)"):
        fp.materialize(files.source, store, at(0), at(3))
    assert amounts(store) == [1.0, 1.0, 9.0, 9.0]


def test_what_changes_no_published_row_is_taken_in(files: Files, store: fp.OfflineStore) -> None:
    (files.folder / "d2.parquet").rename(files.folder / "d2b.parquet")
    files.put("d3", 2, amount=3.0)
    files.put("late", 0, amount=4.0, count=1)  # a new file: late rows, as always
    grown = pl.concat([pl.read_parquet(files.folder / "d1.parquet"), orders(("eve", at(2), 3.0))])
    grown.write_parquet(files.folder / "d1.parquet")

    fp.materialize(files.source, store, at(2), at(3))

    assert amounts(store) == [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0]
    os.utime(files.folder / "d1.parquet", (1, 1))
    due, undecided = files.stale(store)
    assert (set(due), undecided) == ({FIRST}, set())


def test_a_correction_under_another_name_is_a_change(files: Files, store: fp.OfflineStore) -> None:
    (files.folder / "d1.parquet").unlink()
    files.put("d1-corrected", 0, amount=9.0, count=3)

    with pytest.raises(PublishedRowsChanged, match=r"d1\.parquet is gone"):
        fp.materialize(files.source, store, at(2), at(3))


def test_where_rows_are_prepared_together_any_change_of_published_rows_is_refused(
    tmp_path: Path, store: fp.OfflineStore
) -> None:
    files = Files(tmp_path / "files", lambda rows: rows.with_columns(pl.col("amount").max().over("at")))
    fp.materialize(files.source, store)
    files.put("d3", 2)
    fp.materialize(files.source, store)
    files.put("late", 0, amount=4.0, count=1)

    with pytest.raises(PublishedRowsChanged, match=rf"{FIRST} \(its data changed\)"):
        fp.materialize(files.source, store)


def test_a_change_is_taken_in_where_nothing_else_is_said(tmp_path: Path, store: fp.OfflineStore) -> None:
    files = Files(tmp_path / "files")
    files.source = fp.Source("orders", fp.sources.Parquet(files.folder), event_time="at")
    fp.materialize(files.source, store)
    files.put("d1", 0, amount=9.0)

    fp.materialize(files.source, store)

    assert amounts(store) == [1.0, 1.0, 9.0, 9.0]


@pytest.mark.parametrize("kind", [fp.sources.Csv, fp.sources.Json, fp.sources.Parquet])
def test_the_word_is_one_of_two(kind: Callable[..., object], store: fp.OfflineStore) -> None:
    with pytest.raises(InvalidDeclaration, match=r"has changed='no'\. Say one of taken, refuse"):
        kind("files", changed="no")

"""A recording store notes what is read through it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import polars as pl
from deltalake import DeltaTable, write_deltalake

from feature_platform.offline import OfflineStore
from feature_platform.offline.opened import OpenedTable, OpenedTables
from feature_platform_tests.offline.conftest import STAMP, days, put

TABLE = "views/delays"


def seen(path: Path, version: int) -> OpenedTable:
    return OpenedTable(f"file://{path}/", version)


def test_tables_and_versions_that_are_read_through_a_store_are_noted_once(store: OfflineStore, tmp_path: Path) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d1=[2]), "d1")
    mine, opened = tmp_path / "offline" / "views" / "delays", OpenedTables()
    recording = store.recording(opened)
    for version in (None, 0, 0):
        recording.read(TABLE, version=version)
    recording.pieces(TABLE, None)
    assert list(opened) == [seen(mine, 0), seen(mine, 1)]
    assert opened.names_below(f"{tmp_path}/offline/") == [TABLE]
    assert recording == store


def test_what_is_opened_otherwise_is_not_noted(store: OfflineStore, tmp_path: Path) -> None:
    put(store, days(d1=[1]), "d1")
    write_deltalake(tmp_path / "t", days(d1=[1]))
    original, opened = vars(DeltaTable).copy(), OpenedTables()
    recording = store.recording(opened)
    store.read(TABLE).collect()
    recording.replace("views/x", pl.scan_delta(str(tmp_path / "t")), stamp=STAMP)
    DeltaTable(tmp_path / "t")
    assert len(opened) == 0
    assert vars(DeltaTable) == original


def test_writes_and_history_are_no_inputs(store: OfflineStore) -> None:
    opened = OpenedTables()
    recording = store.recording(opened)
    put(recording, days(d1=[1]), "d1")
    put(recording, days(d1=[2]), "d1")
    recording.exists(TABLE)
    recording.history(TABLE)
    recording.latest_version(TABLE)
    recording.partition_states(TABLE)
    recording.changed_since(TABLE, 0)
    recording.append("runs", days(d1=[1]), stamp=STAMP)
    assert len(opened) == 0


def test_recordings_at_once_do_not_see_one_another_also_in_worker_threads(store: OfflineStore, tmp_path: Path) -> None:
    names = {name: [f"views/{name}{number}" for number in range(4)] for name in ("a", "b")}
    for name in (*names["a"], *names["b"]):
        store.replace(name, days(d1=[1]), stamp=STAMP)
    both_at_work = Barrier(2)

    def read_tables(name: str) -> list[OpenedTable]:
        opened = OpenedTables()
        recording = store.recording(opened)
        both_at_work.wait()
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(lambda table: recording.read(table).collect(), names[name] * 8))
        both_at_work.wait()
        return list(opened)

    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(names, threads.map(read_tables, names), strict=True))
    assert found == {name: [seen(tmp_path / "offline" / table, 0) for table in names[name]] for name in names}

"""What was really opened is seen, whoever opened it."""

import threading
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake

from feature_platform.offline import OfflineStore
from feature_platform.offline.opened import OpenedTable, record_opened_tables
from feature_platform_tests.offline.conftest import STAMP, days, put


def seen(path: Path, version: int) -> OpenedTable:
    return OpenedTable(f"file://{path}/", version)


def test_reads_of_the_platform_of_polars_and_of_deltalake_are_seen(store: OfflineStore, tmp_path: Path) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d1=[2]), "d1")
    other = tmp_path / "other"
    for value in range(3):
        write_deltalake(other, pl.DataFrame({"x": [value]}), mode="append")
    mine = tmp_path / "offline" / "views" / "delays"
    with record_opened_tables() as opened:
        store.read("views/delays", version=0).collect()
        pl.scan_delta(str(other)).collect()
        pl.read_delta(str(other), version=1)
        DeltaTable(other, version=0)
    assert list(opened) == sorted([seen(mine, 0), seen(other, 0), seen(other, 1), seen(other, 2)])


def test_a_table_moved_to_another_version_counts_there(tmp_path: Path) -> None:
    for value in range(2):
        write_deltalake(tmp_path / "t", pl.DataFrame({"x": [value]}), mode="append")
    with record_opened_tables() as opened:
        DeltaTable(tmp_path / "t").load_as_version(0)
    assert list(opened) == [seen(tmp_path / "t", 0)]


def test_writes_and_history_are_no_inputs(store: OfflineStore) -> None:
    with record_opened_tables() as opened:
        put(store, days(d1=[1]), "d1")
        put(store, days(d1=[2]), "d1")
        store.history("views/delays")
        store.latest_version("views/delays")
        store.changed_since("views/delays", 0)
        store.append("runs", days(d1=[1]), stamp=STAMP)
    assert len(opened) == 0


def test_a_table_read_lazily_while_another_is_written_is_an_input(store: OfflineStore, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", days(d1=[1]))
    with record_opened_tables() as opened:
        store.replace("views/x", pl.scan_delta(str(tmp_path / "t")), stamp=STAMP)
    assert list(opened) == [seen(tmp_path / "t", 0)]


def test_blocks_nest_and_leave_deltalake_as_it_was(tmp_path: Path) -> None:
    original = DeltaTable.__init__
    write_deltalake(tmp_path / "t", pl.DataFrame({"x": [1]}))
    with record_opened_tables() as outer:
        with record_opened_tables() as inner:
            DeltaTable(tmp_path / "t")
        assert DeltaTable.__init__ is not original
    assert list(outer) == list(inner) == [seen(tmp_path / "t", 0)]
    assert DeltaTable.__init__ is original


def test_threads_with_blocks_of_their_own_do_not_see_one_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_deltalake(tmp_path / name, pl.DataFrame({"x": [1]}))
    found: dict[str, list[OpenedTable]] = {}
    barrier = threading.Barrier(2)

    def work(name: str) -> None:
        with record_opened_tables() as opened:
            barrier.wait()
            DeltaTable(tmp_path / name)
            barrier.wait()
        found[name] = list(opened)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [seen(tmp_path / name, 0)] for name in ("a", "b")}

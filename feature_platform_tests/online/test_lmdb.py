"""The store in LMDB when storage is full, damaged or used by many at once."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from feature_platform.ground.errors import OnlineStoreFailed
from feature_platform.online.environments import _shared, _tables
from feature_platform.online.lmdb import Lmdb
from feature_platform_tests.online.test_faults import the_state, writer
from feature_platform_tests.online.writer import KEYS, TABLE, VIEW, batch, build, change, push, pushed, same


@pytest.fixture
def lmdb_store(tmp_path: Path) -> Lmdb:
    return Lmdb(tmp_path, map_size=2**30)


def generations(store: Lmdb) -> list[str]:
    return sorted(each.name for each in store.folder_of(VIEW).iterdir() if each.is_dir())


def test_a_full_disk_changes_nothing(lmdb_store: Lmdb) -> None:
    build(lmdb_store, same(b"1"))
    before = lmdb_store.table(VIEW)
    with writer("starved", lmdb_store, 2) as process:
        said = process.communicate(timeout=300)[0].splitlines()
    assert [line.split()[0] for line in said] == ["OnlineStoreFailed"] * 3
    assert all(("File too large" in line or "Input/output error" in line) and "still served" in line for line in said)
    assert lmdb_store.table(VIEW) == before
    assert the_state(lmdb_store) == 1
    build(lmdb_store, same(b"2"))
    assert the_state(lmdb_store) == 2


def test_a_full_map_changes_nothing(tmp_path: Path) -> None:
    store = Lmdb(tmp_path, map_size=2**20)
    build(store, same(b"1"))
    before, large = store.table(VIEW), same(b"p" * 30_000)
    for task in (build, change, push):
        with pytest.raises(OnlineStoreFailed, match=r"MDB_MAP_FULL.*What it held before is still served"):
            task(store, large)
        assert store.table(VIEW) == before
        assert the_state(store) == 1
    build(store, same(b"3"))
    assert the_state(store) == 3


def test_an_open_reader_keeps_its_generation_although_it_was_removed(lmdb_store: Lmdb) -> None:
    build(lmdb_store, same(b"1"))
    with lmdb_store.reader() as reader:
        assert reader.get(VIEW, KEYS[:1])[1] == [b"1"]
        for word in (b"2", b"3", b"4"):
            build(lmdb_store, same(word))
        assert generations(lmdb_store) == ["00000002", "00000003", "00000004"]
        assert reader.get(VIEW, KEYS)[1] == [b"1"] * 100
        reader.refresh()
        assert reader.get(VIEW, KEYS)[1] == [b"4"] * 100
    assert not _shared


def test_what_a_killed_build_left_is_removed_by_the_next(lmdb_store: Lmdb) -> None:
    build(lmdb_store, same(b"1"))
    second = build(lmdb_store, same(b"2"))
    for number in (second.generation + 1, 77):
        leftover = lmdb_store.folder_of(VIEW) / f"{number:08d}"
        leftover.mkdir()
        (leftover / "data.mdb").write_bytes(b"half of a file")

    assert build(lmdb_store, same(b"3")).generation == second.generation + 1
    assert the_state(lmdb_store) == 3
    assert generations(lmdb_store) == ["00000001", "00000002", "00000003"]


def test_a_damaged_pointer_is_an_error_that_names_it_not_an_empty_store(lmdb_store: Lmdb) -> None:
    build(lmdb_store, same(b"1"))
    pointer = lmdb_store.folder_of(VIEW) / "CURRENT"
    pointer.write_text("")
    for task in (
        lambda: lmdb_store.table(VIEW),
        lambda: lmdb_store.build(None, TABLE, [batch({})], pushed),
        lambda: push(lmdb_store, same(b"p1")),
    ):
        with pytest.raises(OnlineStoreFailed, match=r"at .*CURRENT: no number is in it"):
            task()
    pointer.write_text("1")
    assert the_state(lmdb_store) == 1


@pytest.mark.parametrize("damage", [b"", b"no LMDB file at all " * 1000])
def test_a_damaged_generation_is_an_error_and_can_be_built_anew(lmdb_store: Lmdb, damage: bytes) -> None:
    build(lmdb_store, same(b"1"))
    folder = lmdb_store.folder_of(VIEW) / "00000001"
    (folder / "data.mdb").write_bytes(damage)
    with lmdb_store.reader() as reader, pytest.raises(OnlineStoreFailed, match=r"a generation at .*00000001: "):
        reader.get(VIEW, KEYS)
    assert not _shared
    lmdb_store.remove(VIEW)
    build(lmdb_store, same(b"2"))
    assert the_state(lmdb_store) == 2


def test_the_table_can_be_read_while_a_change_is_made(lmdb_store: Lmdb) -> None:
    first, seen = build(lmdb_store, same(b"1")), []

    def frames() -> list[pl.DataFrame]:
        seen.append(lmdb_store.table(VIEW))
        return [batch(same(b"2"))]

    lmdb_store.change(
        first, replace(TABLE, code_version="2"), (frame for make in (frames,) for frame in make()), [], pushed
    )
    assert seen == [first]
    assert the_state(lmdb_store) == 2


def test_nothing_stays_open(lmdb_store: Lmdb) -> None:
    build(lmdb_store, same(b"1"))
    readers = [lmdb_store.reader() for _ in range(3)]
    for reader in readers:
        reader.get(VIEW, KEYS)
    build(lmdb_store, same(b"2"))
    readers[0].refresh()
    readers[0].get(VIEW, KEYS)
    for reader in readers:
        reader.close()
        reader.close()
    assert not _shared
    assert not _tables


@pytest.fixture(params=["told", "mounted"])
def read_only(request: pytest.FixtureRequest, lmdb_store: Lmdb, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that was built, on a disk that takes no more writes."""
    build(lmdb_store, same(b"1"))
    if request.param == "told":
        monkeypatch.setattr("feature_platform.online.environments._is_read_only", lambda _: True)
        yield
        return
    place = str(lmdb_store.folder)
    if os.geteuid() or subprocess.run(["mount", "--bind", place, place], check=False, capture_output=True).returncode:
        pytest.skip("only who may mount can have such a disk")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.usefixtures("read_only")
def test_a_store_on_a_read_only_disk_is_read_and_refuses_pushes(lmdb_store: Lmdb) -> None:
    assert the_state(lmdb_store) == 1
    with pytest.raises(OnlineStoreFailed, match=r"(?i)read-?only|denied"):
        push(lmdb_store, same(b"p1"))
    assert the_state(lmdb_store) == 1


def test_an_address_is_a_folder(tmp_path: Path) -> None:
    assert Lmdb(f"lmdb://{tmp_path}") == Lmdb(tmp_path) == Lmdb(str(tmp_path))

"""Flushing: every push is in the log once, whatever dies between the spool and the log."""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.ground.errors import NotADeltaTable
from feature_platform.offline import CommitStamp
from feature_platform.offline.commits import Once
from feature_platform.online.spool import Spool
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform_tests.effort import repetitions
from feature_platform_tests.online.pusher import NOW, ROWS, opened, push
from feature_platform_tests.online.test_spool import running, said

STAMP = CommitStamp("r1", "pushes/s0", "")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return opened(tmp_path)


def logged(store: fp.OfflineStore, source: str = "s0") -> list[tuple[int, int]]:
    """The sequence number and tag of each row of a log, sorted."""
    return sorted(store.read(f"pushes/{source}").select("fp_push", "tag").collect().rows())


def rows_of(*tags: tuple[int, int]) -> list[tuple[int, int]]:
    return [each for each in tags for _ in range(ROWS)]


def test_the_log_has_the_rows_and_where_each_comes_from(spool: Spool, store: fp.OfflineStore) -> None:
    for tag in (0, 2):
        spool.append("s0", pl.DataFrame({"tag": [tag, tag + 1]}), NOW)
    assert flush(spool, store) == 4
    wanted = [(0, spool.id, 0, 0, NOW), (1, spool.id, 0, 1, NOW), (2, spool.id, 1, 0, NOW), (3, spool.id, 1, 1, NOW)]
    schema: dict[str, Any] = {"tag": pl.Int64, **ORIGIN}
    found = store.read("pushes/s0").collect().sort("tag")
    assert_frame_equal(found, pl.DataFrame(wanted, schema=schema, orient="row"))
    assert store.history("pushes/s0")["kind"].to_list() == ["append"]


def test_what_is_not_online_yet_stays_in_the_spool_and_is_logged_once(spool: Spool, store: fp.OfflineStore) -> None:
    for tag in (0, 2, 4):
        push(spool, tag)
    spool.mark_applied([1])
    assert flush(spool, store) == 3 * ROWS
    assert [each.sequence for each in spool.pending()] == [0, 2]
    assert flush(spool, store) == 0
    spool.mark_applied([0, 2])
    assert flush(spool, store) == 0
    assert list(spool.pending()) == []
    assert logged(store) == rows_of((0, 0), (1, 2), (2, 4))
    assert store.latest_version("pushes/s0") == 0


def test_a_process_killed_between_log_and_spool_leaves_each_row_once(tmp_path: Path) -> None:
    store, spool = fp.OfflineStore(tmp_path), opened(tmp_path)
    with running("dying", tmp_path, 4) as (process,):
        out, _ = process.communicate(timeout=300)
    assert out == ""
    assert process.returncode == -9
    assert logged(store) == rows_of((0, 4))
    assert [each.sequence for each in spool.pending()] == [0, 1]
    assert flush(spool, store) == ROWS  # the other source
    assert logged(store) == rows_of((0, 4))
    assert logged(store, "s1") == rows_of((1, 5))
    assert list(spool.pending()) == []


def test_a_process_killed_anywhere_loses_no_push_and_doubles_none(tmp_path: Path) -> None:
    store, spool = fp.OfflineStore(tmp_path), opened(tmp_path)
    chance, promised = random.Random(7), dict[int, int]()
    for kills in repetitions(12):
        with running("flushing", tmp_path, kills * 100_000) as (process,):
            sleep(chance.uniform(0.0, 0.25))  # the moment of the kill is what is drawn
            process.kill()
            promised |= said(process)
    waiting = {each.sequence for each in spool.unapplied_pushes()}
    spool.mark_applied(waiting)
    flush(spool, store)
    found = Counter(logged(store) + logged(store, "s1"))
    assert set(found.values()) == {ROWS}
    assert {sequence for sequence, _ in found} == set(range(spool.last() + 1))
    assert set(promised.items()) <= found.keys()
    assert list(spool.pending()) == []


def test_two_flushes_of_one_spool_at_once_log_each_push_once(spool: Spool, store: fp.OfflineStore) -> None:
    for turn in range(4):
        for tag in range(0, 20, 2):
            push(spool, tag)
        with ThreadPoolExecutor(3) as pool:
            rows = list(pool.map(lambda _: flush(spool, store), range(3)))
        assert sum(rows) == 10 * ROWS
        assert len(logged(store)) == (turn + 1) * 10 * ROWS
    assert set(Counter(logged(store)).values()) == {ROWS}


def test_spools_of_several_servers_share_a_log(tmp_path: Path, store: fp.OfflineStore) -> None:
    for number in range(2):
        each = Spool(tmp_path / f"spool{number}", map_size=2**20)
        push(each, 0)
        flush(each, store)
    found = store.read("pushes/s0").collect()
    assert found.height == 2 * ROWS
    assert found["fp_spool"].n_unique() == 2


def test_a_column_that_a_source_got_later_is_null_in_older_pushes(spool: Spool, store: fp.OfflineStore) -> None:
    spool.append("s0", pl.DataFrame({"tag": [1]}), NOW)
    flush(spool, store)
    spool.append("s0", pl.DataFrame({"tag": [2]}), NOW)
    spool.append("s0", pl.DataFrame({"tag": [3], "more": ["x"]}), NOW)
    flush(spool, store)
    assert store.read("pushes/s0").select("tag", "more").sort("tag").collect().rows() == [
        (1, None),
        (2, None),
        (3, "x"),
    ]


def test_a_log_that_refuses_holds_up_no_other(spool: Spool, store: fp.OfflineStore) -> None:
    push(spool, 0)
    push(spool, 1)
    spool.mark_applied(range(2))
    logs = Path(store.location("pushes/s0").uri).parent
    logs.mkdir(parents=True)
    (logs / "s0").write_text("in the way")
    with pytest.raises(NotADeltaTable, match="pushes/s0"):
        flush(spool, store)
    assert logged(store, "s1") == rows_of((1, 1))
    assert [each.sequence for each in spool.pending()] == [0]


def test_the_numbers_of_a_writer_outlive_maintenance(spool: Spool, tmp_path: Path) -> None:
    store = fp.OfflineStore(tmp_path, retention="1h")
    for tag in range(0, 50, 2):
        push(spool, tag)
        flush(spool, store)
    assert store.maintain("pushes/s0").files_compacted == 25
    assert store.appended_upto("pushes/s0", spool.id) == {spool.id: 24}
    assert store.appended_upto("pushes/s0", spool.id, version=3) == {spool.id: 3}
    assert flush(spool, store) == 0
    assert len(logged(store)) == 25 * ROWS


def test_an_append_once_is_made_only_after_what_it_follows(store: fp.OfflineStore) -> None:
    rows = pl.DataFrame({"x": [1]})
    assert store.appended_upto("log", "w") == {"w": -1}
    assert store.append("log", rows, stamp=STAMP, once=[Once("w", 3, 5)]).changed == ()
    assert not store.exists("log")
    assert store.append("log", rows, stamp=STAMP, once=[Once("w", -1, 5)]).changed == ("",)
    assert store.append("log", rows, stamp=STAMP, once=[Once("w", -1, 5)]).changed == ()
    assert store.append("log", rows, stamp=STAMP, once=[Once("w", 5, 6)]).changed == ("",)
    assert store.append("log", rows, stamp=STAMP, once=[Once("v", -1, 0)]).changed == ("",)
    assert store.appended_upto("log", "w", "v") == {"w": 6, "v": 0}
    assert store.read("log").collect().height == 3


def test_a_log_is_synced_before_its_pushes_leave_the_spool(
    spool: Spool, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, original = list[Path](), os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        original(handle)
        assert spool.sources() == {"s0": 1}

    spool.mark_applied([push(spool, 0).sequence])
    monkeypatch.setattr(os, "fsync", fsync)
    flush(spool, store)
    folder = Path(store.location("pushes/s0").uri)
    [data], [commit] = folder.glob("*.parquet"), folder.glob("_delta_log/*.json")
    assert synced[:4] == [data, commit, commit.parent, folder]
    assert spool.sources() == {}

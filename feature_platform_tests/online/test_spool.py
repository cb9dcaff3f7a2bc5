"""The spool: what it took is there after any crash, whole, in order, under a number of its own."""

import fcntl
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import sleep

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, PushRefused, SpoolFailed
from feature_platform.online.spool import Spool
from feature_platform_tests.effort import repetitions
from feature_platform_tests.online.pusher import NOW, opened, push, tagged
from feature_platform_tests.racing import await_ready, start_together

ROOT = Path(fp.__file__).parents[1]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return opened(tmp_path)


def started(task: str, root: Path, tag: int = 0) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "feature_platform_tests.online.pusher", task, str(root), str(tag)]
    return subprocess.Popen(
        words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@contextmanager
def running(task: str, root: Path, *tags: int) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [started(task, root, tag) for tag in tags]
    try:
        await_ready(processes)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> dict[int, int]:
    """The tag of each sequence number that a killed process was told of; the last line may be torn."""
    assert process.stdout is not None
    lines = [line.split() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    return {int(sequence): int(tag) for sequence, tag in lines}


def test_pushes_come_back_as_they_were_and_in_order(spool: Spool) -> None:
    rows = pl.DataFrame(
        {
            "text": ["ä\n", None],
            "number": [float("nan"), None],
            "at": [NOW, None],
            "bytes": [b"\x00\n", None],
            "list": [[1, None], None],
            "struct": [{"x": 1.5}, None],
            "decimal": [Decimal("1.50"), None],
            "null": pl.Series([None, None], dtype=pl.Int8),
        }
    )
    first, second = spool.append("orders", rows, NOW), spool.append("trips", rows[1:], NOW)
    again = list(spool.pending())
    assert [(each.sequence, each.source, each.arrived_at) for each in again] == [(0, "orders", NOW), (1, "trips", NOW)]
    assert {each.spool for each in again} == {first.spool, second.spool, spool.id}
    assert_frame_equal(again[0].rows, rows)
    assert_frame_equal(again[1].rows, rows[1:])
    assert [each.sequence for each in spool.pending(0)] == [1]
    assert [each.sequence for each in spool.pending(source="trips")] == [1]
    assert spool.sources() == {"orders": 1, "trips": 1}


def test_a_sequence_number_is_never_given_twice(spool: Spool, tmp_path: Path) -> None:
    assert spool.last() == -1
    for tag in range(4):
        push(spool, tag)
    spool.mark_applied(range(4))
    assert spool.remove(range(4)) == 4
    assert list(spool.pending()) == []
    with running("racing", tmp_path, 10) as (process,):  # another process, which knows only the file
        assert said_after_go(process) == {4 + number: 10 + number for number in range(25)}
    assert push(spool, 99).sequence == 29
    assert spool.last() == 29


def said_after_go(process: subprocess.Popen[str]) -> dict[int, int]:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.close()
    process.stdin = None
    return said(process)


def test_only_what_is_online_is_removed(spool: Spool) -> None:
    for tag in range(0, 8, 2):
        push(spool, tag)
    spool.mark_applied([0, 2])
    assert [each.sequence for each in spool.unapplied_pushes()] == [1, 3]
    assert spool.remove([0, 1, 2]) == 2
    assert [each.sequence for each in spool.pending()] == [1, 3]
    spool.mark_applied([1, 3, 3])
    assert list(spool.unapplied_pushes()) == []
    assert spool.remove([0, 2, 4]) == 0
    assert spool.remove([1]) == 1
    assert [each.sequence for each in spool.pending()] == [3]


def test_before_the_first_push_everything_is_online(spool: Spool) -> None:
    assert list(spool.unapplied_pushes()) == []
    push(spool, 0)
    assert [each.sequence for each in spool.unapplied_pushes()] == [0]
    assert spool.last() == 0


def test_an_arrival_is_never_before_the_one_of_the_push_before(spool: Spool) -> None:
    late, early = NOW + timedelta(hours=1), NOW
    assert [spool.append("s", tagged(0), each).arrived_at for each in (late, early)] == [late, late]
    assert [each.arrived_at for each in spool.pending()] == [late, late]
    assert all(each.arrived_at.tzinfo is not None for each in spool.pending())


def test_a_push_without_rows_or_with_a_naive_arrival_is_refused(spool: Spool) -> None:
    with pytest.raises(PushRefused, match="source `s` is refused: it has no rows"):
        spool.append("s", tagged(0).clear(), NOW)
    with pytest.raises(InvalidDeclaration, match="without a zone"):
        spool.append("s", tagged(0), datetime(2024, 1, 1))
    assert spool.last() == -1


def test_a_full_spool_takes_nothing_half_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    spool, taken = Spool(tmp_path / "small", map_size=200_000), list[int]()

    def fill() -> None:
        while True:
            taken.append(push(spool, len(taken)).sequence)

    with pytest.raises(SpoolFailed, match=r"small failed: .*MAP_FULL.*Nothing of this push was taken"):
        fill()
    assert [each.sequence for each in spool.pending()] == taken
    assert spool.last() == taken[-1]
    spool.mark_applied(taken)
    spool.remove(taken)
    assert push(spool, 1).sequence == taken[-1] + 1


def test_a_full_disk_takes_nothing_half(tmp_path: Path) -> None:
    with started("starved", tmp_path) as process:
        assert process.stdout is not None
        *taken, error = process.stdout.read().splitlines()
    assert error.startswith("SpoolFailed The spool of pushes at")
    whole(opened(tmp_path), {int(line.split()[0]): int(line.split()[1]) for line in taken})
    assert opened(tmp_path).last() == len(taken) - 1


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolFailed, match="spool"):
        push(opened(tmp_path), 0)


def whole(spool: Spool, promised: dict[int, int]) -> None:
    """Everything that was promised is there, nothing is torn, and no number is missing."""
    found = {each.sequence: each for each in spool.pending()}
    assert sorted(found) == list(range(len(found)))
    assert promised.keys() <= found.keys()
    for sequence, each in found.items():
        tag = each.rows["tag"][0]
        assert promised.get(sequence, tag) == tag
        assert each.source == f"s{tag % 2}"
        assert_frame_equal(each.rows, tagged(tag))


def test_a_killed_process_loses_nothing_that_it_was_told_is_taken(tmp_path: Path) -> None:
    chance, promised = random.Random(4), dict[int, int]()
    for kills in repetitions(12, until=promised.__len__):
        with running("forever", tmp_path, kills * 100_000) as (process,):
            sleep(chance.uniform(0.0, 0.1 * kills))  # the moment of the kill is what is drawn
            process.kill()
            promised.update(said(process))
        whole(opened(tmp_path), promised)
    assert promised


def test_processes_that_push_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    tags = (1000, 2000, 3000)
    with running("racing", tmp_path, *tags) as processes:
        start_together(processes)
        told = [said(process) for process in processes]
    promised = {sequence: tag for each in told for sequence, tag in each.items()}
    assert len(promised) == 75
    assert sorted(promised.values()) == [tag + number for tag in tags for number in range(25)]
    whole(opened(tmp_path), promised)
    for each in told:  # the pushes of one process keep their order
        assert [each[sequence] for sequence in sorted(each)] == sorted(each.values())


def test_threads_that_push_at_once_get_numbers_of_their_own(spool: Spool) -> None:
    with ThreadPoolExecutor(4) as pool:
        pushed = list(pool.map(lambda tag: push(spool, tag), range(40)))
    assert sorted(each.sequence for each in pushed) == list(range(40))
    whole(spool, {each.sequence: each.rows["tag"][0] for each in pushed})


def test_a_spool_that_is_opened_again_has_another_incarnation_and_goes_on_with_its_numbers(spool: Spool) -> None:
    before, first = spool.id, push(spool, 0)
    spool.close()
    second = push(spool, 2)
    assert (first.spool, first.sequence) == (before, 0)
    assert second.sequence == 1
    assert second.spool == spool.id != before
    assert spool.before == (before, 0)
    assert [each.spool for each in spool.pending()] == [before, spool.id]
    assert second.arrived_at > first.arrived_at  # of two incarnations the time alone says the order


def test_who_opens_it_while_others_have_it_open_shares_their_incarnation(spool: Spool) -> None:
    name = spool.id
    with (spool.folder / "open.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        spool.close()
        assert spool.id == name
    spool.close()
    assert spool.id != name


def test_a_spool_whose_file_is_replaced_under_a_server_takes_nothing_that_would_be_lost(spool: Spool) -> None:
    push(spool, 0)
    spool.folder.rename(spool.folder.with_name("gone"))
    with pytest.raises(SpoolFailed, match="replaced or removed while it was open"):
        push(spool, 2)
    assert [each.sequence for each in spool.pending()] == [0]  # what waits can still be logged
    spool.mark_applied([0])
    spool.remove([0])
    assert push(spool, 4).sequence == 0  # of the new file
    assert (spool.folder / "data.mdb").exists()


def test_the_lock_file_has_its_place_on_the_disk(spool: Spool) -> None:
    push(spool, 0)
    found = (spool.folder / "lock.mdb").stat()
    assert found.st_blocks * 512 >= found.st_size


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on: the child uses no thread
def test_a_forked_child_opens_the_spool_again_and_its_parent_reads_on(spool: Spool) -> None:
    push(spool, 0)
    waiting = spool.pending()
    next(waiting)
    child = os.fork()
    if not child:
        try:
            spool.mark_applied([0])
            os._exit(0 if (spool.last(), list(spool.unapplied_pushes())) == (0, []) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(spool.unapplied_pushes()) == []
    assert push(spool, 1).sequence == 1
    assert [each.sequence for each in waiting] == [1]


def test_the_folders_of_a_new_spool_are_synced_too(tmp_path: Path) -> None:
    """Seen from outside: the file and the folders that name it."""
    synced: list[str] = []
    original = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        original(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        push(opened(tmp_path), 0)
    assert synced[:2] == [str(tmp_path / "spool"), str(tmp_path)]

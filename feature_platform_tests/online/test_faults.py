"""Killed and racing writers of every online store: readers see the old state or the new one, and nothing is lost."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import feature_platform as fp
from feature_platform.online import OnlineStore
from feature_platform_tests.effort import repetitions
from feature_platform_tests.online.writer import KEYS, TABLE, VIEW, batch, build, push, pushed, same, told
from feature_platform_tests.racing import start_together

ROOT = Path(fp.__file__).parents[1]


@contextmanager
def writer(task: str, store: OnlineStore, tag: int) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "feature_platform_tests.online.writer", task, told(store), str(tag)]
    process = subprocess.Popen(
        words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def the_state(store: OnlineStore) -> int:
    """The one word of all entries, of which there are as many as the table says."""
    with store.reader() as reader:
        table, entries = reader.get(VIEW, KEYS)
    assert len(set(entries)) == 1, f"a mixture of {set(entries)}"
    assert table.entries == len(KEYS) == len(list(store.keys(VIEW)))
    return int(entries[0] or b"-1")


def killed(process: subprocess.Popen[str], seconds: float) -> list[int]:
    """What a writer had promised when it was killed."""
    assert process.stdout is not None
    time.sleep(seconds)  # the moment of the kill is what is drawn
    process.kill()
    return [int(line) for line in process.stdout if line.endswith("\n")]


def test_a_killed_publisher_leaves_the_old_state_or_the_new_one(store: OnlineStore) -> None:
    chance, promised_at_all = random.Random(20130101), list[int]()
    build(store, same(b"0"))
    for kills in repetitions(12, until=promised_at_all.__len__):
        with writer("publishing", store, kills * 1000) as process:
            promised = killed(process, chance.uniform(0.0, 0.05 * kills))
        found = the_state(store)
        promised_at_all.extend(promised)
        if promised:
            assert found in (promised[-1], promised[-1] + 1)
        else:
            assert found <= kills * 1000
    build(store, same(b"7"))
    assert the_state(store) == 7


def test_a_killed_pusher_leaves_each_push_whole_or_not_at_all(store: OnlineStore) -> None:
    build(store, same(b"d"))
    chance, promised = random.Random(20130102), dict[int, list[int]]()
    for kills in repetitions(12, until=lambda: any(promised.values())):
        with writer("pushing", store, kills * 10_000) as process:
            promised[kills * 10_000] = killed(process, chance.uniform(0.02, 0.04 * kills))
    with store.reader() as reader:
        _, entries = reader.get(VIEW, KEYS[:5])
    assert len(set(entries)) == 1
    words = {int(word[1:]) for word in (entries[0] or b"").split() if word.startswith(b"p")}
    for tag, said in promised.items():
        stored = sorted(word for word in words if tag <= word < tag + 10_000)
        assert stored == list(range(tag, tag + len(stored)))
        assert len(said) <= len(stored) <= len(said) + 1


def test_pushes_of_two_processes_and_publications_in_between_lose_nothing(store: OnlineStore) -> None:
    build(store, same(b"d0"))
    with writer("racing", store, 1000) as first, writer("racing", store, 2000) as second:
        said = []
        start_together((first, second))
        for process in (first, second):
            out, err = process.communicate(timeout=300)
            assert err == ""
            said += out.split()

    assert set(said) <= {"ok", "conflict"}
    assert len(said) == 12
    assert "ok" in said
    with store.reader() as reader:
        _, entries = reader.get(VIEW, KEYS[:5])
    for entry in entries:
        words = (entry or b"").split()
        assert {word for word in words if word.startswith(b"p")} == {
            b"p%d" % (tag + number) for tag in (1000, 2000) for number in range(30)
        }
        assert len([word for word in words if word.startswith(b"d")]) == 1
    table = store.table(VIEW)
    assert table is not None
    assert table.entries == len(KEYS)


def test_a_push_after_a_publisher_was_killed_does_not_wait_for_long(store: OnlineStore) -> None:
    build(store, same(b"0"))
    with writer("publishing", store, 1000) as process:
        killed(process, 0.05)
    began = time.monotonic()
    push(store, {KEYS[0]: b"p1"})
    assert time.monotonic() - began < 5
    table = store.table(VIEW)
    assert table is not None
    store.build(table, TABLE, [batch(same(b"1"))], pushed)
    with store.reader() as reader:
        assert reader.get(VIEW, KEYS[:2])[1] == [b"1 p1", b"1"]

"""What every online store keeps for its readers: they see publications and pushes whole, and never go back."""

import threading
from collections.abc import Callable
from dataclasses import replace

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.online import OnlineStore, Reader
from feature_platform_tests.online.writer import (
    KEYS,
    TABLE,
    VIEW,
    batch,
    build,
    change,
    push,
    pushed,
    same,
)


def test_a_refreshed_reader_sees_what_was_built_and_changed(store: OnlineStore) -> None:
    build(store, same(b"a"))
    with store.reader() as reader:
        tasks: list[Callable[..., ServedTable]] = [build, change, build, build, change]
        for step, task in enumerate(tasks):
            table = task(store, same(b"%d" % step))
            push(store, {KEYS[0]: b"p%d" % step})
            reader.refresh()
            found, entries = reader.get(VIEW, KEYS[1:])
            assert found == table
            assert entries == [b"%d" % step] * 99


def test_readers_in_threads_never_see_a_mixture_nor_go_back(store: OnlineStore) -> None:
    """Every state has one word in all entries and in its table."""
    build(store, same(b"0"), code_version="0")
    stop, faults, seen = threading.Event(), [], [0, 0, 0]

    def read(reader: Reader, number: int) -> None:
        newest = 0
        while not stop.is_set():
            if number != 1:
                reader.refresh()
            table, entries = reader.get(VIEW, KEYS)
            if {int(entry or -1) for entry in entries} != {int(table.code_version)} or int(table.code_version) < newest:
                faults.append((table.stamp, set(entries), newest))
                return
            newest, seen[number] = int(table.code_version), seen[number] + 1

    with store.reader() as first, store.reader() as second:
        readers = [first, first, second]
        threads = [threading.Thread(target=read, args=(reader, number)) for number, reader in enumerate(readers)]
        for thread in threads:
            thread.start()
        for step in range(1, 40):
            base = store.table(VIEW)
            assert base is not None
            table, rows = replace(TABLE, code_version=f"{step}"), [batch(same(b"%d" % step))]
            if step % 2:
                store.build(base, table, rows, pushed)
            else:
                store.change(base, table, rows, [], pushed)
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert min(seen) > 3


def test_a_push_of_several_keys_is_seen_as_a_whole(store: OnlineStore) -> None:
    build(store, same(b"a", KEYS[:20]))
    stop, faults = threading.Event(), []

    def read() -> None:
        with store.reader() as reader:
            while not stop.is_set():
                entries = set(reader.get(VIEW, KEYS[:20])[1])
                if len(entries) != 1:
                    faults.append(entries)

    thread = threading.Thread(target=read)
    thread.start()
    for step in range(40):
        store.write(VIEW, same(b"p%d" % step, KEYS[:20]), lambda stored, incoming: incoming, b"t")
    stop.set()
    thread.join()
    assert faults == []

"""What every online store of the catalogue keeps; a new one needs a line in `conftest.PLACES` and nothing else."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import InvalidDeclaration, NotServed, OnlineConflict, TooMuchWork
from feature_platform.online import STORES, OnlineStore, store_of
from feature_platform_tests.online.reading import entries_of, everything, stored
from feature_platform_tests.online.writer import (
    KEYS,
    TABLE,
    VIEW,
    batch,
    both,
    build,
    change,
    joined,
    nothing,
    push,
    pushed,
    same,
)

# ---------------------------------------------------------------- nothing there


def test_what_was_never_published_is_not_served(store: OnlineStore) -> None:
    assert store.views() == []
    assert store.table(VIEW) is None
    assert list(store.keys(VIEW)) == []
    store.remove(VIEW)
    with store.reader() as reader, pytest.raises(NotServed, match="`carriers` is not in the online store"):
        reader.get(VIEW, [b"k1"])
    with pytest.raises(NotServed, match="`carriers`"):
        push(store, {b"k1": b"p1"})
    with pytest.raises(OnlineConflict, match="and is at nothing now"):
        store.change(TABLE, TABLE, [], [], pushed)
    assert store.table(VIEW) is None


def test_a_reader_that_was_there_before_the_view_sees_it(store: OnlineStore) -> None:
    with store.reader() as reader:
        with pytest.raises(NotServed):
            reader.get(VIEW, [b"k1"])
        build(store, {b"k1": b"a"})
        assert reader.get(VIEW, [b"k1"])[1] == [b"a"]


# ---------------------------------------------------------------- build


def test_what_is_built_is_served_with_its_table(store: OnlineStore) -> None:
    built = build(
        store, {b"k1": b"a", b"k2": b"b"}, published_at="2013-03-01T00:00:00.000000Z", versions={"views/c": 3}
    )

    with store.reader() as reader:
        table, entries = reader.get(VIEW, [b"k2", None, b"k3", b"k1", b"k2"])
    assert entries == [b"b", None, None, b"a", b"b"]
    assert table == built == store.table(VIEW)
    assert built == replace(
        TABLE,
        published_at="2013-03-01T00:00:00.000000Z",
        versions={"views/c": 3},
        entries=2,
        generation=built.generation,
    )
    assert store.views() == [VIEW]


def test_a_generation_takes_the_place_of_the_one_before(store: OnlineStore) -> None:
    first = build(store, {b"k1": b"a", b"k2": b"a"})
    second = build(store, {b"k2": b"b", b"k3": b"b"})

    assert everything(store) == {b"k2": b"b", b"k3": b"b"}
    assert second.generation > first.generation
    assert second.change == 0


@pytest.mark.parametrize("frames", [[], [batch({})], [batch({}), batch({b"k1": b"a"}), batch({})]])
def test_frames_may_be_empty(store: OnlineStore, frames: list[pl.DataFrame]) -> None:
    rows = {b"k1": b"a"} if len(frames) == 3 else {}

    first = store.build(None, TABLE, frames, pushed)
    assert first.entries == len(rows)
    assert everything(store) == rows
    second = store.change(first, TABLE, frames, [], pushed)
    assert (second.entries, second.change) == (len(rows), 1)
    assert everything(store) == rows


def test_frames_may_come_in_any_order(store: OnlineStore) -> None:
    store.build(None, TABLE, [batch({b"k5": b"a", b"k1": b"b"}), batch({b"k4": b"c", b"k0": b"d"})], pushed)

    assert everything(store) == {b"k0": b"d", b"k1": b"b", b"k4": b"c", b"k5": b"a"}


def test_keys_and_entries_are_any_bytes(store: OnlineStore) -> None:
    rows = {
        b"k" + bytes([first, second]): bytes([second, 0, 10, first]) for first in (0, 9, 255) for second in range(256)
    }
    rows |= {b"k": b"of a global view", b"k" * 400: bytes(range(256)) * 4096, b"k\x00\x02": b""}
    build(store, dict(sorted(rows.items())))

    assert everything(store) == rows
    push(store, {b"k\xff\x00": b"p1", b"k\x01": b"p1"})
    assert entries_of(store, b"k\xff\x00", b"k\x01", b"k") == [
        joined(rows[b"k\xff\x00"], b"p1"),
        b"p1",
        b"of a global view",
    ]
    change(store, {b"k\x00\x02": b"c"}, [b"k" * 400])
    assert entries_of(store, b"k\x00\x02", b"k" * 400, b"k\xff\x00") == [b"c", None, joined(rows[b"k\xff\x00"], b"p1")]


def test_ten_thousand_keys_are_read_at_once(store: OnlineStore) -> None:
    keys = [b"k%05d" % number for number in range(10_000)]
    built = store.build(
        None, TABLE, (batch({key: key for key in keys[i : i + 3000]}) for i in range(0, 10_000, 3000)), pushed
    )

    assert built.entries == 10_000
    with store.reader() as reader:
        assert reader.get(VIEW, [*keys[::-1], b"k", None])[1] == [*keys[::-1], None, None]


def test_more_bytes_than_asked_for_are_not_read(store: OnlineStore) -> None:
    keys = [b"k%05d" % number for number in range(2_000)]
    store.build(None, TABLE, [batch({key: key * 10 for key in keys})], pushed)

    with store.reader() as reader:
        with pytest.raises(TooMuchWork, match="more than 119999 bytes"):
            reader.get(VIEW, keys, most=119_999)
        assert reader.get(VIEW, [*keys, None], most=120_000)[1] == [*(key * 10 for key in keys), None]


def test_a_build_that_breaks_off_changes_nothing(store: OnlineStore) -> None:
    first = build(store, same(b"a"))

    def breaking() -> Iterator[pl.DataFrame]:
        yield batch(same(b"b", KEYS[:50]))
        raise ZeroDivisionError

    for task in (
        lambda: store.build(first, TABLE, breaking(), pushed),
        lambda: store.change(first, TABLE, breaking(), [b"k0099"], pushed),
    ):
        with pytest.raises(ZeroDivisionError):
            task()
        assert store.table(VIEW) == first
        assert everything(store) == same(b"a")
    build(store, same(b"c"))
    assert everything(store) == same(b"c")


# ---------------------------------------------------------------- conflicts


def test_a_stale_base_is_refused_and_changes_nothing(store: OnlineStore) -> None:
    first = build(store, {b"k1": b"a"})
    second = store.build(first, TABLE, [batch({b"k1": b"b"})], pushed)
    third = store.change(second, TABLE, [batch({b"k1": b"c"})], [], pushed)

    for base in (None, first, second):
        with pytest.raises(OnlineConflict, match="publish again"):
            store.build(base, TABLE, [batch({b"k1": b"x"})], pushed)
    for base in (first, second, replace(third, generation=third.generation + 1)):
        with pytest.raises(OnlineConflict, match="publish again"):
            store.change(base, TABLE, [batch({b"k1": b"x"})], [], pushed)
    assert store.table(VIEW) == third
    assert everything(store) == {b"k1": b"c"}


def test_a_publication_that_was_overtaken_while_it_was_made_is_refused(store: OnlineStore) -> None:
    """In stores whose writers wait for each other the other one is refused instead."""
    first = build(store, {b"k1": b"a"})
    said: list[Any] = []
    started, done = threading.Event(), threading.Event()

    def slow() -> Iterator[pl.DataFrame]:
        started.set()
        done.wait(0.3)
        yield batch({b"k1": b"slow"})

    def attempt(frames: Iterator[pl.DataFrame]) -> None:
        try:
            said.append(store.build(first, TABLE, frames, pushed))
        except OnlineConflict as error:
            said.append(error)

    thread = threading.Thread(target=attempt, args=[slow()])
    thread.start()
    started.wait()
    attempt(iter([batch({b"k1": b"fast"})]))
    done.set()
    thread.join()

    assert sorted(isinstance(each, OnlineConflict) for each in said) == [False, True]
    (winner,) = (each for each in said if isinstance(each, ServedTable))
    assert store.table(VIEW) == winner


# ---------------------------------------------------------------- change


def test_a_change_replaces_adds_and_removes(store: OnlineStore) -> None:
    first = build(store, {b"k1": b"a", b"k2": b"a", b"k3": b"a"})
    second = store.change(
        first, replace(TABLE, code_version="2"), [batch({b"k2": b"b", b"k4": b"b"})], [b"k1", b"k9"], pushed
    )

    assert everything(store) == {b"k2": b"b", b"k3": b"a", b"k4": b"b"}
    assert (
        second
        == replace(TABLE, code_version="2", entries=3, generation=first.generation, change=1)
        == store.table(VIEW)
    )
    third = change(store, {b"k5": b"c"})
    assert (third.entries, third.change) == (4, 2)


# ---------------------------------------------------------------- write


def test_pushed_entries_are_merged_with_what_is_stored(store: OnlineStore) -> None:
    build(store, {b"k1": b"a", b"k2": b"a"})
    push(store, {b"k1": b"p1", b"k3": b"p1"})
    push(store, {b"k1": b"p2"})

    assert stored(store) == {b"k1": b"a p1 p2", b"k2": b"a", b"k3": b"p1"}
    push(store, {b"k1": b"p1", b"k3": b"p1"})
    push(store, {})
    assert stored(store) == {b"k1": b"a p1 p2", b"k2": b"a", b"k3": b"p1"}


def test_rows_that_were_made_for_another_generation_are_refused(store: OnlineStore) -> None:
    first = build(store, {b"k1": b"a"})
    store.write(VIEW, {b"k1": b"p1"}, both, b"t", generation=first.generation)
    changed = store.change(first, TABLE, [batch({b"k2": b"b"})], [], pushed)
    store.write(VIEW, {b"k1": b"p2"}, both, b"t", generation=changed.generation)
    second = store.build(store.table(VIEW), TABLE, [batch({b"k1": b"c"})], pushed)
    with pytest.raises(OnlineConflict, match=f"generation {second.generation}"):
        store.write(VIEW, {b"k1": b"p3"}, both, b"t", generation=first.generation)
    assert everything(store) == {b"k1": b"c p1 p2"}


def test_what_was_pushed_is_carried_into_the_next_generation_until_nothing_of_it_is_needed(store: OnlineStore) -> None:
    build(store, {b"k1": b"a", b"k2": b"a"})
    store.write(VIEW, {b"k1": b"p1", b"k3": b"p1"}, both, b"first")
    store.write(VIEW, {b"k1": b"p2", b"k4": b"p2"}, both, b"second")
    asked = []

    def carry(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
        asked.append((published, stored, tag))
        return None if stored == b"p2" else pushed(published, stored, tag)

    second = store.build(store.table(VIEW), TABLE, [batch({b"k1": b"b", b"k2": b"b", b"k4": b"b"})], carry)

    assert sorted(asked, key=str) == [(None, b"p1", b"first"), (b"b", b"a p1 p2", b"second"), (b"b", b"p2", b"second")]
    assert everything(store) == {b"k1": b"b p1 p2", b"k2": b"b", b"k3": b"p1", b"k4": b"b"}
    assert second.entries == 4
    asked.clear()
    store.build(second, TABLE, [batch({b"k1": b"c"})], carry)
    assert sorted(asked, key=str) == [(None, b"p1", b"first"), (b"c", b"b p1 p2", b"second")]
    third = store.build(store.table(VIEW), TABLE, [batch({b"k1": b"d"})], nothing)
    assert everything(store) == {b"k1": b"d"}
    asked.clear()
    store.build(third, TABLE, [batch({b"k1": b"e"})], carry)
    assert asked == []


def test_a_change_carries_what_was_pushed_to_the_keys_it_touches_and_leaves_the_others(store: OnlineStore) -> None:
    build(store, same(b"a", KEYS[:6]))
    store.write(VIEW, same(b"p1", KEYS[:4]), both, b"t")
    asked = []

    def carry(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
        asked.append((published, stored, tag))
        return pushed(published, stored, tag) if len(asked) % 2 else None

    first = store.table(VIEW)
    assert first is not None
    second = store.change(first, TABLE, [batch(same(b"b", [KEYS[0], KEYS[4]]))], [KEYS[1], KEYS[5]], carry)
    assert sorted(asked, key=str) == [(None, b"a p1", b"t"), (b"b", b"a p1", b"t")]
    found = everything(store)
    assert found.pop(KEYS[0]) in (b"b", b"b p1")
    assert found.pop(KEYS[1], None) in (None, b"p1")
    assert found == {KEYS[2]: b"a p1", KEYS[3]: b"a p1", KEYS[4]: b"b"}
    asked.clear()
    store.change(second, TABLE, [batch(same(b"c", KEYS[:2]))], [], nothing)
    store.build(store.table(VIEW), TABLE, [batch(same(b"d", KEYS[:6]))], carry)
    assert asked == [(b"d", b"a p1", b"t"), (b"d", b"a p1", b"t")]


def test_rows_that_are_pushed_while_a_generation_is_made_are_in_it(store: OnlineStore) -> None:
    first = build(store, same(b"a", KEYS[:3]))
    push(store, {KEYS[0]: b"p1"})

    def frames() -> Iterator[pl.DataFrame]:
        push(store, {KEYS[0]: b"p2", KEYS[9]: b"p2"})
        yield batch(same(b"b", KEYS[:3]))
        push(store, {KEYS[1]: b"p3"})

    store.build(first, TABLE, frames(), pushed)
    assert everything(store) == {KEYS[0]: b"b p1 p2", KEYS[1]: b"b p3", KEYS[2]: b"b", KEYS[9]: b"p2"}


# ---------------------------------------------------------------- several views


def test_views_do_not_know_of_each_other(store: OnlineStore) -> None:
    other = replace(TABLE, view="airports")
    build(store, {b"k1": b"a"})
    store.build(None, other, [batch({b"k1": b"b"})], pushed)
    assert store.views() == ["airports", VIEW]

    store.remove(VIEW)
    assert store.views() == ["airports"]
    assert everything(store, "airports") == {b"k1": b"b"}
    with store.reader() as reader, pytest.raises(NotServed):
        reader.get(VIEW, [b"k1"])


def test_a_removed_view_comes_back_as_a_new_one(store: OnlineStore) -> None:
    first = build(store, {b"k1": b"a", b"k2": b"a"})
    push(store, {b"k1": b"p1"})
    with store.reader() as reader:
        reader.get(VIEW, [b"k1"])
        store.remove(VIEW)
        second = build(store, {b"k1": b"b"})
        reader.refresh()
        assert reader.get(VIEW, [b"k1", b"k2"]) == (second, [b"b", None])
    assert second.stamp != first.stamp
    with pytest.raises(OnlineConflict):
        build(store, {b"k1": b"x"}, base=first)
    assert everything(store) == {b"k1": b"b"}


# ---------------------------------------------------------------- addresses


def test_a_store_is_found_by_its_address(store: OnlineStore) -> None:
    assert store_of(str(getattr(store, "url", store.location))).location == store.location


def test_the_catalogue_is_whole_and_an_unknown_address_is_refused_without_being_shown() -> None:
    import feature_platform.online as catalogue

    assert all(issubclass(getattr(catalogue, name), OnlineStore) for name in STORES)
    assert set(STORES) <= set(catalogue.__all__)
    with pytest.raises(InvalidDeclaration, match="Write a folder, or `lmdb://`, `redis://`") as found:
        store_of("postgres://me:hunter2@db")
    assert "hunter2" not in str(found.value)

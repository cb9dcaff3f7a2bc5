"""Publications and pushes that meet in Redis: what is carried, refused, merged and tried again."""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import OnlineConflict, OnlineStoreFailed
from feature_platform.online.redis import Redis
from feature_platform_tests.online.dropping import dropping
from feature_platform_tests.online.in_redis import client_of, names
from feature_platform_tests.online.test_faults import the_state
from feature_platform_tests.online.writer import (
    KEYS,
    TABLE,
    VIEW,
    batch,
    both,
    build,
    change,
    push,
    pushed,
    same,
)


def test_rows_that_are_pushed_while_they_are_carried_are_carried_again(redis_store: Redis) -> None:
    """A pause of pushes that has run out: the push comes after its key was carried and before the flip."""
    for task in ("build", "change"):
        first, late = build(redis_store, same(b"1", KEYS[:4])), [b"p2", b"p3"]
        push(redis_store, same(b"p1", KEYS[:3]))

        def carry(published: bytes | None, stored: bytes, tag: bytes, late: list[bytes] = late) -> bytes | None:
            if late:
                client_of(redis_store).delete(f"{redis_store.key_prefix(VIEW)}:hold")
                push(redis_store, {KEYS[0]: late.pop(0), KEYS[3]: b"p9"})
            return pushed(published, stored, tag)

        rows = [batch(same(b"2", KEYS[:4]))]
        if task == "build":
            redis_store.build(first, TABLE, rows, carry)
        else:
            redis_store.change(first, TABLE, rows, [], carry)
        with redis_store.reader() as reader:
            assert reader.get(VIEW, KEYS[:4])[1] == [b"2 p1 p2 p3", b"2 p1", b"2 p1", b"2 p9"]
        redis_store.remove(VIEW)


def test_what_nothing_is_carried_of_in_the_end_is_as_it_is_published(redis_store: Redis) -> None:
    """Rows that were carried in a first try are out again when a second one needs none of them."""
    for task in (redis_store.build, redis_store.change):
        first = build(redis_store, same(b"1", KEYS[:2]))
        rounds: list[Any] = []
        push(redis_store, same(b"p1", KEYS[:3]))

        def carry(published: bytes | None, stored: bytes, tag: bytes, rounds: list[int] = rounds) -> bytes | None:
            rounds.append(1)
            if len(rounds) > 3:
                return None
            client_of(redis_store).delete(f"{redis_store.key_prefix(VIEW)}:hold")
            push(redis_store, {KEYS[9]: b"p2"})
            return pushed(published, stored, tag)

        if task == redis_store.build:
            redis_store.build(first, TABLE, [batch(same(b"2", KEYS[:2]))], carry)
        else:
            redis_store.change(first, TABLE, [batch(same(b"2", KEYS[:2]))], [KEYS[2]], carry)
        with redis_store.reader() as reader:
            assert reader.get(VIEW, KEYS[:3])[1] == [b"2", b"2", None]
        redis_store.remove(VIEW)


def test_a_generation_that_is_lost_while_rows_are_carried_is_not_served(redis_store: Redis) -> None:
    first = build(redis_store, same(b"1"))
    push(redis_store, {KEYS[0]: b"p1"})

    def carry(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
        (aside,) = client_of(redis_store).smembers(f"{redis_store.key_prefix(VIEW)}:aside")
        client_of(redis_store).delete(f"{redis_store.key_prefix(VIEW)}:{aside.decode()}")
        return pushed(published, stored, tag)

    rows = [batch(same(b"2"))]
    for task in (
        lambda: redis_store.build(first, TABLE, rows, carry),
        lambda: redis_store.change(first, TABLE, rows, [], carry),
    ):
        with pytest.raises(OnlineStoreFailed, match="1 of 100 are there"):
            task()
    assert redis_store.table(VIEW) == first


def publish(store: Redis, how: str, base: ServedTable, frames: Iterator[pl.DataFrame]) -> ServedTable:
    if how == "build":
        return store.build(base, TABLE, frames, pushed)
    return store.change(base, TABLE, frames, [], pushed)


@pytest.mark.parametrize("winner", [build, change])
def test_a_publication_that_is_overtaken_at_its_end_is_refused(
    redis_store: Redis, winner: Callable[[Redis, dict[bytes, bytes]], ServedTable]
) -> None:
    for loser in ("build", "change"):
        base = build(redis_store, same(b"1"))
        won: list[Any] = []

        def frames(won: list[ServedTable] = won) -> Iterator[pl.DataFrame]:
            yield batch(same(b"2", KEYS[:50]))
            won.append(winner(redis_store, same(b"3")))

        with pytest.raises(OnlineConflict, match="publish again"):
            publish(redis_store, loser, base, frames())
        assert redis_store.table(VIEW) == won[0]
        assert the_state(redis_store) == 3


def test_a_push_that_meets_a_new_generation_is_merged_with_that(redis_store: Redis) -> None:
    build(redis_store, same(b"1"))
    met: list[Any] = []

    def merge(stored: Sequence[bytes | None], incoming: Sequence[bytes]) -> list[bytes]:
        met.extend(stored)
        if len(met) == 1:
            build(redis_store, same(b"2"))
        return both(stored, incoming)

    redis_store.write(VIEW, {KEYS[0]: b"p1"}, merge, b"t")
    assert met == [b"1", b"2"]
    with redis_store.reader() as reader:
        assert reader.get(VIEW, KEYS[:1])[1] == [b"2 p1"]
    build(redis_store, same(b"3"))
    with redis_store.reader() as reader:
        assert reader.get(VIEW, KEYS[:1])[1] == [b"3 p1"]


def test_a_push_waits_for_a_publication_that_is_about_to_be_served(redis_store: Redis) -> None:
    build(redis_store, same(b"1"))
    hold = f"{redis_store.key_prefix(VIEW)}:hold"
    client_of(redis_store).set(hold, 1, px=100)
    push(redis_store, {KEYS[0]: b"p1"})
    assert not client_of(redis_store).exists(hold)


def test_whatever_answer_is_lost_each_change_happens_once(redis_address: str) -> None:
    """The connection breaks after the server has done what was asked: at each answer in turn, scripts and all."""
    with tempfile.TemporaryDirectory() as folder, dropping(redis_address, Path(folder)) as (address, between):
        lost, reached = 0, True
        while reached:
            lost += 1
            store = Redis(address, prefix=uuid.uuid4().hex, timeout=5 + lost / 1000)  # connections of its own
            between.answers, between.lost = 0, lost
            first = build(store, same(b"1"))
            push(store, same(b"p1", KEYS[:2]))
            second = store.change(first, TABLE, [batch(same(b"2", KEYS[:50]))], KEYS[50:], pushed)
            third = store.build(second, TABLE, [batch(same(b"3", KEYS[:3]))], pushed)
            reached, between.lost = between.answers >= lost, None

            assert (first.entries, second.entries, third.entries) == (100, 50, 3), lost
            assert (second.generation, second.change, third.change) == (first.generation, 1, 0)
            with store.reader() as reader:
                assert reader.get(VIEW, KEYS[:4]) == (third, [b"3 p1", b"3 p1", b"3", None]), lost
            assert not [name for name in names(store) if name.endswith(("aside", "hold", "gone"))]
            client_of(store).close()
        assert lost > 30

"""Writers of an online store, some in a process of their own, for tests that kill, starve or race them.

An entry is a set of words; what is merged holds the words of both. Usage of the process:
`python -m feature_platform_tests.online.writer TASK STORE TAG`, with a store as `told` writes it. It prints a line
when it is ready, and one for each thing that came of it.
"""

import resource
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import OnlineConflict, OnlineStoreFailed
from feature_platform.online import OnlineStore, store_of
from feature_platform.online.lmdb import Lmdb
from feature_platform.online.redis import Redis

VIEW = "carriers"
KEYS = [b"k%04d" % number for number in range(100)]
TABLE = ServedTable(VIEW, ViewKind.ROW, {"carrier": pl.String()}, {"delay": pl.Float64()})


def batch(entries: Mapping[bytes, bytes]) -> pl.DataFrame:
    return pl.DataFrame(
        {"fp_key": list(entries), "fp_entry": list(entries.values())},
        schema={"fp_key": pl.Binary, "fp_entry": pl.Binary},
    )


def joined(stored: bytes | None, incoming: bytes) -> bytes:
    """The words of both."""
    return b" ".join(sorted({*(stored or b"").split(), *incoming.split()}))


def both(stored: Sequence[bytes | None], incoming: Sequence[bytes]) -> list[bytes]:
    """The words of the stored and the incoming one of each pair."""
    return list(map(joined, stored, incoming))


def pushed(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
    """What is published and the words that were pushed, which open with `p`; nothing where there are none."""
    words = [word for word in stored.split() if word.startswith(b"p")]
    return joined(published, b" ".join(words)) if words else None


def nothing(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
    return None


def build(
    store: OnlineStore, entries: Mapping[bytes, bytes], base: ServedTable | None = None, **facts: Any
) -> ServedTable:
    """A new generation on top of what is served."""
    return store.build(base or store.table(VIEW), replace(TABLE, **facts), [batch(entries)], pushed)


def change(store: OnlineStore, entries: Mapping[bytes, bytes], gone: Sequence[bytes] = ()) -> ServedTable:
    base = store.table(VIEW)
    assert base is not None
    return store.change(base, base, [batch(entries)], gone, pushed)


def same(word: bytes, keys: Sequence[bytes] = KEYS) -> dict[bytes, bytes]:
    return dict.fromkeys(keys, word)


# ---------------------------------------------------------------- in a process of its own


def told(store: OnlineStore) -> str:
    return f"{store.url} {store.prefix}" if isinstance(store, Redis) else str(store.location)


def heard(text: str) -> OnlineStore:
    address, _, prefix = text.partition(" ")
    return Redis(address, prefix=prefix) if prefix else store_of(address)


def publishing(store: OnlineStore, tag: int) -> None:
    """Builds and changes all the time; every entry of a state is the same word."""
    print("ready", flush=True)
    while True:
        (build if tag % 3 == 0 else change)(store, same(b"%d" % tag))
        print(tag, flush=True)
        tag += 1


def pushing(store: OnlineStore, tag: int) -> None:
    """Pushes one word after the other, each to all keys at once."""
    print("ready", flush=True)
    while True:
        store.write(VIEW, same(b"p%d" % tag, KEYS[:5]), both, b"t")
        print(tag, flush=True)
        tag += 1


def racing(store: OnlineStore, tag: int) -> None:
    """Thirty pushes, and publications in between."""
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(30):
        store.write(VIEW, same(b"p%d" % (tag + number), KEYS[:5]), both, b"t")
        if number % 5 == 0:
            try:
                (build if number % 2 else change)(store, same(b"d%d" % (tag + number)))
                print("ok", flush=True)
            except OnlineConflict:
                print("conflict", flush=True)


def starved(store: OnlineStore, tag: int) -> None:
    """A disk that takes no file of more than a megabyte."""
    assert isinstance(store, Lmdb)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    large = same(b"p" * 30_000)
    print("ready", flush=True)
    for task in (lambda: build(store, large), lambda: change(store, large), lambda: push(store, large)):
        try:
            task()
            print("ok", flush=True)
        except OnlineStoreFailed as error:
            print("OnlineStoreFailed", str(error), flush=True)


def halfway(store: OnlineStore, tag: int) -> None:
    """A build that has put something aside, and never ends."""

    def frames() -> Iterator[pl.DataFrame]:
        for some in range(0, len(KEYS), 10):
            yield batch(same(b"%d" % tag * 200_000, KEYS[some : some + 10]))
        print("ready", flush=True)
        sys.stdin.read()

    store.build(store.table(VIEW), TABLE, frames(), pushed)


def push(store: OnlineStore, entries: Mapping[bytes, bytes]) -> None:
    store.write(VIEW, entries, both, b"t")


if __name__ == "__main__":
    tasks = {"publishing": publishing, "pushing": pushing, "racing": racing, "starved": starved, "halfway": halfway}
    tasks[sys.argv[1]](heard(sys.argv[2]), int(sys.argv[3]))

"""What a store holds, read in one go."""

from feature_platform.online import OnlineStore
from feature_platform_tests.online.writer import (
    VIEW,
)


def entries_of(store: OnlineStore, *keys: bytes) -> list[bytes | None]:
    with store.reader() as reader:
        return list(reader.get(VIEW, keys)[1])


def everything(store: OnlineStore, view: str = VIEW) -> dict[bytes, bytes | None]:
    keys = sorted(store.keys(view))
    with store.reader() as reader:
        table, entries = reader.get(view, keys)
    assert len(set(keys)) == len(keys)
    assert table == store.table(view)
    return dict(zip(keys, entries, strict=True))


def stored(store: OnlineStore) -> dict[bytes, bytes | None]:
    keys = sorted(store.keys(VIEW))
    return dict(zip(keys, entries_of(store, *keys), strict=True))

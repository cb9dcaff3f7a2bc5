"""The shared online store: one Redis or Valkey hash for each generation of each view.

An answer is one command and a change is one script, which the server runs as a whole or not at all: no reader sees a
mixture, and a process that is killed at any moment leaves the old state or the new one.

    <prefix>:{<view>}:current           the number of the generation that is served
    <prefix>:{<view>}:<number>          a hash: key -> entry, and under the empty key the table
    <prefix>:{<view>}:<number>:pushed   a hash: key -> tag of its last push, and under the empty key how many there were
    <prefix>:{<view>}:count             the last number that was given out
    <prefix>:{<view>}:applied           the number of the last change, so that a script sent twice changes once
    <prefix>:{<view>}:aside             numbers of what is being made, or was left by who was killed
    <prefix>:{<view>}:hold              pushes wait while it is there; it expires
    <prefix>:views                      the names of views that were ever published

A change is put together under a number of its own: a hash of new entries, and the sets `:gone` (keys to be removed)
and `:pushed` (keys that keep nothing of a push). The braces put all of a view into one slot of a cluster, which is
what lets it change as a whole there, too.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from feature_platform.compute.serving.tables import ServedTable
from feature_platform.ground.errors import InvalidDeclaration, NotServed, OnlineConflict, OnlineStoreFailed
from feature_platform.ground.working_columns import ENTRY, KEY
from feature_platform.online.base import Batches, Carry, Merge, OnlineStore, Reader, check_size
from feature_platform.online.redis_scripts import APPLY, DISCARD, FLIP, MERGE, REMOVE
from feature_platform.online.redis_server import RedisError, Server, Word, address_fault, pairs_of, server_at

_TABLE = b""  # no key of a row is empty
_HOLDS = (1, 2, 4, 8, 16)  # seconds for which pushes wait, in one try after the other
_TRIES, _PAUSE = 1_500, 0.02  # a push that meets another one: how often, and after how many seconds, it is tried again
_AHEAD = 8  # commands of a load that are sent before their answers are read
_MANY = 1_000  # entries: their length is asked for before they are
_COUNT = b'"entries":'
_LOST = "the server has dropped some of them, as it does when memory is short and it may evict"
_BUSY = "rows are pushed faster than they are carried over"


@dataclass(frozen=True, repr=False)
class Redis(OnlineStore):
    """An online store in Redis (6.2 or newer) or Valkey, for servers on several machines.

    In a cluster each view is in one slot: it changes as a whole as on one server, and is as large as one node lets it
    be. What was confirmed is as durable as the server is set up to be: with `appendonly yes` and `appendfsync always`
    it survives a power cut; a replica that takes over may lack the last writes. It must not evict (`noeviction`).

    Attributes:
        url: `redis://host:6379/0`, `rediss://` (TLS), `valkey://`, `valkeys://` or `unix:///path?db=0`. A password in
            it is never shown: `location` leaves out who connects, and all options.
        prefix: opens every key, so that several stores share one database.
        timeout: seconds that one answer may take; a broken connection is tried again thrice.

    >>> Redis("redis://:secret@localhost:6379/0")
    Redis('redis://localhost:6379/0')
    """

    url: str
    prefix: str = "fp"
    timeout: float = 5.0

    def __post_init__(self) -> None:
        wrong = address_fault(self.url)
        if wrong:
            remedy = "Write `redis://host:6379/0` (or rediss, valkey, valkeys) or `unix:///path`."
            raise InvalidDeclaration("The online store in Redis", f"has an address {wrong}", remedy)
        if not self.prefix or set("{}") & set(self.prefix):
            raise InvalidDeclaration("The online store in Redis", f"has the prefix {self.prefix!r}", "Write a word.")

    def __repr__(self) -> str:
        return f"Redis({self.location!r})"

    @property
    def location(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def views(self) -> Sequence[str]:
        with self._connect("list its views") as server:
            names: set[bytes] = server.ask("SMEMBERS", f"{self.prefix}:views")
            return [name for name in sorted(each.decode() for each in names) if self.current(server, name)]

    def table(self, view: str) -> ServedTable | None:
        with self._connect("read a table") as server:
            served = self._served_table(server, view)
        return None if served is None else ServedTable.from_bytes(served[1])

    def build(self, base: ServedTable | None, table: ServedTable, batches: Batches, carry: Carry) -> ServedTable:
        root = self.key_prefix(table.view)
        with self._connect("build a generation") as server, _reserve_number(server, root) as number:
            old = self._check_base(server, base, table.view)
            new = f"{root}:{number}"
            loaded = self._load(server, base, table.view, number, batches)
            published: dict[bytes, bytes | None] = {}
            for seconds in _HOLDS:
                pushes = _hold_pushes(server, root, old, seconds)
                if old is not None:
                    for entries, tags in _carry_pushes(server, f"{root}:{old[0]}", new, carry, published):
                        server.put(new, entries)
                        server.put(f"{new}:pushed", tags)
                built = self._complete(server, new, table.at(number, 0))
                self._check_complete(server, base, table.view, built.entries, loaded)
                words = (root, number, built.entries + 1, b"" if old is None else old[1], pushes)
                answer = server.run(FLIP, f"{root}:current", *words)
                if answer == b"done":
                    return built
                self._refuse(server, answer, base, table.view)
        raise OnlineStoreFailed("build a generation", self.location, _BUSY)

    def _complete(self, server: Server, new: str, table: ServedTable) -> ServedTable:
        """Write the table into a generation that is made aside, with its number of entries."""
        server.ask("HSET", new, _TABLE, b"")
        size: int = server.ask("HLEN", new)
        built = replace(table, entries=size - 1)
        server.ask("HSET", new, _TABLE, built.to_bytes())
        server.ask("SADD", f"{self.prefix}:views", table.view)
        return built

    def change(
        self, base: ServedTable, table: ServedTable, batches: Batches, gone: Sequence[bytes], carry: Carry
    ) -> ServedTable:
        root = self.key_prefix(table.view)
        with self._connect("change a table") as server, _reserve_number(server, root) as number:
            old = self._check_base(server, base, table.view)
            if old is None:
                raise OnlineConflict(table.view, base.stamp, "nothing")
            new = f"{root}:{number}"
            loaded = self._load(server, base, table.view, number, batches)
            server.send_members("SADD", f"{new}:gone", gone)
            changed = table.at(base.generation, base.change + 1)
            head, tail = _around_entries(changed)
            published: dict[bytes, bytes | None] = {}
            for seconds in _HOLDS:
                pushes = _hold_pushes(server, root, old, seconds)
                for entries, tags in _carry_pushes(server, f"{root}:{old[0]}", new, carry, published, subset=True):
                    server.put(new, entries)
                    server.send_members("SREM", f"{new}:pushed", [key for key, tag in tags.items() if tag is not None])
                    server.send_members("SADD", f"{new}:pushed", [key for key, tag in tags.items() if tag is None])
                size: int = server.ask("HLEN", new)
                self._check_complete(server, base, table.view, size, loaded)
                words = (root, old[0], number, size, len(set(gone)), old[1], pushes, head, tail)
                answer = server.run(APPLY, f"{root}:current", *words)
                if answer.isdigit():
                    return replace(changed, entries=int(answer))
                self._refuse(server, answer, base, table.view)
        raise OnlineStoreFailed("change a table", self.location, _BUSY)

    def write(
        self,
        view: str,
        entries: Mapping[bytes, bytes],
        merge: Merge,
        tag: bytes,
        *,
        generation: int | None = None,
    ) -> None:
        root, keys, lost = self.key_prefix(view), list(entries), None
        with self._connect("write pushed rows") as server:
            for _ in range(_TRIES):
                number = self.current(server, view)
                if number in (None, lost):
                    raise NotServed(view, self.location)
                if generation not in (None, number):
                    raise OnlineConflict(view, f"generation {generation}", f"generation {number}")
                stored: list[bytes | None] = server.ask("HMGET", f"{root}:{number}", _TABLE, *keys)
                if stored.pop(0) is None:
                    lost = number  # another generation has taken its place, or the server has lost it
                    continue
                if not entries:
                    return
                words: list[bytes] = []
                merged = merge(stored, [entries[key] for key in keys])
                for key, stored_entry, entry in zip(keys, stored, merged, strict=True):
                    words += (key, b"0" if stored_entry is None else b"1" + stored_entry, entry)
                answer = server.run(MERGE, f"{root}:current", root, number or 0, tag, *words)
                if answer == b"done":
                    return
                if answer == b"hold":
                    time.sleep(_PAUSE)
        raise OnlineStoreFailed("write pushed rows", self.location, "publications or other pushes went on for too long")

    def keys(self, view: str) -> Iterator[bytes]:
        with self._connect("list keys") as server:
            number = self.current(server, view)
            if number is not None:
                for page in server.pages(f"{self.key_prefix(view)}:{number}"):
                    yield from page

    def remove(self, view: str) -> None:
        root = self.key_prefix(view)
        with self._connect("remove a view") as server:
            server.run(REMOVE, f"{root}:current", root)

    def reader(self) -> "RedisReader":
        return RedisReader(self)

    def key_prefix(self, view: str) -> str:
        """Return the beginning of every key of a view."""
        return f"{self.prefix}:{{{view}}}"

    @contextmanager
    def _connect(self, what: str) -> Iterator[Server]:
        try:
            yield server_at(self.url, self.timeout)
        except RedisError as error:
            raise OnlineStoreFailed(what, self.location, str(error)) from error

    def current(self, server: Server, view: str) -> int | None:
        """Return the number of the generation that is served."""
        number: bytes | None = server.ask("GET", f"{self.key_prefix(view)}:current")
        return None if number is None else int(number)

    def _served_table(self, server: Server, view: str) -> tuple[int, bytes] | None:
        """Return the number and the table of the generation that is served."""
        lost = None
        while (number := self.current(server, view)) not in (None, lost):
            table: bytes | None = server.ask("HGET", f"{self.key_prefix(view)}:{number}", _TABLE)
            if table is not None and number is not None:
                return number, table
            lost = number  # it was replaced meanwhile; where the number stays, the server has lost it
        return None

    def _check_base(self, server: Server, base: ServedTable | None, view: str) -> tuple[int, bytes] | None:
        """Return the served generation; raise `OnlineConflict` if it is not the one that the new one was made for."""
        served = self._served_table(server, view)
        stamp = "nothing" if served is None else ServedTable.from_bytes(served[1]).stamp
        if stamp != ("nothing" if base is None else base.stamp):
            raise OnlineConflict(view, "nothing" if base is None else base.stamp, stamp)
        return served

    def _refuse(self, server: Server, answer: bytes, base: ServedTable | None, view: str) -> None:
        """Raise the error that a script answered, unless it may be tried again because rows were pushed meanwhile."""
        if answer == b"conflict":
            self._check_base(server, base, view)
            raise OnlineConflict(view, "nothing" if base is None else base.stamp, "another state with the same number")
        if answer == b"lost":
            raise OnlineStoreFailed("keep the new entries", self.location, _LOST)

    def _load(self, server: Server, base: ServedTable | None, view: str, number: int, batches: Batches) -> int:
        """Store entries under a number; return how many there are."""
        root, loaded = self.key_prefix(view), 0
        new = f"{root}:{number}"
        note_number: tuple[Word, ...] = ("SADD", f"{root}:aside", number)  # again and again, as a flip forgets it
        waiting: list[Sequence[Word]] = []
        for batch in batches:
            loaded += batch.height
            for pairs in pairs_of(batch[KEY].to_list(), batch[ENTRY].to_list()):
                waiting.append(("HSET", new, *pairs))
                if len(waiting) >= _AHEAD:
                    server.ask_all([note_number, *waiting])
                    waiting.clear()
        stored: int = server.ask_all([note_number, *waiting, ("HLEN", new)])[-1]
        self._check_complete(server, base, view, stored, loaded)
        return loaded

    def _check_complete(self, server: Server, base: ServedTable | None, view: str, stored: int, loaded: int) -> None:
        """Refuse to serve what has lost entries; rows that are carried over can only add to it."""
        if stored < loaded:
            self._check_base(server, base, view)  # another generation that was built meanwhile removes what is aside
            reason = f"{stored} of {loaded} are there; a key came twice, or the server drops keys when memory is short"
            raise OnlineStoreFailed("load entries", self.location, reason)


class RedisReader(Reader):
    """The generations that are current: one that was read before is gone as soon as another takes its place."""

    def __init__(self, store: Redis) -> None:
        self._store = store
        self._server = server_at(store.url, store.timeout)
        self._held: dict[str, int] = {}
        self._fresh: set[str] = set()  # views of which it is known which generation is the current one
        self._tables: dict[str, tuple[bytes, ServedTable]] = {}

    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        present_keys = [key for key in keys if key is not None]
        try:
            if most is not None and len(present_keys) > _MANY:
                self._check_size(view, present_keys, most)
            answer = self._fetch(view, present_keys)
        except RedisError as error:
            raise OnlineStoreFailed("read", self._store.location, str(error)) from error
        table = self._table(view, answer[0] or b"")
        if len(present_keys) == len(keys):
            return table, answer[1:]
        entries = iter(answer[1:])
        return table, [None if key is None else next(entries) for key in keys]

    def _check_size(self, view: str, keys: Sequence[bytes], most: int) -> None:
        """Ask for the length of many entries before they are sent; a push meanwhile may add to them."""
        name = f"{self._store.key_prefix(view)}:{self._store.current(self._server, view)}"
        check_size(sum(map(int, self._server.ask_all([("HSTRLEN", name, key) for key in keys]))), most)

    def _fetch(self, view: str, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return the table and some entries, by one command in one round trip."""
        root, lost = self._store.key_prefix(view), None
        while True:
            number = self._held.get(view)
            if number in (None, lost):
                number = self._store.current(self._server, view)
                if number in (None, lost):
                    raise NotServed(view, self._store.location)
                self._fresh.add(view)
            words: list[Word] = ["HMGET", f"{root}:{number}", _TABLE, *keys]
            answer: list[bytes | None]
            if view in self._fresh:
                answer = self._server.ask(*words)
            else:  # whether it is still the current one is asked together with what is in it
                current, answer = self._server.ask_all([("GET", f"{root}:current"), words])
                if current is None or int(current) != number:
                    self._held.pop(view, None)
                    continue
            if answer[0] is not None and number is not None:
                self._held[view] = number
                self._fresh.add(view)
                return answer
            lost = number  # another generation has taken its place

    def _table(self, view: str, text: bytes) -> ServedTable:
        last = self._tables.get(view)
        if last is None or last[0] != text:
            last = (text, ServedTable.from_bytes(text))
            self._tables[view] = last
        return last[1]

    def refresh(self) -> None:
        self._fresh.clear()

    def close(self) -> None:
        self._held.clear()


# ---------------------------------------------------------------- what commands do


@contextmanager
def _reserve_number(server: Server, root: str) -> Iterator[int]:
    """Reserve a number under which to put something together; remove it at the end if it is not served."""
    number: int = server.ask("INCR", f"{root}:count")
    try:
        yield number
    finally:
        with suppress(RedisError):  # else the next flip removes it
            server.run(DISCARD, f"{root}:current", root, number)


def _hold_pushes(server: Server, root: str, old: tuple[int, bytes] | None, seconds: int) -> bytes:
    """Make pushes wait for a while, and return how many there were."""
    server.ask("SET", f"{root}:hold", 1, "EX", seconds)
    pushes: bytes | None = None
    if old is not None:
        pushes = server.ask("HGET", f"{root}:{old[0]}:pushed", _TABLE)
    return pushes or b"0"


def _carry_pushes(
    server: Server,
    old: str,
    new: str,
    carry: Carry,
    published: dict[bytes, bytes | None],
    *,
    subset: bool = False,
) -> Iterator[tuple[dict[bytes, bytes | None], dict[bytes, bytes | None]]]:
    """Yield the new entries of keys that rows were pushed to, page by page, and the tags of those that keep something.

    Args:
        published: the entries to be published, from the first time on that a key is seen.
        subset: only keys that something is to be published for, or that are to go.
    """
    for page in server.pages(f"{old}:pushed"):
        keys = list(page)
        stored: list[bytes | None] = server.ask("HMGET", old, *keys)
        planned: list[bytes | None] = server.ask("HMGET", new, *keys)
        going: list[int] = server.ask("SMISMEMBER", f"{new}:gone", *keys)
        entries: dict[bytes, bytes | None] = {}
        tags: dict[bytes, bytes | None] = {}
        for key, stored_entry, plan, goes in zip(keys, stored, planned, going, strict=True):
            if stored_entry is None or (subset and plan is None and not goes and key not in published):
                continue
            plain = published.setdefault(key, plan)
            carried = carry(plain, stored_entry, page[key])
            entries[key] = plain if carried is None else carried
            tags[key] = None if carried is None else page[key]
        yield entries, tags


def _around_entries(table: ServedTable) -> tuple[bytes, bytes]:
    """Return the text of a table before and after its number of entries, which the server knows best.

    A quote inside a JSON string is escaped, so the text `"entries":` cannot be part of a string.
    """
    head, _, tail = replace(table, entries=0).to_bytes().partition(_COUNT + b"0")
    return head + _COUNT, tail

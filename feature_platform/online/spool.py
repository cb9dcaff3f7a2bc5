"""The spool: pushed rows on the server's own disk, durable before anybody is told that they were taken.

A push is one transaction of an LMDB file, on the disk when `append` returns; what is killed before leaves nothing. A
push stays until it is online and in the offline log, and its sequence number is never given again.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import lmdb
import polars as pl

from feature_platform import clock
from feature_platform.errors import PushRefused, SpoolFailed

MAP_SIZE = 16 * 2**30  # address space, not disk: the file is as large as what it holds
_TABLES = (b"heads", b"rows", b"unapplied", b"facts")
_OFFLINE = "x"  # behind the time of a push that is not to be online
_ID, _NEXT, _CLOCK = b"id", b"next", b"clock"


@dataclass(frozen=True)
class Pushed:
    """The rows of one push, and its place among all pushes.

    Attributes:
        spool: the spool that took it; its random name, made once.
        sequence: rises with every push to the spool, from 0 on.
        arrived_at: when it was taken (UTC); never earlier than that of the push before.
        online: it is to be applied online, and not only to be logged.
    """

    spool: str
    sequence: int
    source: str
    arrived_at: datetime
    rows: pl.DataFrame
    online: bool = True


class Spool:
    """A durable queue of pushes in a folder of a local disk; several processes may use it at once.

    Args:
        folder: made when it is not there. Not on a network file system.
        map_size: how large the file may grow, in bytes.

    A spool value holds nothing open: the file is opened once for each process, again after a fork.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> spool = Spool(folder.name, map_size=2**20)
    >>> now = clock.instant("2013-01-01", "now")
    >>> spool.append("orders", pl.DataFrame({"amount": [4.5]}), now).sequence
    0
    >>> [each.rows.item() for each in spool.pending()]
    [4.5]
    >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str], *, map_size: int = MAP_SIZE) -> None:
        self.folder = Path(os.path.abspath(os.path.expanduser(folder)))  # noqa: PTH100, PTH111 - links stay
        self.map_size = map_size

    @property
    def id(self) -> str:
        """Its random name, by which the offline log knows what it has."""
        with self._transaction() as (opened, _):
            return opened.id

    def append(self, source: str, rows: pl.DataFrame, arrived_at: datetime, *, online: bool = True) -> Pushed:
        """Take the rows of a push; on the disk when it returns.

        Args:
            online: it is to be applied online; otherwise it only waits for the log.

        Raises:
            PushRefused: there are no rows.
            SpoolFailed: the disk or the spool is full; nothing of the push is kept.
        """
        if rows.is_empty():
            raise PushRefused(source, "it has no rows", "Send at least one.")
        now, packed = clock.microsecond_of(clock.instant(arrived_at, "A push, arrived_at,")), _packed(rows)
        with self._transaction(write=True) as (opened, transaction):
            sequence = _number(transaction.get(_NEXT, b"0", db=opened.facts))
            arrived = max(now, _number(transaction.get(_CLOCK, b"%d" % now, db=opened.facts)))
            transaction.put(_key(sequence), f"{arrived}{'' if online else _OFFLINE} {source}".encode(), db=opened.heads)
            transaction.put(_key(sequence), packed, db=opened.rows)
            if online:
                transaction.put(_key(sequence), b"", db=opened.unapplied)
            transaction.put(_NEXT, b"%d" % (sequence + 1), db=opened.facts)
            transaction.put(_CLOCK, b"%d" % arrived, db=opened.facts)
        return Pushed(opened.id, sequence, source, clock.moment_of(arrived), rows, online)

    def last(self) -> int:
        """The newest sequence number ever given; -1 before the first."""
        with self._transaction() as (opened, transaction):
            return _number(transaction.get(_NEXT, b"0", db=opened.facts)) - 1

    def pending(self, after: int = -1, *, source: str | None = None) -> Iterator[Pushed]:
        """The pushes after a sequence number, in order, one in memory at a time; those of one source when it is named.

        What is appended or removed meanwhile may be seen or not.
        """
        yield from self._from(after, source, unapplied=False)

    def unapplied(self) -> Iterator[Pushed]:
        """The pushes that nobody has said are online, in order: to be applied again after a crash.

        Those that a live process is about to apply are among them, so that applying must be idempotent.
        """
        yield from self._from(-1, None, unapplied=True)

    def applied_upto(self) -> int:
        """The sequence number up to which every push is online; -1 when the very first is not."""
        with self._transaction() as (opened, transaction):
            cursor = transaction.cursor(db=opened.unapplied)
            newest = _number(transaction.get(_NEXT, b"0", db=opened.facts)) - 1
            return _sequence(cursor.key()) - 1 if cursor.first() else newest

    def mark_applied(self, sequences: Iterable[int]) -> None:
        """Say that pushes are online. Each by its number: processes do not apply theirs in order of the numbers."""
        with self._transaction(write=True) as (opened, transaction):
            for sequence in sequences:
                transaction.delete(_key(sequence), db=opened.unapplied)

    def sources(self) -> dict[str, int]:
        """How many pushes of each source wait here."""
        found: dict[str, int] = {}
        with self._transaction() as (opened, transaction):
            for head in transaction.cursor(db=opened.heads).iternext(keys=False, values=True):
                source = _told(head)[1]
                found[source] = found.get(source, 0) + 1
        return found

    def remove(self, source: str, upto: int) -> int:
        """Forget the pushes of a source up to a sequence number, except those that are not online; how many."""
        removed = 0
        with self._transaction(write=True) as (opened, transaction):
            cursor = transaction.cursor(db=opened.heads)
            there = cursor.first()
            while there and _sequence(cursor.key()) <= upto:
                online = transaction.get(cursor.key(), db=opened.unapplied) is None
                if online and _told(cursor.value())[1] == source:
                    transaction.delete(cursor.key(), db=opened.rows)
                    cursor.delete()  # which moves to the next
                    there = bool(cursor.key())
                    removed += 1
                else:
                    there = cursor.next()
        return removed

    def _from(self, after: int, source: str | None, *, unapplied: bool) -> Iterator[Pushed]:
        """Each push in a transaction of its own, so that none is open while somebody works with what is given out."""
        while (found := self._next(after, source, unapplied=unapplied)) is not None:
            yield found
            after = found.sequence

    def _next(self, after: int, source: str | None, *, unapplied: bool) -> Pushed | None:
        with self._transaction() as (opened, transaction):
            cursor = transaction.cursor(db=opened.unapplied if unapplied else opened.heads)
            there = cursor.set_range(_key(after + 1))
            while there:
                key = cursor.key()
                arrived, found, online = _told(transaction.get(key, db=opened.heads) or b"")
                if source in (None, found):
                    rows = pl.read_ipc_stream(BytesIO(transaction.get(key, db=opened.rows) or b""))
                    return Pushed(opened.id, _sequence(key), found, clock.moment_of(arrived), rows, online)
                there = cursor.next()
        return None

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[tuple["_Opened", "lmdb.Transaction[bytes]"]]:
        """One at a time in a process: a fork waits for it, since a child must not inherit an open one."""
        try:
            with _one_at_a_time:
                opened = _opened(self.folder, self.map_size)
                with opened.environment.begin(write=write) as transaction:
                    yield opened, transaction
        except (lmdb.Error, OSError) as error:
            raise SpoolFailed(str(self.folder), str(error)) from error


@dataclass(frozen=True)
class _Opened:
    """The open file of a spool, and its tables."""

    environment: lmdb.Environment
    heads: lmdb._Database
    rows: lmdb._Database
    unapplied: lmdb._Database
    facts: lmdb._Database
    id: str


_one_at_a_time = threading.RLock()
_open: dict[Path, _Opened] = {}  # LMDB allows a file to be open once in a process, and never across a fork


def _close_inherited() -> None:
    for opened in _open.values():
        opened.environment.close()
    _open.clear()
    _one_at_a_time.release()


os.register_at_fork(
    before=_one_at_a_time.acquire, after_in_parent=_one_at_a_time.release, after_in_child=_close_inherited
)


def _opened(folder: Path, map_size: int) -> _Opened:
    if folder not in _open:
        made = not (folder / "data.mdb").exists()
        folder.mkdir(parents=True, exist_ok=True)
        environment = lmdb.open(str(folder), map_size=map_size, max_dbs=4, max_readers=1024, mode=0o600)
        environment.reader_check()  # what killed processes left
        heads, rows, unapplied, facts = (environment.open_db(name) for name in _TABLES)
        with environment.begin(write=True) as transaction:
            transaction.put(_ID, uuid4().hex.encode(), overwrite=False, db=facts)
            name = (transaction.get(_ID, db=facts) or b"").decode()
        if made:
            _settle(folder)
        _open[folder] = _Opened(environment, heads, rows, unapplied, facts, name)
    return _open[folder]


def _settle(folder: Path) -> None:
    """Make the names of new files and folders durable: LMDB sees to what is in them."""
    for each in (folder, *folder.parents[:2]):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _packed(rows: pl.DataFrame) -> bytes:
    target = BytesIO()
    rows.rechunk().write_ipc_stream(target)
    return target.getvalue()


def _told(head: bytes) -> tuple[int, str, bool]:
    """When a push arrived, in microseconds, its source, and whether it is to be online."""
    arrived, source = head.decode().split(" ", 1)
    return int(arrived.rstrip(_OFFLINE)), source, not arrived.endswith(_OFFLINE)


def _key(sequence: int) -> bytes:
    return sequence.to_bytes(8, "big")


def _sequence(key: bytes) -> int:
    return int.from_bytes(key, "big")


def _number(text: bytes) -> int:
    return int(text)

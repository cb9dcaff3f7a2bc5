"""The spool: pushed rows on the server's own disk, durable before the caller gets an answer.

A push is one transaction of an LMDB file, on the disk when `append` returns; a process killed before that leaves
nothing of it. A push stays until it is online and in the offline log. It is identified by its number and the
incarnation of the file that took it; no other push has both, not even in a copy of the file (see `spool_file`).
"""

import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import polars as pl

from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.ground import clock
from feature_platform.ground.errors import FeaturePlatformWarning, PushRefused, PushSetAside, SpoolFailed
from feature_platform.online.set_aside import Notice, SetAsidePush, keep_aside, notices_in, record, set_aside_in
from feature_platform.online.spool_file import SpoolFile, close_file, one_at_a_time, open_file, reopen_file
from feature_platform.online.spool_records import (
    UNREADABLE,
    Head,
    NewPush,
    Pushed,
    key_of,
    number_of,
    pack_push,
    read_push,
    sequence_of,
)

if TYPE_CHECKING:
    from lmdb import Transaction

MAP_SIZE = 16 * 2**30  # address space, not disk: the file is as large as what it holds
_NEXT, _CLOCK = b"next", b"clock"
_POSITION = b"at:"  # and the name of a stream
_REPLACED = (
    "its file was replaced or removed while it was open, and pushes in the old one still have to go to the offline log"
)


class Spool:
    """A durable queue of pushes in a folder of a local disk; several processes may use it at once.

    Args:
        folder: made if it is missing. Not on a network file system.
        map_size: how large the file may grow, in bytes.
        on_warning: gets each warning: pushes that were set aside, a spool that is a copy. They are noted in the
            folder in any case. Without it, Python warns.

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

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        map_size: int = MAP_SIZE,
        on_warning: Callable[[FeaturePlatformWarning], None] | None = None,
    ) -> None:
        self.folder = Path(os.path.abspath(os.path.expanduser(folder)))  # noqa: PTH100, PTH111 - links stay
        self.map_size = map_size
        self._on_warning = on_warning
        self._subjects: set[str] = set()

    @property
    def id(self) -> str:
        """Return the incarnation of the spool, by which the offline log knows the pushes that it takes from now on."""
        with self._transaction() as (opened, transaction):
            return opened.incarnation(transaction)

    @property
    def before(self) -> tuple[str, int]:
        """Return the incarnation before this one, and the last number that the spool had given then; -1 for none."""
        with self._transaction() as (opened, transaction):
            return opened.before(transaction)

    def append(self, source: str, rows: pl.DataFrame, arrived_at: datetime, *, online: bool = True) -> Pushed:
        """Take the rows of a push; they are on the disk when this returns.

        Args:
            online: the push has to be applied online; otherwise it only waits for the log.

        Raises:
            PushRefused: there are no rows.
            SpoolFailed: the disk or the spool is full, or the file was replaced; nothing of the push is kept.
        """
        if rows.is_empty():
            raise PushRefused(source, "it has no rows", "Send at least one.")
        return self.append_all([NewPush(source, rows, online)], arrived_at)[0]

    def append_all(
        self, pushes: Sequence[NewPush], arrived_at: datetime, positions: Mapping[str, int] | None = None
    ) -> Sequence[Pushed]:
        """Take pushes, all or none, and note in the same transaction how far streams were read.

        Args:
            positions: of each stream that was read, the number of its next message.

        Raises:
            SpoolFailed: as `append`.
        """
        now = clock.microsecond_of(clock.instant(arrived_at, "A push, arrived_at,"))
        packed = [(push, pack_push(push.rows)) for push in pushes]
        with self._transaction(write=True, append=True) as (opened, transaction):
            taken = [_put(opened, transaction, push, content, now) for push, content in packed]
            for stream, position in (positions or {}).items():
                transaction.put(_POSITION + stream.encode(), b"%d" % position, db=opened.facts)
        return taken

    def positions(self) -> dict[str, int]:
        """Return the number of the next message of each stream that was read."""
        with self._transaction() as (opened, transaction):
            facts = transaction.cursor(db=opened.facts)
            facts.set_range(_POSITION)
            found = takewhile(lambda fact: fact[0].startswith(_POSITION), facts.iternext())
            return {key[len(_POSITION) :].decode(): number_of(value) for key, value in found}

    def last(self) -> int:
        """Return the newest sequence number ever given; -1 before the first."""
        with self._transaction() as (opened, transaction):
            return number_of(transaction.get(_NEXT, b"0", db=opened.facts)) - 1

    def pending(self, after: int = -1, *, source: str | None = None) -> Iterator[Pushed]:
        """Yield the pushes after a sequence number in order, one in memory at a time; of one source if it is named.

        A push that is appended or removed meanwhile may be seen or not. A push that cannot be read is set aside.
        """
        yield from self._pushes_after(after, source, unapplied=False)

    def unapplied_pushes(self, after: int = -1) -> Iterator[Pushed]:
        """Yield the pushes that nobody has marked as online, in order: to be applied again after a crash.

        Pushes that a live process is about to apply are among them, so applying must be idempotent. A push that cannot
        be read is set aside.
        """
        yield from self._pushes_after(after, None, unapplied=True)

    def mark_applied(self, sequences: Iterable[int]) -> None:
        """Mark pushes as online, each by its number: processes do not apply theirs in order of the numbers."""
        with self._transaction(write=True) as (opened, transaction):
            for sequence in sequences:
                transaction.delete(key_of(sequence), db=opened.unapplied)

    def sources(self) -> dict[str, int]:
        """Count the pushes of each source that wait here; those that cannot be read are not counted."""
        counts: dict[str, int] = {}
        with self._transaction() as (opened, transaction):
            for head in transaction.cursor(db=opened.heads).iternext(keys=False, values=True):
                try:
                    source = Head.read(head, opened.first).source
                except ValueError:
                    source = ""
                counts[source] = counts.get(source, 0) + 1
        return counts

    def remove(self, sequences: Iterable[int]) -> int:
        """Remove pushes that the log has, except those that are not online; return how many were removed."""
        removed = 0
        with self._transaction(write=True) as (opened, transaction):
            for key in map(key_of, sequences):
                if transaction.get(key, db=opened.unapplied) is None and transaction.delete(key, db=opened.heads):
                    transaction.delete(key, db=opened.rows)
                    removed += 1
        return removed

    def rename(self, sequences: Iterable[int], spool: str) -> None:
        """Give pushes incarnations of their own, because the log has other pushes with their number and incarnation.

        The new name depends only on the push itself: another copy of the spool with the same push gives it the same
        name.

        Args:
            spool: the incarnation that they had. If the file still has it, the file gets another one, too.
        """
        with self._transaction(write=True) as (opened, transaction):
            for key in map(key_of, sequences):
                head = Head.read(transaction.get(key, db=opened.heads) or b"", opened.first)
                content = transaction.get(key, db=opened.rows) or b""
                origin = f"{head.spool} {sequence_of(key)} {head.arrived} {head.source}".encode()
                name = blake2b(content, digest_size=16, key=blake2b(origin).digest()).hexdigest()
                transaction.put(key, replace(head, spool=name).to_bytes(), db=opened.heads)
            if opened.incarnation(transaction) == spool:
                opened.renew(transaction)

    def close(self) -> None:
        """Close the file; it is opened again when it is needed. Nobody may be using it in this process."""
        close_file(self.folder)

    # ---------------------------------------------------------------- what was noticed

    def set_aside(self, sequence: int, reason: str) -> None:
        """Move a push out of the way of the others into the folder `aside`, with the reason, and report it.

        Raises:
            SpoolFailed: the disk refused; the push stays where it is.
        """
        key = key_of(sequence)
        with self._transaction() as (opened, transaction):
            head, content = transaction.get(key, db=opened.heads), transaction.get(key, db=opened.rows) or b""
            try:
                parsed = None if head is None else Head.read(head, opened.first)
            except ValueError:
                parsed = None
        if head is None:
            return  # somebody else has moved it
        spool, source = (parsed.spool, parsed.source) if parsed else ("unknown", "")
        arrived = clock.rfc3339(clock.moment_of(parsed.arrived)) if parsed else ""
        try:
            file = keep_aside(self.folder, SetAsidePush(spool, sequence, source, arrived, reason), content)
        except OSError as error:
            raise SpoolFailed(str(self.folder), str(error)) from error
        with self._transaction(write=True) as (opened, transaction):
            for table in (opened.heads, opened.rows, opened.unapplied):
                transaction.delete(key, db=table)
        self.tell(PushSetAside(source, sequence, reason, str(file)))

    def aside(self) -> Sequence[SetAsidePush]:
        """Return the pushes that were set aside, in order."""
        return set_aside_in(self.folder)

    def take_again(self, push: SetAsidePush) -> Pushed:
        """Take a push that was set aside once more, only for the log, and remove its files; mend the cause first.

        Messages of a stream become one push: the log may be beyond the numbers that they had.

        Raises:
            SpoolFailed: its rows cannot be read, or the disk refused; its files stay.
        """
        path = push.rows_file(self.folder)
        try:
            rows = pl.read_ipc_stream(path)
        except UNREADABLE as error:
            raise SpoolFailed(str(path), f"its rows cannot be read ({type(error).__name__})") from error
        if set(ORIGIN) <= set(rows.columns):
            rows = rows.drop(list(ORIGIN))
        push_again = self.append(push.source, rows, clock.instant(push.arrived_at, "A push, arrived_at,"), online=False)
        for file in (path.with_suffix(".json"), path):
            file.unlink(missing_ok=True)
        return push_again

    def tell(self, warning: FeaturePlatformWarning) -> None:
        """Report a warning, and note it in the folder."""
        record(self.folder, warning)
        if self._on_warning is None:
            warnings.warn(warning, stacklevel=2)
        else:
            self._on_warning(warning)

    def is_news(self, subject: str) -> bool:
        """Tell whether this is the first time that a subject is asked about."""
        news = subject not in self._subjects
        self._subjects.add(subject)
        return news

    def notices(self) -> Sequence[Notice]:
        """Return the notes so far, oldest first, until somebody removes `noticed.jsonl`."""
        return notices_in(self.folder)

    # ---------------------------------------------------------------- reading

    def _pushes_after(self, after: int, source: str | None, *, unapplied: bool) -> Iterator[Pushed]:
        """Yield each push from a transaction of its own, so that none is open while the caller works on a push."""
        while (following := self._next_push(after, source, unapplied=unapplied)) is not None:
            if isinstance(following, Pushed):
                yield following
                after = following.sequence
            else:
                after, reason = following
                self._try_to_set_aside(after, reason)

    def _try_to_set_aside(self, sequence: int, reason: str) -> None:
        try:
            self.set_aside(sequence, reason)
        except SpoolFailed as error:  # it stays, and is found again the next time
            self.tell(PushSetAside("", sequence, f"{reason}, and it could not be moved: {error}", str(self.folder)))

    def _next_push(self, after: int, source: str | None, *, unapplied: bool) -> "Pushed | tuple[int, str] | None":
        """Return the next push; for one that cannot be read, its number and the reason."""
        with self._transaction() as (opened, transaction):
            cursor = transaction.cursor(db=opened.unapplied if unapplied else opened.heads)
            is_found = cursor.set_range(key_of(after + 1))
            while is_found:
                key = cursor.key()
                try:
                    head = Head.read(transaction.get(key, db=opened.heads) or b"", opened.first)
                except ValueError:
                    return sequence_of(key), "its source and time cannot be read"
                if source in (None, head.source):
                    return read_push(sequence_of(key), head, transaction.get(key, db=opened.rows) or b"")
                is_found = cursor.next()
        return None

    @contextmanager
    def _transaction(
        self, *, write: bool = False, append: bool = False
    ) -> Iterator[tuple[SpoolFile, "Transaction[bytes]"]]:
        """Open a transaction, one at a time in a process: a child of a fork must not inherit an open one."""
        try:
            with one_at_a_time:
                opened = self._current() if append else open_file(self.folder, self.map_size)
                with opened.environment.begin(write=write) as transaction:
                    yield opened, transaction
        except (lmdb.Error, OSError) as error:
            raise SpoolFailed(str(self.folder), str(error)) from error

    def _current(self) -> SpoolFile:
        """Return the file that is in the folder now: pushes taken into a file that was removed would be lost."""
        opened = reopen_file(self.folder, self.map_size, _is_empty)
        if opened is None:
            raise SpoolFailed(str(self.folder), _REPLACED)
        return opened


def _put(opened: SpoolFile, transaction: "Transaction[bytes]", push: NewPush, content: bytes, now: int) -> Pushed:
    """Put a push behind all others."""
    sequence, spool = number_of(transaction.get(_NEXT, b"0", db=opened.facts)), opened.incarnation(transaction)
    arrived = _arrival(transaction.get(_CLOCK, db=opened.facts), now, spool)
    head = Head(arrived, push.online, spool, zlib.crc32(content), push.source, push.are_messages)
    transaction.put(key_of(sequence), head.to_bytes(), db=opened.heads)
    transaction.put(key_of(sequence), content, db=opened.rows)
    if push.online:
        transaction.put(key_of(sequence), b"", db=opened.unapplied)
    transaction.put(_NEXT, b"%d" % (sequence + 1), db=opened.facts)
    transaction.put(_CLOCK, b"%d %b" % (arrived, spool.encode()), db=opened.facts)
    return Pushed(spool, sequence, push.source, clock.moment_of(arrived), push.rows, push.online, push.are_messages)


def _is_empty(opened: SpoolFile) -> bool:
    with opened.environment.begin() as transaction:
        return transaction.stat(opened.heads)["entries"] == 0


def _arrival(clock_text: bytes | None, now: int, spool: str) -> int:
    """Return the arrival of a push: not before the last one; after it, if another incarnation took that one.

    Pushes with the same time are in the order of their numbers only within an incarnation.
    """
    if clock_text is None:
        return now
    last, *by = clock_text.decode().split(" ")
    return max(now, int(last) + (by != [spool]))

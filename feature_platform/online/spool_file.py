"""The file of a spool: opened once for each process, and known by an incarnation that no copy of it shares.

A copy of a spool (a copied folder, a cloned machine, a restored backup) gives the same numbers as the original. So a
push is identified by its number and the **incarnation** of the file: a random name that is renewed whenever the file is
opened while nobody else has it open. Processes that have it open at the same time share one incarnation.
"""

import fcntl
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import lmdb

from feature_platform.online.environments import allocate_locks

_TABLES = (b"heads", b"rows", b"unapplied", b"facts")
_FIRST, _INCARNATION, _BEFORE, _NEXT = b"id", b"incarnation", b"before", b"next"
_MAX_READERS = 1024


@dataclass(frozen=True)
class SpoolFile:
    """The open file of a spool, and its tables.

    Attributes:
        lock: a handle that is locked, shared, for as long as the file is open.
        place: the device and the number of the file; they differ when the file was replaced meanwhile.
        first: the name of pushes that were written before there were incarnations.
    """

    environment: lmdb.Environment
    heads: lmdb._Database
    rows: lmdb._Database
    unapplied: lmdb._Database
    facts: lmdb._Database
    lock: int
    place: tuple[int, int] | None
    first: str

    def incarnation(self, transaction: "lmdb.Transaction[bytes]") -> str:
        """Return the incarnation under which pushes are taken now."""
        return (transaction.get(_INCARNATION, db=self.facts) or b"").decode()

    def before(self, transaction: "lmdb.Transaction[bytes]") -> tuple[str, int]:
        """Return the incarnation before this one, and the last number that the file had given then."""
        name, last = (transaction.get(_BEFORE, db=self.facts) or b" -1").decode().split(" ")
        return name, int(last)

    def renew(self, transaction: "lmdb.Transaction[bytes]") -> str:
        """Give the file another incarnation, for all processes that have it open."""
        name, last = uuid4().hex, int(transaction.get(_NEXT, b"0", db=self.facts)) - 1
        before = self.incarnation(transaction) or self.first
        transaction.put(_BEFORE, f"{before} {last}".encode(), db=self.facts)
        transaction.put(_INCARNATION, name.encode(), db=self.facts)
        return name

    def close(self) -> None:
        """Close the file and release its lock."""
        self.environment.close()
        os.close(self.lock)


one_at_a_time = threading.RLock()
_open: dict[Path, SpoolFile] = {}  # LMDB allows a file to be open once in a process, and never across a fork


def _close_inherited() -> None:
    for opened in _open.values():
        opened.close()
    _open.clear()
    one_at_a_time.release()


os.register_at_fork(
    before=one_at_a_time.acquire, after_in_parent=one_at_a_time.release, after_in_child=_close_inherited
)


def open_file(folder: Path, map_size: int) -> SpoolFile:
    """Return the open file of a folder, made if it is missing; call it only while `one_at_a_time` is held."""
    if folder not in _open:
        is_new = not (folder / "data.mdb").exists()
        folder.mkdir(parents=True, exist_ok=True)
        _open[folder] = _open_new(folder, map_size)
        if is_new:
            settle_names(folder)
    return _open[folder]


def reopen_file(folder: Path, map_size: int, is_empty: Callable[[SpoolFile], bool]) -> SpoolFile | None:
    """Return the open file of a folder, opened again if it was replaced or removed under this process.

    Args:
        is_empty: tells whether nothing waits in an open file; only then is it closed.

    Returns:
        None when the folder has another file by now, and something still waits in the one that is open.
    """
    opened = open_file(folder, map_size)
    if opened.place == _place(folder):
        return opened
    if not is_empty(opened):
        return None
    _open.pop(folder).close()
    return open_file(folder, map_size)


def close_file(folder: Path) -> None:
    """Close the open file of a folder, if it is open here."""
    with one_at_a_time:
        opened = _open.pop(folder, None)
        if opened is not None:
            opened.close()


def settle_names(folder: Path) -> None:
    """Make the names of new files and folders durable; the writer of the files makes their content durable."""
    for place in (folder, *folder.parents[:2]):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _open_new(folder: Path, map_size: int) -> SpoolFile:
    lock = os.open(folder / "open.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        alone = _try_to_lock_alone(lock)
        allocate_locks(folder, _MAX_READERS)
        environment = lmdb.open(str(folder), map_size=map_size, max_dbs=4, max_readers=_MAX_READERS, mode=0o600)
        environment.reader_check()  # what killed processes left
        heads, rows, unapplied, facts = (environment.open_db(name) for name in _TABLES)
        with environment.begin(write=True) as transaction:
            transaction.put(_FIRST, uuid4().hex.encode(), overwrite=False, db=facts)
            first = (transaction.get(_FIRST, db=facts) or b"").decode()
            opened = SpoolFile(environment, heads, rows, unapplied, facts, lock, _place(folder), first)
            if alone or not opened.incarnation(transaction):
                opened.renew(transaction)
        fcntl.flock(lock, fcntl.LOCK_SH)
    except (lmdb.Error, OSError):
        os.close(lock)
        raise
    return opened


def _try_to_lock_alone(lock: int) -> bool:
    """Lock a file: exclusively if nobody else has locked it, else shared; return whether it is exclusive."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return False
    return True


def _place(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / "data.mdb").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino

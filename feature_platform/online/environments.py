"""LMDB environments of this process: each file is opened once, shared, and closed with its last user.

LMDB's locks belong to the process, so a process that opens a file twice loses them. Nothing that is open may cross a
fork: so an environment is shared under the id of its process.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

if TYPE_CHECKING:
    from lmdb import _Database

MAX_READERS = 1024
_READER_BYTES = 64  # of the place of one reader in a lock file, as of its head
_guard = threading.Lock()
_shared: dict[tuple[int, str], tuple[lmdb.Environment, int]] = {}  # with the number of users
_opening = threading.Lock()
_tables: "dict[lmdb.Environment, Sequence[_Database]]" = {}  # of environments that are open


def acquire_environment(
    folder: Path, *, map_size: int, max_dbs: int = 4, sync: bool = True, create: bool = True
) -> lmdb.Environment:
    """Return the environment of a folder, made if it is missing and `create`; end with `release_environment`."""
    name = (os.getpid(), str(folder))
    with _guard:
        env, users = _shared.get(name) or (_open(folder, map_size, max_dbs, sync=sync, create=create), 0)
        _shared[name] = (env, users + 1)
    return env


def release_environment(folder: Path) -> None:
    """Give an environment back; its last user closes it."""
    name = (os.getpid(), str(folder))
    with _guard:
        env, users = _shared[name]
        if users > 1:
            _shared[name] = (env, users - 1)
        else:
            del _shared[name]
            _tables.pop(env, None)
            env.close()


@contextmanager
def open_environment(
    folder: Path, *, map_size: int, max_dbs: int = 4, sync: bool = True, create: bool = True
) -> Iterator[lmdb.Environment]:
    """Open the environment of a folder for the length of a block."""
    env = acquire_environment(folder, map_size=map_size, max_dbs=max_dbs, sync=sync, create=create)
    try:
        yield env
    finally:
        release_environment(folder)


def open_tables(env: lmdb.Environment, *names: bytes) -> "Sequence[_Database]":
    """Return the tables of an environment, made where they are missing. Only the first call waits for writers."""
    with _opening:
        if env not in _tables:
            _tables[env] = [env.open_db(name) for name in names]
        return _tables[env]


def allocate_locks(folder: Path, readers: int) -> None:
    """Allocate the whole lock file of an environment on the disk, before it is opened.

    LMDB maps the file and makes it without content: when the disk is full later, a process that touches a new page of
    it is killed by SIGBUS. The content of the file stays. Call it only while this process does not have the environment
    open: closing any handle of the file would release its locks.

    Raises:
        OSError: the disk is full.
    """
    with (folder / "lock.mdb").open("ab") as handle:
        os.posix_fallocate(handle.fileno(), 0, _READER_BYTES * (readers + 1))


def _open(folder: Path, map_size: int, max_dbs: int, *, sync: bool, create: bool) -> lmdb.Environment:
    if create:
        folder.mkdir(parents=True, exist_ok=True)
        allocate_locks(folder, MAX_READERS)
    env = lmdb.open(
        str(folder),
        readonly=not create and _is_read_only(folder),
        map_size=map_size,
        max_dbs=max_dbs,
        max_readers=MAX_READERS,
        sync=sync,
        metasync=sync,
        mode=0o644,
        create=create,
    )
    env.reader_check()  # places of readers that were killed
    return env


def _is_read_only(folder: Path) -> bool:
    """Tell whether a folder is on a read-only file system, where LMDB has to be told that it needs no locks."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except FileNotFoundError:
        return False

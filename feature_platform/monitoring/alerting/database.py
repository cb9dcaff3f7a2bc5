"""The database of alerts: one SQLite file of one schema version, opened for each operation and then closed.

A file of a newer version, or one that is no database of alerts, is refused; nothing is written to it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from feature_platform.ground.errors import AlertStoreFailed

APPLICATION = 0x46504131  # `FPA1`: SQLite keeps it in the head of the file
BUSY = 10.0  # seconds to wait for another writer

_VERSION_1 = """
CREATE TABLE alerts (fingerprint TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE silences (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE memory (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL) STRICT;
CREATE TABLE evaluations (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE TABLE findings (
    number INTEGER PRIMARY KEY, evaluation TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX findings_of ON findings (fingerprint, number);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, body BLOB NOT NULL, closed_at INTEGER
) STRICT;
CREATE INDEX open_outbox ON outbox (number) WHERE closed_at IS NULL;
CREATE TABLE attempts (
    key TEXT NOT NULL, channel TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER NOT NULL DEFAULT 0, delivered_at INTEGER, error TEXT, PRIMARY KEY (key, channel)
) STRICT, WITHOUT ROWID;
"""
_VERSION_2 = """
ALTER TABLE attempts ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
CREATE TABLE positions (name TEXT PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL) STRICT;
"""
MIGRATIONS = (_VERSION_1, _VERSION_2)
"""How to get from each version to the next one; the version of a file is how many of them it has had."""

_FREE = "Free space or mend the permission, then try again."


@contextmanager
def read_transaction(path: Path, wait: float = BUSY) -> Iterator[sqlite3.Connection | None]:
    """Open a consistent view of the database; None when there is no database yet.

    Args:
        wait: seconds to wait where another process has locked it.

    Raises:
        AlertStoreFailed: it cannot be read, or is of another version.
    """
    with _translate_errors(path):
        if not path.exists():
            yield None
            return
        with closing(_connect(path, wait)) as connection:
            if _version(connection, path) < len(MIGRATIONS):
                _migrate(path, connection)
            connection.execute("BEGIN")
            yield connection


@contextmanager
def write_transaction(path: Path, wait: float = BUSY) -> Iterator[sqlite3.Connection]:
    """Open a transaction that is on the disk when the block ends, and undone when an error leaves the block.

    Raises:
        AlertStoreFailed: it cannot be opened or written, another writer holds it too long, or it is of another version.
    """
    with _translate_errors(path):
        if not path.exists():
            _create(path)
        with closing(_connect(path, wait)) as connection:
            if _version(connection, path) < len(MIGRATIONS):
                _migrate(path, connection)
            connection.execute("BEGIN IMMEDIATE")
            yield connection  # an error closes the connection, which undoes what was not committed
            connection.execute("COMMIT")


def _connect(path: Path, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_IDENTITY = (  # one statement sees one moment, also while another process makes the tables
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
    "FROM pragma_application_id, pragma_user_version"
)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    application, version, tables = connection.execute(_IDENTITY).fetchone()
    if application != APPLICATION and (application or version or tables):
        raise AlertStoreFailed(str(path), "it is a database of something else", "Move the file away.")
    if version > len(MIGRATIONS):
        raise AlertStoreFailed(
            str(path), f"its version is {version} and this feature-platform knows up to {len(MIGRATIONS)}",
            "Use the newer feature-platform that wrote it.",
        )  # fmt: skip
    return int(version)


def _create(path: Path) -> None:
    """Create an empty file that only its owner can read. SQLite gives its side files the same permissions."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step whole or not at all; one process at a time."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
        for version in range(_version(connection, path), len(MIGRATIONS)):
            connection.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA application_id = {APPLICATION}; "
                f"PRAGMA user_version = {version + 1}; COMMIT;"
            )
    finally:
        os.close(lock)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the disk as one clear error."""
    try:
        yield
    except OSError as error:
        raise AlertStoreFailed(str(path), str(error.strerror or error), _FREE) from None
    except sqlite3.OperationalError as error:
        locked = "locked" in str(error) or "busy" in str(error)
        remedy = "Another process is writing; try again." if locked else _FREE
        raise AlertStoreFailed(str(path), str(error), remedy) from None
    except sqlite3.DatabaseError as error:
        remedy = "Restore the file from a copy, or move it away: open alerts are then found anew."
        raise AlertStoreFailed(str(path), str(error), remedy) from None

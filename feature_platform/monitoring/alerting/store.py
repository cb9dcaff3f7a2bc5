"""The store of alerts: `<folder>/alerts.db`, which keeps the book, every finding, and every message until it is sent.

A change of the book and the messages that come of it are one transaction: a killed process leaves both or neither.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from feature_platform.ground.clock import microsecond_of, moment_of
from feature_platform.ground.errors import AlertStoreFailed, UnknownAlert
from feature_platform.monitoring.alerting.alert import Alert
from feature_platform.monitoring.alerting.book import Book, BudgetEntry, DigestLine
from feature_platform.monitoring.alerting.database import BUSY, read_transaction, write_transaction
from feature_platform.monitoring.alerting.finding import Evaluation, Finding, combine_evaluations
from feature_platform.monitoring.alerting.policy import Silence
from feature_platform.parts.alert_channels.message import Message

RETENTION = "90d"
"""How long the sensor and the command keep findings, delivered messages and names of evaluations."""

T = TypeVar("T")
Change = Callable[[Book], tuple[Book, tuple[Message, ...]]]
Positions = Mapping[str, tuple[str, int]]
"""Up to which version tables were looked at: by name, Delta's own name of the table and the version."""

EvaluationChange = Callable[[Book, Evaluation], tuple[Book, tuple[Message, ...]]]


@dataclass(frozen=True)
class PastFinding:
    """A finding as the history keeps it."""

    at: datetime
    evaluation: str
    finding: Finding


@dataclass(frozen=True)
class SentMessage:
    """A message and how far it is on its way; `channel` is empty and `delivered_at` None while no channel was tried.

    Attributes:
        error: what went wrong last; None when nothing did.
    """

    at: datetime
    event: str
    subject: str
    channel: str
    attempts: int
    delivered_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class _Memory:
    """The rest of the book, as one row of the database."""

    pages: tuple[BudgetEntry, ...] = ()
    lines: tuple[DigestLine, ...] = ()


class AlertStore:
    """The alerts of one root, for several processes on one machine at once.

    Holds nothing open. The folder is made at the first change; it must not be on a network file system.

    Args:
        wait: seconds to wait where another process has locked it, before `AlertStoreFailed`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     AlertStore(folder).book().alerts
    {}
    """

    def __init__(self, folder: str | os.PathLike[str], *, wait: float = BUSY) -> None:
        self.path = Path(folder).expanduser().absolute() / "alerts.db"
        self.wait = wait

    def __repr__(self) -> str:
        return f"AlertStore({str(self.path.parent)!r})"

    def exists(self) -> bool:
        """Tell whether there is a database. There is one after the first change.

        Raises:
            AlertStoreFailed: the file may not be read.
        """
        with read_transaction(self.path, self.wait) as connection:
            return connection is not None

    def book(self) -> Book:
        """Return the state of all alerts; empty when there never was one."""
        with read_transaction(self.path, self.wait) as connection:
            return Book() if connection is None else _read(connection, self.path)

    def change(self, change: Change, now: datetime) -> tuple[Message, ...]:
        """Replace the book by what `change` makes of it, and put its messages into the outbox.

        Raises:
            AlertStoreFailed: nothing was changed.
        """
        with write_transaction(self.path, self.wait) as connection:
            return _apply_change(connection, self.path, change, now)

    def take_in(
        self,
        evaluations: Sequence[Evaluation],
        change: EvaluationChange,
        now: datetime,
        positions: Positions | None = None,
    ) -> tuple[Message, ...]:
        """Change the book by those evaluations that were never taken in, seen as one; all of it or nothing.

        Where all were, nothing is changed and no message comes back. Their findings are kept in the history.

        Args:
            change: makes a new book from the present one and the new evaluations together.
            positions: up to where the evaluations have looked. They outlive the names of evaluations, which are
                forgotten, so that a lost cursor notifies nobody twice.

        Raises:
            AlertStoreFailed: nothing was changed.
        """
        with write_transaction(self.path, self.wait) as connection:
            at, insert = microsecond_of(now), "INSERT OR IGNORE INTO evaluations VALUES (?, ?)"
            new = [each for each in evaluations if connection.execute(insert, (each.id, at)).rowcount]
            if not new:
                return ()
            _keep_positions(connection, positions or {})
            findings = [(of.id, each.fingerprint, at, msgspec.json.encode(each)) for of in new for each in of.findings]
            keep = "INSERT INTO findings (evaluation, fingerprint, at, body) VALUES (?, ?, ?, ?)"
            connection.executemany(keep, findings)
            return _apply_change(connection, self.path, lambda book: change(book, combine_evaluations(new)), now)

    def known_evaluations(self, evaluations: Collection[str]) -> set[str]:
        """Return those of the ids of evaluations that were taken in before."""
        query = "SELECT id FROM evaluations WHERE id IN (SELECT value FROM json_each(?))"
        asked = msgspec.json.encode(list(evaluations)).decode()
        with read_transaction(self.path, self.wait) as connection:
            return set() if connection is None else {name for (name,) in connection.execute(query, (asked,))}

    def positions(self) -> Positions:
        """Return up to which version of each table everything was taken in."""
        with read_transaction(self.path, self.wait) as connection:
            rows = (
                () if connection is None else connection.execute("SELECT name, id, version FROM positions").fetchall()
            )
        return {name: (table, version) for name, table, version in rows}

    def history(self, fingerprint: str, limit: int = 20) -> tuple[PastFinding, ...]:
        """Return the newest findings about an alert, newest first."""
        query = "SELECT at, evaluation, body FROM findings WHERE fingerprint = ? ORDER BY number DESC LIMIT ?"
        with read_transaction(self.path, self.wait) as connection:
            rows = () if connection is None else connection.execute(query, (fingerprint, limit)).fetchall()
        return tuple(PastFinding(moment_of(at), name, decode_row(body, Finding, self.path)) for at, name, body in rows)

    def messages_about(self, fingerprint: str, limit: int = 20) -> tuple[SentMessage, ...]:
        """Return the newest messages about an alert, and how far each is on each channel, newest first."""
        query = """
            SELECT outbox.at, outbox.body, coalesce(channel, ''), coalesce(attempts, 0), delivered_at, error
            FROM outbox LEFT JOIN attempts USING (key)
            WHERE EXISTS (SELECT 1 FROM json_each(outbox.body, '$.about') WHERE value = ?)
            ORDER BY number DESC, channel LIMIT ?
        """
        with read_transaction(self.path, self.wait) as connection:
            rows = () if connection is None else connection.execute(query, (fingerprint, limit)).fetchall()
        messages = []
        for at, body, channel, attempts, delivered_at, error in rows:
            message, when = (
                decode_row(body, Message, self.path),
                None if delivered_at is None else moment_of(delivered_at),
            )
            messages.append(SentMessage(moment_of(at), message.event, message.subject, channel, attempts, when, error))
        return tuple(messages)

    def alert(self, name: str) -> Alert:
        """Return the alert whose fingerprint is or begins with `name`.

        Raises:
            UnknownAlert: there is none, or more than one.
        """
        return find_alert(self.book(), name)

    def forget(self, before: datetime) -> int:
        """Remove findings, delivered messages and names of evaluations older than a moment; how many rows went.

        Alerts stay, and so does every message that is still to be delivered.
        """
        at, removed = microsecond_of(before), 0
        with write_transaction(self.path, self.wait) as connection:
            for statement in (
                "DELETE FROM findings WHERE at < ?",
                "DELETE FROM evaluations WHERE at < ?",
                "DELETE FROM attempts WHERE key IN (SELECT key FROM outbox WHERE closed_at < ?)",
                "DELETE FROM outbox WHERE closed_at < ?",
            ):
                removed += connection.execute(statement, (at,)).rowcount
        return removed


def find_alert(book: Book, name: str) -> Alert:
    """Return the alert of a book whose fingerprint is or begins with `name`; see `AlertStore.alert`."""
    matching = [each for key, each in book.alerts.items() if name and key.startswith(name)]
    if len(matching) != 1:
        problem = "begins the id of several" if matching else "is not there"
        raise UnknownAlert("Alert", name, problem, "See `feature-platform alerts list --all`.")
    return matching[0]


def _apply_change(connection: sqlite3.Connection, path: Path, change: Change, now: datetime) -> tuple[Message, ...]:
    before = _read(connection, path)
    after, messages = change(before)
    _write(connection, before, after)
    out = [(each.key, microsecond_of(now), msgspec.json.encode(each)) for each in messages]
    connection.executemany("INSERT INTO outbox (key, at, body) VALUES (?, ?, ?)", out)
    return messages


def _keep_positions(connection: sqlite3.Connection, positions: Positions) -> None:
    """Move positions on; never back, as where two look at once, unless the table was made anew."""
    keep = """
        INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
        version = CASE WHEN id = excluded.id THEN max(version, excluded.version) ELSE excluded.version END,
        id = excluded.id
    """
    connection.executemany(keep, [(name, table, version) for name, (table, version) in sorted(positions.items())])


def _read(connection: sqlite3.Connection, path: Path) -> Book:
    alerts = connection.execute("SELECT fingerprint, body FROM alerts ORDER BY fingerprint").fetchall()
    silences = connection.execute("SELECT body FROM silences ORDER BY id").fetchall()
    memory = connection.execute("SELECT body FROM memory").fetchone()
    memory_value = decode_row(memory[0], _Memory, path) if memory else _Memory()
    return Book(
        {key: decode_row(body, Alert, path) for key, body in alerts},
        tuple(decode_row(body, Silence, path) for (body,) in silences),
        memory_value.pages,
        memory_value.lines,
    )


def _write(connection: sqlite3.Connection, before: Book, after: Book) -> None:
    changed = [each for key, each in after.alerts.items() if before.alerts.get(key) != each]
    rows = [(each.fingerprint, msgspec.json.encode(each)) for each in changed]
    connection.executemany("INSERT OR REPLACE INTO alerts VALUES (?, ?)", rows)
    if before.silences != after.silences:
        connection.execute("DELETE FROM silences")
        connection.executemany(
            "INSERT INTO silences VALUES (?, ?)", [(each.id, msgspec.json.encode(each)) for each in after.silences]
        )
    if (before.pages, before.lines) != (after.pages, after.lines):
        memory = msgspec.json.encode(_Memory(after.pages, after.lines))
        connection.execute("INSERT OR REPLACE INTO memory VALUES (1, ?)", (memory,))


def decode_row(body: bytes, kind: type[T], path: Path) -> T:
    """Decode the body of a row; `AlertStoreFailed` when it does not hold such a value."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AlertStoreFailed(str(path), f"a row is damaged: {error}", "Restore the file from a copy.") from None

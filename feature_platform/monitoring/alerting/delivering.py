"""Delivery: every message of the outbox to every channel that takes it, at least once, until the channel has it.

A message is claimed, sent, and marked, in this order: a process that is killed in between leaves a claim that ends, and
the message goes out again with the same key. A channel that fails does not delay another one. On one channel the
messages about an alert keep their order, so that its end never comes before its beginning: a message that waits delays
the later ones. Only a message that the receiver refused delays none. It is given up once a later message about the same
alert has gone out.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.ground.clock import microsecond_of, moment_of
from feature_platform.ground.errors import DeliveryFailed, PackageMissing
from feature_platform.monitoring.alerting.database import read_transaction, write_transaction
from feature_platform.monitoring.alerting.store import AlertStore, decode_row
from feature_platform.parts.alert_channels import Channel, Message

CLAIM = 15 * 60  # seconds; longer than a pass over one channel takes
LONGEST_PASS = 50  # messages for one channel
_FIRST, _LONGEST = 30, 3600  # seconds between attempts: 30, 60, 120, ... at most an hour
_SECOND = 1_000_000
_GIVEN_UP = 2  # of `attempts.refused`: a later message about the same alert went out


@dataclass(frozen=True)
class DeliveryReport:
    """The result of one pass over the channels.

    Attributes:
        delivered: messages times channels.
        failed: the errors of this pass, in order; each message is tried again.
        pending: messages that some channel still has to get.
    """

    delivered: int
    failed: tuple[DeliveryFailed | PackageMissing, ...]
    pending: int


@dataclass(frozen=True)
class PendingMessages:
    """The messages that are still to be delivered: how many, and when the oldest was made (None: there is none)."""

    count: int
    oldest: datetime | None


def deliver_pending(store: AlertStore, channels: Sequence[Channel], now: datetime) -> DeliveryReport:
    """Send what is due to each channel, oldest first; several processes may do so at once.

    After a failure a channel is left alone until the next pass, unless it refused that very message. A message that no
    channel takes is closed: the filters of the channels say so. With no channels nothing is sent and nothing is lost.

    Args:
        channels: those of the settings; a message that waits for one that is no longer there waits no more.

    Raises:
        AlertStoreFailed: the store cannot be read or written.
    """
    delivered, failed = 0, []
    waiting = _open_messages(store)
    for channel in channels:
        queue = _Queue([each for each in waiting if channel.takes(each)], _read_attempts(store, channel), now)
        for _ in range(LONGEST_PASS):
            message = queue.next()
            if message is None:
                break
            if not _claim(store, message, channel, now):
                queue.hold(message)
                continue
            try:
                channel.send(message)
            except (DeliveryFailed, PackageMissing) as error:
                failed.append(error)
                _note_failure(store, message, channel, error, now)
                if not (isinstance(error, DeliveryFailed) and error.refused):
                    break
                queue.note_refusal(message)
            else:
                delivered += 1
                _note_delivery(store, message, channel, now, queue.outdated_by(message))
    pending = _close(store, waiting, channels, now) if channels and waiting else len(waiting)
    return DeliveryReport(delivered, tuple(failed), pending)


def pending_messages(store: AlertStore) -> PendingMessages:
    """Return how many messages are still to be delivered, and when the oldest was made."""
    query = "SELECT count(*), min(at) FROM outbox WHERE closed_at IS NULL"
    with read_transaction(store.path, store.wait) as connection:
        count, oldest = (0, None) if connection is None else connection.execute(query).fetchone()
    return PendingMessages(count, None if oldest is None else moment_of(oldest))


def wait_after(attempts: int, retry_after: int | None = None) -> int:
    """Return the seconds before the next attempt after that many failures, or what the receiver asks if longer.

    >>> [wait_after(n) for n in (1, 2, 3, 20)], wait_after(1, 90)
    ([30, 60, 120, 3600], 90)
    """
    grown = min(_FIRST << min(attempts - 1, 10), _LONGEST)
    return max(grown, min(retry_after or 0, _LONGEST))


@dataclass(frozen=True)
class _Attempt:
    """The attempts to send a message on a channel; `refused` is 1 when the receiver refused it, 2 when given up."""

    next_at: int
    claimed_until: int
    delivered: bool
    refused: int

    @property
    def is_done(self) -> bool:
        return self.delivered or self.refused == _GIVEN_UP

    def is_due(self, at: int) -> bool:
        return not self.is_done and self.next_at <= at and self.claimed_until <= at


class _Queue:
    """The messages that one channel takes, oldest first; those about one alert in their order."""

    def __init__(self, messages: Sequence[Message], tried: Mapping[str, _Attempt], now: datetime) -> None:
        self._left = [each for each in messages if each.key not in tried or not tried[each.key].is_done]
        self._refused: list[Message] = []
        self._tried, self._at, self._held = tried, microsecond_of(now), set[str]()

    def next(self) -> Message | None:
        """Take out the next message that is due and that nothing holds up."""
        while self._left:
            message = self._left.pop(0)
            tried = self._tried.get(message.key)
            if not self._held.isdisjoint(message.about):
                self.hold(message)
            elif tried is None or tried.is_due(self._at):
                return message
            elif tried.refused:
                self.note_refusal(message)
            else:
                self.hold(message)
        return None

    def hold(self, message: Message) -> None:
        """Let later messages about the same alerts wait, since this one does."""
        self._held.update(message.about)

    def note_refusal(self, message: Message) -> None:
        """Remember a message as one that the receiver refused."""
        self._refused.append(message)

    def outdated_by(self, message: Message) -> list[str]:
        """Return the keys of older messages about the same alerts that the receiver refused."""
        return [each.key for each in self._refused if not {*each.about}.isdisjoint(message.about)]


def _read_attempts(store: AlertStore, channel: Channel) -> dict[str, _Attempt]:
    """Return the attempts to deliver each open message to a channel, by the key of the message."""
    query = """
        SELECT key, next_at, claimed_until, delivered_at IS NOT NULL, refused FROM attempts JOIN outbox USING (key)
        WHERE channel = ? AND closed_at IS NULL
    """
    with read_transaction(store.path, store.wait) as connection:
        rows = [] if connection is None else connection.execute(query, (channel.name,)).fetchall()
    return {
        key: _Attempt(next_at, claimed, bool(delivered), refused) for key, next_at, claimed, delivered, refused in rows
    }


def _open_messages(store: AlertStore) -> list[Message]:
    query = "SELECT body FROM outbox WHERE closed_at IS NULL ORDER BY number"
    with read_transaction(store.path, store.wait) as connection:
        rows = [] if connection is None else connection.execute(query).fetchall()
    return [decode_row(body, Message, store.path) for (body,) in rows]


def _claim(store: AlertStore, message: Message, channel: Channel, now: datetime) -> bool:
    """Take a message for this process; False when it is delivered, not due, or another process has it."""
    at, key = microsecond_of(now), (message.key, channel.name)
    with write_transaction(store.path, store.wait) as connection:
        connection.execute("INSERT OR IGNORE INTO attempts (key, channel) VALUES (?, ?)", key)
        claim = """
            UPDATE attempts SET claimed_until = ?, attempts = attempts + 1 WHERE key = ? AND channel = ?
            AND delivered_at IS NULL AND next_at <= ? AND claimed_until <= ?
        """
        return connection.execute(claim, (at + CLAIM * _SECOND, *key, at, at)).rowcount == 1


def _note_delivery(
    store: AlertStore, message: Message, channel: Channel, now: datetime, outdated: Sequence[str]
) -> None:
    done = "UPDATE attempts SET delivered_at = ?, error = NULL, refused = 0 WHERE key = ? AND channel = ?"
    given_up = "UPDATE attempts SET refused = ? WHERE key = ? AND channel = ? AND delivered_at IS NULL"
    with write_transaction(store.path, store.wait) as connection:
        connection.execute(done, (microsecond_of(now), message.key, channel.name))
        connection.executemany(given_up, [(_GIVEN_UP, key, channel.name) for key in outdated])


def _note_failure(
    store: AlertStore, message: Message, channel: Channel, error: DeliveryFailed | PackageMissing, now: datetime
) -> None:
    key = (message.key, channel.name)
    asked = error.retry_after if isinstance(error, DeliveryFailed) else None
    with write_transaction(store.path, store.wait) as connection:
        [attempts] = connection.execute("SELECT attempts FROM attempts WHERE key = ? AND channel = ?", key).fetchone()
        failed = """
            UPDATE attempts SET claimed_until = 0, next_at = ?, error = ?, refused = ?
            WHERE key = ? AND channel = ?
        """
        again = microsecond_of(now) + wait_after(int(attempts), asked) * _SECOND
        refused = isinstance(error, DeliveryFailed) and error.refused
        connection.execute(failed, (again, getattr(error, "reason", str(error)), int(refused), *key))


def _close(store: AlertStore, waiting: Sequence[Message], channels: Sequence[Channel], now: datetime) -> int:
    """Close the messages that all their channels have; how many remain."""
    with write_transaction(store.path, store.wait) as connection:
        for message in waiting:
            wanted = {channel.name for channel in channels if channel.takes(message)}
            if wanted <= _has(connection, message):
                close = "UPDATE outbox SET closed_at = ? WHERE key = ? AND closed_at IS NULL"
                connection.execute(close, (microsecond_of(now), message.key))
        return int(connection.execute("SELECT count(*) FROM outbox WHERE closed_at IS NULL").fetchone()[0])


def _has(connection: sqlite3.Connection, message: Message) -> set[str]:
    query = "SELECT channel FROM attempts WHERE key = ? AND (delivered_at IS NOT NULL OR refused = 2)"
    return {name for (name,) in connection.execute(query, (message.key,))}

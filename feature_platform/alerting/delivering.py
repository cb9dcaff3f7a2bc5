"""Delivery: every message of the outbox to every channel that takes it, at least once, until the channel has it.

A message is claimed, sent, and marked, in this order: who is killed in between leaves a claim that ends, and the
message goes out again with the same key. A channel that fails holds up no other.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.alerting.database import reading, writing
from feature_platform.alerting.store import AlertStore, decoded
from feature_platform.alerts import Channel, Message
from feature_platform.clock import microsecond_of, moment_of
from feature_platform.errors import DeliveryFailed, PackageMissing

CLAIM = 15 * 60  # seconds; longer than a pass over one channel takes
LONGEST_PASS = 50  # messages for one channel
_FIRST, _LONGEST = 30, 3600  # seconds between attempts: 30, 60, 120, ... at most an hour
_SECOND = 1_000_000


@dataclass(frozen=True)
class Delivered:
    """What a pass came to.

    Attributes:
        delivered: messages times channels.
        failed: the errors of this pass, in order; each message is tried again.
        pending: messages that some channel still has to get.
    """

    delivered: int
    failed: tuple[DeliveryFailed | PackageMissing, ...]
    pending: int


@dataclass(frozen=True)
class Pending:
    """The messages that are still to be delivered: how many, and when the oldest was made (None: there is none)."""

    count: int
    oldest: datetime | None


def deliver_pending(store: AlertStore, channels: Sequence[Channel], now: datetime) -> Delivered:
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
        for message in [each for each in waiting if channel.takes(each)][:LONGEST_PASS]:
            if not _claimed(store, message, channel, now):
                continue
            try:
                channel.send(message)
            except (DeliveryFailed, PackageMissing) as error:
                failed.append(error)
                _note_failure(store, message, channel, error, now)
                if not (isinstance(error, DeliveryFailed) and error.refused):
                    break
            else:
                delivered += 1
                _note_delivery(store, message, channel, now)
    pending = _close(store, waiting, channels, now) if channels and waiting else len(waiting)
    return Delivered(delivered, tuple(failed), pending)


def pending_messages(store: AlertStore) -> Pending:
    """What is still to be delivered."""
    query = "SELECT count(*), min(at) FROM outbox WHERE closed_at IS NULL"
    with reading(store.path, store.wait) as connection:
        count, oldest = (0, None) if connection is None else connection.execute(query).fetchone()
    return Pending(count, None if oldest is None else moment_of(oldest))


def wait_after(attempts: int, retry_after: int | None = None) -> int:
    """Seconds until a message is tried again after that many failed attempts, or what the receiver asks if longer.

    >>> [wait_after(n) for n in (1, 2, 3, 20)], wait_after(1, 90)
    ([30, 60, 120, 3600], 90)
    """
    grown = min(_FIRST << min(attempts - 1, 10), _LONGEST)
    return max(grown, min(retry_after or 0, _LONGEST))


def _open_messages(store: AlertStore) -> list[Message]:
    query = "SELECT body FROM outbox WHERE closed_at IS NULL ORDER BY number"
    with reading(store.path, store.wait) as connection:
        rows = [] if connection is None else connection.execute(query).fetchall()
    return [decoded(body, Message, store.path) for (body,) in rows]


def _claimed(store: AlertStore, message: Message, channel: Channel, now: datetime) -> bool:
    """Take a message for this process; False when it is delivered, not due, or another process has it."""
    at, key = microsecond_of(now), (message.key, channel.name)
    with writing(store.path, store.wait) as connection:
        connection.execute("INSERT OR IGNORE INTO attempts (key, channel) VALUES (?, ?)", key)
        claim = """
            UPDATE attempts SET claimed_until = ?, attempts = attempts + 1 WHERE key = ? AND channel = ?
            AND delivered_at IS NULL AND next_at <= ? AND claimed_until <= ?
        """
        return connection.execute(claim, (at + CLAIM * _SECOND, *key, at, at)).rowcount == 1


def _note_delivery(store: AlertStore, message: Message, channel: Channel, now: datetime) -> None:
    done = "UPDATE attempts SET delivered_at = ?, error = NULL WHERE key = ? AND channel = ?"
    with writing(store.path, store.wait) as connection:
        connection.execute(done, (microsecond_of(now), message.key, channel.name))


def _note_failure(
    store: AlertStore, message: Message, channel: Channel, error: DeliveryFailed | PackageMissing, now: datetime
) -> None:
    key = (message.key, channel.name)
    asked = error.retry_after if isinstance(error, DeliveryFailed) else None
    with writing(store.path, store.wait) as connection:
        [attempts] = connection.execute("SELECT attempts FROM attempts WHERE key = ? AND channel = ?", key).fetchone()
        failed = "UPDATE attempts SET claimed_until = 0, next_at = ?, error = ? WHERE key = ? AND channel = ?"
        again = microsecond_of(now) + wait_after(int(attempts), asked) * _SECOND
        connection.execute(failed, (again, getattr(error, "reason", str(error)), *key))


def _close(store: AlertStore, waiting: Sequence[Message], channels: Sequence[Channel], now: datetime) -> int:
    """Close the messages that all their channels have; how many remain."""
    with writing(store.path, store.wait) as connection:
        for message in waiting:
            wanted = {channel.name for channel in channels if channel.takes(message)}
            if wanted <= _has(connection, message):
                close = "UPDATE outbox SET closed_at = ? WHERE key = ? AND closed_at IS NULL"
                connection.execute(close, (microsecond_of(now), message.key))
        return int(connection.execute("SELECT count(*) FROM outbox WHERE closed_at IS NULL").fetchone()[0])


def _has(connection: sqlite3.Connection, message: Message) -> set[str]:
    query = "SELECT channel FROM attempts WHERE key = ? AND delivered_at IS NOT NULL"
    return {name for (name,) in connection.execute(query, (message.key,))}

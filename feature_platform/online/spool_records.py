"""The records of a spool: a push as its bytes, and back."""

import zlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import polars as pl

from feature_platform.ground import clock

_OFFLINE = "x"  # behind the time of a push that is not to be online
_MESSAGES = "m"  # behind the time of a push of messages
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, EOFError)
"""Errors that mean that the rows of a push cannot be read."""


@dataclass(frozen=True)
class Pushed:
    """The rows of one push, and its place among all pushes.

    Attributes:
        spool: the incarnation of the spool that took it.
        sequence: rises with every push to the spool, from 0 on.
        arrived_at: when the spool took it (UTC); never earlier than the push before.
        online: it is to be applied online, and not only to be logged.
        are_messages: its rows are messages of a stream, each a push by itself, with their place in it in working
            columns, as in the log.
    """

    spool: str
    sequence: int
    source: str
    arrived_at: datetime
    rows: pl.DataFrame
    online: bool = True
    are_messages: bool = False


@dataclass(frozen=True)
class NewPush:
    """Rows that a spool is to take; see `Pushed`."""

    source: str
    rows: pl.DataFrame
    online: bool = True
    are_messages: bool = False


@dataclass(frozen=True)
class Head:
    """The facts of a push without its rows; a push from before there were incarnations has no checksum."""

    arrived: int
    online: bool
    spool: str
    checksum: int | None
    source: str
    are_messages: bool = False

    @staticmethod
    def read(text: bytes, first: str) -> "Head":
        """Read a head back from its bytes; `ValueError` for what is no head."""
        facts, source = text.decode().split(" ", 1)
        arrived, *rest = facts.split(":")
        spool, checksum = (rest[0], int(rest[1], 16)) if rest else (first, None)
        online, are_messages = _OFFLINE not in arrived, _MESSAGES in arrived
        return Head(int(arrived.rstrip(_OFFLINE + _MESSAGES)), online, spool, checksum, source, are_messages)

    def to_bytes(self) -> bytes:
        """Write the head as bytes; one without a checksum stays without."""
        arrived = f"{self.arrived}{'' if self.online else _OFFLINE}{_MESSAGES if self.are_messages else ''}"
        name = f":{self.spool}:" + ("" if self.checksum is None else f"{self.checksum:08x}")
        return f"{arrived}{name} {self.source}".encode()


def read_push(sequence: int, head: Head, content: bytes) -> Pushed | tuple[int, str]:
    """Return a push from its head and its bytes; for one that cannot be read, its number and the reason."""
    if head.checksum is not None and zlib.crc32(content) != head.checksum:
        return sequence, "its rows are not what was written"
    try:
        rows = pl.read_ipc_stream(BytesIO(content))
    except UNREADABLE as error:
        return sequence, f"its rows cannot be read ({type(error).__name__})"
    return Pushed(
        head.spool, sequence, head.source, clock.moment_of(head.arrived), rows, head.online, head.are_messages
    )


def pack_push(rows: pl.DataFrame) -> bytes:
    """Return rows as bytes."""
    target = BytesIO()
    rows.rechunk().write_ipc_stream(target)
    return target.getvalue()


def key_of(sequence: int) -> bytes:
    """Return the key of a push; keys sort as their numbers."""
    return sequence.to_bytes(8, "big")


def sequence_of(key: bytes) -> int:
    """Return the number of a push from its key."""
    return int.from_bytes(key, "big")


def number_of(text: bytes) -> int:
    """Return a number that is stored as text."""
    return int(text)

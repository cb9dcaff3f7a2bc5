"""Limits: how much one request may bring and need, so that no client can use up the server.

A request over a limit is refused, with the limit in the message; nothing is cut off silently.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from feature_platform.ground.errors import RequestRefused, RequestTooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
DRAINED = 8  # times the limit: read on and thrown away, so that the client gets to read why it is refused


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        body: bytes of a request's body.
        entities: of one request; `features`: of one request that lists them.
        key: characters of the text of a join key.
        events: that the exact windows of one request are computed from: two to three million take a second of a core.
        head: bytes of the request line and the headers; `headers`: how many.
        read: seconds in which a whole request must have come.
        answer: seconds that an answer computed in a thread may take.
        waiting: how many such answers may wait at once.
        connections: that are open at once.
    """

    body: int = 4 * 2**20
    entities: int = 1_000
    features: int = 1_000
    key: int = 1_000
    events: int = 3_000_000
    head: int = 16 * 2**10
    headers: int = 100
    read: float = 10.0
    answer: float = 10.0
    waiting: int = 256
    connections: int = 4_096

    def check_entities(self, count: int) -> None:
        """Refuse too many entities."""
        if count > self.entities:
            raise RequestRefused(f"has {count} entities", f"Send at most {self.entities} at once.")

    def check_features(self, count: int) -> None:
        """Refuse too many features."""
        if count > self.features:
            raise RequestRefused(f"lists {count} features", f"List at most {self.features}.")

    def check_keys(self, columns: Mapping[str, Sequence[object]], names: Sequence[str], body: bytes) -> None:
        """Refuse join keys that are too long; a body that is shorter than the limit cannot hold one."""
        if len(body) <= self.key:
            return
        for name in names:
            for value in columns.get(name, ()):
                if isinstance(value, str) and len(value) > self.key:
                    raise RequestRefused(
                        f"has a join key `{name}` of {len(value)} characters", f"Keys have at most {self.key}."
                    )


class Disconnected(ConnectionError):
    """The client has closed the connection; no answer can be sent."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """Read the whole body of a request.

    Raises:
        RequestTooLarge: it is larger than the limit.
        Disconnected: the client went away before it was all there.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _read_on(receive, body, limit)
    if len(body) > limit:
        raise too_large_error(limit)
    return body


def too_large_error(limit: int) -> RequestTooLarge:
    """Return the error for a body over the limit."""
    return RequestTooLarge(f"has a body of more than {limit} bytes", "Send less at once.")


async def _read_on(receive: Receive, first: bytes, limit: int) -> bytes:
    """Read the rest of a body that comes in pieces; of one that is too long keep only as much as shows that."""
    pieces, size, seen, more = [first], len(first), len(first), True
    while more and seen <= limit * DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece, more = message.get("body", b""), message.get("more_body", False)
        seen += len(piece)
        if size <= limit:
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)

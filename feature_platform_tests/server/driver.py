"""Asking a server in this process: the ASGI messages of one request, without a socket."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from feature_platform.server.app import FeatureServer


@dataclass(frozen=True)
class Told:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def feast_error(self) -> dict[str, str]:
        """The error inside the string that is the body."""
        inside = json.loads(self.body)
        assert isinstance(inside, str)
        return json.loads(inside)


def ask(
    server: FeatureServer,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    pieces: Sequence[bytes] | None = None,
    query: bytes = b"",
) -> Told:
    """One request; GET without a body, POST with one, which is JSON unless it is bytes."""
    return asyncio.run(asked(server, path, body, method=method, headers=headers, pieces=pieces, query=query))


async def asked(
    server: FeatureServer,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    pieces: Sequence[bytes] | None = None,
    query: bytes = b"",
) -> Told:
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    waiting = list(pieces if pieces is not None else [sent])
    verb = method or ("GET" if body is None and pieces is None else "POST")
    scope = {"type": "http", "method": verb, "path": path, "query_string": query, "headers": list(headers)}
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        told.append(message)

    await server(scope, receive, send)
    if not told:
        return Told(0, {}, b"")
    start, *rest = told
    return Told(start["status"], dict(start["headers"]), b"".join(each["body"] for each in rest))

"""Routes: what can be requested where, by whom, and what a response is.

A route is a value; each part of the server (`native`, `feast`, `pages`, `pushes`) gives its own as a mapping from path
to route.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from feature_platform.access import Identity
from feature_platform.ground.errors import NotGranted

JSON = (b"content-type", b"application/json")


class Response(msgspec.Struct, frozen=True):  # made for every request, so that it has to be cheap to make
    """A response: the status, the body, and headers besides its length."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


class ServerRequest(msgspec.Struct, frozen=True):
    """A request to a route.

    Attributes:
        identity: who sends it; None where requests need no identity.
    """

    body: bytes
    query: bytes
    identity: Identity | None

    def require(self, scope: str) -> None:
        """Refuse a request whose identity is not granted a scope.

        Raises:
            NotGranted: the message names the identity and the scope.
        """
        if self.identity is not None and not self.identity.allows(scope):
            raise NotGranted(self.identity.name, scope[:200])


@dataclass(frozen=True)
class Route:
    """One path that can be requested.

    Attributes:
        open: requests need no identity.
        scope: the scope that is needed; None where the answer checks it (`ServerRequest.require`), or where any
            identity will do.
        feast: errors are written as Feast's clients understand them.
        quick: the same answer at once, without waiting for anything; None where that is not possible.
    """

    method: str
    answer: Callable[[ServerRequest], Awaitable[Response]]
    open: bool = False
    scope: str | None = None
    feast: bool = False
    quick: Callable[[ServerRequest], Response | None] | None = None


Routes = Mapping[str, Route]
"""From path to route."""


def as_json(value: object, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    """Return a response of JSON."""
    return Response(msgspec.json.encode(value), status, (JSON, *headers))

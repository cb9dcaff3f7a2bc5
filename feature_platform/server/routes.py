"""Routes: what is asked where, by whom, and what an answer is.

A route is a value; the parts of the server (`native`, `feast`, `pages`, later `pushes`) each give theirs as a mapping
from path to route.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from feature_platform.access import Identity
from feature_platform.ground.errors import NotGranted

JSON = (b"content-type", b"application/json")


class Answer(msgspec.Struct, frozen=True):  # made for every request, so that it has to be cheap to make
    """What goes back: the status, the body, and headers besides its length."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


class Asked(msgspec.Struct, frozen=True):
    """A request to a route.

    Attributes:
        identity: who asks; None where nobody needs to say.
    """

    body: bytes
    query: bytes
    identity: Identity | None

    def require(self, scope: str) -> None:
        """Refuse who is not granted a scope.

        Raises:
            NotGranted: names who asks and the scope.
        """
        if self.identity is not None and not self.identity.allows(scope):
            raise NotGranted(self.identity.name, scope[:200])


@dataclass(frozen=True)
class Route:
    """One thing that can be asked for.

    Attributes:
        open: nobody needs to say who they are.
        scope: what is needed; None where the answer asks itself (`Asked.require`), or any identity will do.
        feast: errors are told as Feast's clients understand them.
        quick: the same answer at once, without waiting for anything; None where that is not possible.
    """

    method: str
    answer: Callable[[Asked], Awaitable[Answer]]
    open: bool = False
    scope: str | None = None
    feast: bool = False
    quick: Callable[[Asked], Answer | None] | None = None


Routes = Mapping[str, Route]
"""From path to route."""


def as_json(value: object, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """An answer of JSON."""
    return Answer(msgspec.json.encode(value), status, (JSON, *headers))

"""The gate: it identifies who sends a request, for every route that is not open.

It is shut when access keys or JWT are configured, and shuts itself within a second of the first key being made. It
never opens again: whether keys are needed is decided at the start of the server, not by the file that a worker finds.
A request that cannot be checked is not let in.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from feature_platform.access import Identity, Keyring
from feature_platform.ground.errors import AccessKeysUnreadable, NotIdentified
from feature_platform.server.now import current_time

if TYPE_CHECKING:
    from feature_platform.access.jwt import TokenVerifier

_SCHEME = b"bearer "
_UNKNOWN = "has a token that is not known, or not valid any more"


class Gate:
    """The check of access keys and JWT in front of a server.

    Args:
        verifier: verifies JWT; None when no identity provider is configured.

    Attributes:
        shut: whether requests need an identity.
        keys_needed: whether access keys are in use: some were seen, or a file that should hold some.
        problem: why no identity can be checked, as of the last look; None where it can.
    """

    def __init__(self, keyring: Keyring, verifier: "TokenVerifier | None") -> None:
        self._keyring = keyring
        self._verifier = verifier
        self.problem: str | None = None
        self.keys_needed = keyring.has_keys
        self.shut = self.keys_needed or verifier is not None

    def look(self) -> None:
        """Look whether keys were made, or their file was damaged, since; call it about every second."""
        try:
            self._keyring.identify(b"", current_time(), time.monotonic())
            self.problem = None
        except AccessKeysUnreadable as error:
            self.problem = str(error)
        self.keys_needed = self.keys_needed or self.problem is not None or self._keyring.has_keys
        self.shut = self.shut or self.keys_needed

    async def identify(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity:
        """Identify who sends a request.

        Raises:
            NotIdentified, TokenRefused: nobody can be identified; the message says why, and nothing of the token.
            AccessKeysUnreadable, TokenNotVerifiable: it cannot be checked now.
        """
        identity = self.identify_at_once(headers)
        if identity is None and self._verifier is not None:
            identity = await asyncio.to_thread(self._verifier.verify, _token(headers), current_time())
        if identity is None:
            raise NotIdentified(_UNKNOWN)
        return identity

    def identify_at_once(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """Identify who sends a request; None for a JWT that has to be verified first. Raises as `identify`."""
        token, now = _token(headers), current_time()
        identity = self._keyring.identify(token, now, time.monotonic())
        if identity is None:
            if self._verifier is None or token.count(b".") != 2:
                raise NotIdentified(_UNKNOWN)
            identity = self._verifier.cached_identity(token, now)
        return identity


def _token(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    sent = [value for name, value in headers if name == b"authorization"]
    if not sent:
        raise NotIdentified("does not say whose it is")
    if len(sent) > 1 or sent[0][: len(_SCHEME)].lower() != _SCHEME:
        raise NotIdentified("has an `Authorization` that is not one bearer token")
    return sent[0][len(_SCHEME) :].strip()

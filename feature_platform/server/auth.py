"""The gate: who asks, for every route that is not open.

It is shut when access keys or JWT are configured, and shuts itself within a second of the first key being made. It
never opens again: whether keys are needed is decided at the start of the server, not by the file that a worker finds.
What cannot be checked is not let in.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from feature_platform.access import Identity, Keyring
from feature_platform.ground.errors import AccessKeysUnreadable, NotIdentified
from feature_platform.server.now import present

if TYPE_CHECKING:
    from feature_platform.access.jwt import TokenVerifier

_SCHEME = b"bearer "
_UNKNOWN = "has a token that is not known, or not valid any more"


class Gate:
    """Access keys and JWT of a server.

    Args:
        verifier: of JWT; None when no identity provider is configured.

    Attributes:
        shut: whether those who ask have to say who they are.
        keys_needed: whether access keys are among what is asked for: some were seen, or a file that should hold some.
        problem: why nobody can be let in, as of the last look; None where those who are known can be.
    """

    def __init__(self, keyring: Keyring, verifier: "TokenVerifier | None") -> None:
        self._keyring = keyring
        self._verifier = verifier
        self.problem: str | None = None
        self.keys_needed = keyring.has_keys
        self.shut = self.keys_needed or verifier is not None

    def look(self) -> None:
        """See whether keys were made, or their file was damaged, since; call it about every second."""
        try:
            self._keyring.identify(b"", present(), time.monotonic())
            self.problem = None
        except AccessKeysUnreadable as error:
            self.problem = str(error)
        self.keys_needed = self.keys_needed or self.problem is not None or self._keyring.has_keys
        self.shut = self.shut or self.keys_needed

    async def identify(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity:
        """Whose request it is.

        Raises:
            NotIdentified, TokenRefused: nobody's; says why, and nothing of the token.
            AccessKeysUnreadable, TokenNotVerifiable: it cannot be told now.
        """
        found = self.identify_at_once(headers)
        if found is None and self._verifier is not None:
            found = await asyncio.to_thread(self._verifier.verify, _token(headers), present())
        if found is None:
            raise NotIdentified(_UNKNOWN)
        return found

    def identify_at_once(self, headers: Sequence[tuple[bytes, bytes]]) -> Identity | None:
        """Whose request it is; None for a JWT that has to be verified first. Raises as `identify`."""
        token, now = _token(headers), present()
        found = self._keyring.identify(token, now, time.monotonic())
        if found is None:
            if self._verifier is None or token.count(b".") != 2:
                raise NotIdentified(_UNKNOWN)
            found = self._verifier.cached_identity(token, now)
        return found


def _token(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    sent = [value for name, value in headers if name == b"authorization"]
    if not sent:
        raise NotIdentified("does not say whose it is")
    if len(sent) > 1 or sent[0][: len(_SCHEME)].lower() != _SCHEME:
        raise NotIdentified("has an `Authorization` that is not one bearer token")
    return sent[0][len(_SCHEME) :].strip()

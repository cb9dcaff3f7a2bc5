"""Signing keys of an identity provider: from the address where it publishes them, or from a file.

When the keys cannot be read, `TokenNotVerifiable` is raised; a key that is not among those that were read is None.
"""

import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import jwt

from feature_platform.access.bind import is_loopback
from feature_platform.access.key_file import file_mark
from feature_platform.ground.clock import shift_moment
from feature_platform.ground.errors import InvalidDeclaration, TokenNotVerifiable

_RETRY_AFTER = 5_000_000  # microseconds without another try, so that requests do not queue up behind timeouts
# what PyJWT raises about a provider that is not there, is cut off, or says something else than keys
_NO_KEYS = (jwt.PyJWTError, OSError, ValueError, TypeError, AttributeError, RecursionError)


class SigningKeys(Protocol):
    """The source of the public keys of an issuer."""

    def key(self, kid: str, now: datetime) -> jwt.PyJWK | None:
        """Return the key of this id; None when there is none. `TokenNotVerifiable` when the keys cannot be read."""


def signing_keys(jwks: str, timeout: float, cooldown: float) -> SigningKeys:
    """Return the keys at a URL, kept for 5 minutes, or in a local file, read again when it changes.

    Args:
        jwks: a URL or a path. A URL must be https unless its host is this machine: anybody who can change the keys on
            their way can sign anything.
        timeout: seconds that the provider has to answer.
        cooldown: seconds after a fetch in which an unknown key id does not cause another fetch.

    Raises:
        InvalidDeclaration: a URL that is neither https nor on this machine.
    """
    if "://" not in jwks:
        return _InFile(Path(jwks))
    url = urlsplit(jwks)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise InvalidDeclaration("Setting `jwks_url`", f"is {jwks!r}", "Give an https address, or the path of a file.")
    return _AtAddress(jwks, timeout, cooldown)


class _AtAddress:
    """Keys at a URL; one thread fetches them at a time, and nobody waits for a key that is known already."""

    def __init__(self, url: str, timeout: float, cooldown: float) -> None:
        self._url = url
        self._client = jwt.PyJWKClient(url, timeout=timeout, cooldown_duration=cooldown)
        self._lock = threading.Lock()
        self._failed: tuple[datetime, str] | None = None

    def key(self, kid: str, now: datetime) -> jwt.PyJWK | None:
        key_set = self._client.jwk_set_cache.get() if self._client.jwk_set_cache else None
        if key_set is not None and (key := _signature_keys(key_set.keys).get(kid)) is not None:
            return key
        with self._lock:
            if self._failed and self._failed[0] <= now < shift_moment(self._failed[0], _RETRY_AFTER):
                raise TokenNotVerifiable(self._url, self._failed[1])
            try:
                return _signature_keys(self._client.get_signing_keys()).get(kid) or self._fetch_again(kid)
            except _NO_KEYS as error:
                self._failed = now, f"{type(error).__name__}: {error}"
                raise TokenNotVerifiable(self._url, self._failed[1]) from None

    def _fetch_again(self, kid: str) -> jwt.PyJWK | None:
        """Fetch the keys once more and return this one, if it is there; not again within the cooldown."""
        try:
            return self._client.get_signing_key(kid)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWKClientError:
            return None


class _InFile:
    """Keys in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, ...] | None, dict[str, jwt.PyJWK]] = None, {}

    def key(self, kid: str, now: datetime) -> jwt.PyJWK | None:
        mark, read = file_mark(self._path), self._read
        if mark is None or mark != read[0]:
            try:
                read = mark, _signature_keys(jwt.PyJWKSet.from_json(self._path.read_text()).keys)
            except _NO_KEYS as error:
                raise TokenNotVerifiable(str(self._path), f"{type(error).__name__}: {error}") from None
            self._read = read
        return read[1].get(kid)


def _signature_keys(keys: Iterable[jwt.PyJWK]) -> dict[str, jwt.PyJWK]:
    """Return the keys that have an id and are for signatures."""
    return {key.key_id: key for key in keys if isinstance(key.key_id, str) and key.public_key_use in ("sig", None)}

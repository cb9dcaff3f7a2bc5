"""The keyring: finds the key that a token belongs to, for every request.

A revoked key is refused from the next look at the file on, at most a second later; when the file cannot be read, nobody
gets in. A check takes 0.6 us without remembering any token, so there is no cache to invalidate.
"""

import hashlib
import hmac
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from feature_platform.access.key_file import AccessKey, file_mark, keys_path, read_keys
from feature_platform.access.keys import PREFIX, TOKEN_LENGTH
from feature_platform.access.scopes import Identity
from feature_platform.ground.errors import AccessKeysUnreadable

LOOK_EVERY = 1.0  # seconds

_UNREAD = ()  # the mark of no file
_ID = slice(len(PREFIX), TOKEN_LENGTH - 44)


class _KeyEntry(NamedTuple):
    digest: bytes
    identity: Identity | None
    expires_at: datetime | None


_NOBODY = _KeyEntry(
    bytes(32), None, None
)  # what an unknown id is compared with, so that it takes as long as a known one


class Keyring:
    """The keys of a folder, read again when their file changes.

    For one thread, such as that of an event loop.

    Args:
        folder: the folder of `keys.json`; without that file no token is known, until a key is made.
        needed: keys are known to be needed, whatever the file holds now. The first request then reads the file, and a
            missing file is an error as a damaged one is.

    Raises:
        AccessKeysUnreadable: the file is damaged or cannot be read, and it is not known that keys are needed.
    """

    def __init__(self, folder: Path, *, needed: bool = False) -> None:
        self._folder = folder
        self._path = keys_path(folder)
        self._look_at = float("-inf")
        self._mark: tuple[int, ...] | None = _UNREAD
        self._held: dict[bytes, _KeyEntry] = {}
        self._any = needed
        if not needed:
            self._load()

    def __repr__(self) -> str:
        return f"Keyring({str(self._folder)!r})"

    @property
    def has_keys(self) -> bool:
        """Tell whether keys are needed: any was seen so far, also a revoked one.

        Neither revoking nor deleting keys opens the server again.
        """
        return self._any

    def identify(self, token: bytes | str, now: datetime, monotonic: float) -> Identity | None:
        """Return whose token this is; None if it belongs to no key, or to one that is revoked or expired.

        Args:
            token: anything a client may send.
            now: with a zone; a key is valid while `now < expires_at`.
            monotonic: seconds, as `time.monotonic()` gives them; says when to look at the file again.

        Raises:
            AccessKeysUnreadable: the file is damaged or missing; nobody gets in until it is whole again.
        """
        if monotonic >= self._look_at:
            self._reload_if_changed(monotonic)
        if len(token) != TOKEN_LENGTH:
            return None
        sent = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
        entry = self._held.get(sent[_ID], _NOBODY)
        same = hmac.compare_digest(hashlib.sha256(sent).digest(), entry.digest)
        if not same or (entry.expires_at is not None and now >= entry.expires_at):
            return None
        return entry.identity

    def _reload_if_changed(self, monotonic: float) -> None:
        """Read the file again when it changed, or could not be read the last time."""
        self._look_at = monotonic + LOOK_EVERY
        if file_mark(self._path) != self._mark:
            self._load()

    def _load(self) -> None:
        mark = file_mark(self._path)  # before it is read: what changes in between is seen by the next look
        self._held, self._mark = {}, _UNREAD
        try:
            keys = self._read_file()
        except AccessKeysUnreadable:
            self._look_at = float("-inf")  # every request asks again, and is told
            raise
        self._mark, self._any = mark, self._any or bool(keys)
        self._held = {
            key.id.encode(): _KeyEntry(
                bytes.fromhex(key.hash), Identity(key.name, frozenset(key.scopes), key.id), key.expires_at
            )
            for key in keys
            if key.revoked_at is None
        }

    def _read_file(self) -> tuple[AccessKey, ...]:
        """Return the keys of the file; where keys are needed, a missing file is an error, not a file without keys."""
        keys = read_keys(self._folder)
        if not keys and self._any and file_mark(self._path) is None:
            raise AccessKeysUnreadable(str(self._path), "it is gone")
        return keys

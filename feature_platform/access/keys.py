"""Access keys: made, listed and revoked; the token is shown once and only its hash is kept.

A token is `fp_<id>_<secret>` with 256 random bits. A slow hash (bcrypt, argon2) protects secrets that can be guessed:
it makes each guess expensive. Nobody can guess 256 random bits, so one SHA-256 protects them as well and costs 0.3 us a
request instead of 100 ms.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from feature_platform.access.key_file import ID_LENGTH, AccessKey, change_keys, keys_path, read_keys
from feature_platform.access.scopes import check_scopes
from feature_platform.declarations.naming import describe_value
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import InvalidDeclaration, UnknownName

PREFIX = b"fp_"
TOKEN_LENGTH = len(PREFIX) + ID_LENGTH + 1 + 43  # 32 bytes are 43 letters of urlsafe base64

_ID = re.compile(rf"(?:fp_)?([0-9a-f]{{{ID_LENGTH}}})(?:_.*)?", re.DOTALL)
_LONGEST_NAME = 100


def create_key(
    folder: Path, name: str, scopes: Iterable[str], now: datetime, expires: datetime | None = None
) -> tuple[AccessKey, str]:
    """Make a key; return it with its token, which cannot be shown again.

    Args:
        folder: the folder of `keys.json`; made if it is missing, open to its owner only.
        name: who it is for: 1 to 100 printable characters. Two keys may share one, as while a key is replaced.
        scopes: at least one of `read:<service>`, `read:*`, `push`, `admin`.
        now: with a zone.
        expires: the first moment at which it is refused, after `now`; None: never.

    Raises:
        UnknownScope: a scope does not exist.
        InvalidDeclaration: the name cannot be shown, or the key would have expired.
        AccessKeysUnreadable, AccessKeysNotWritten: the file is damaged, or storage refuses.

    >>> from datetime import timezone
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     key, token = create_key(Path(folder), "airline", ["push"], datetime(2024, 1, 1, tzinfo=timezone.utc))
    ...     list_keys(Path(folder)) == (key,), token.startswith(f"fp_{key.id}_")
    (True, True)
    """
    granted, created = check_scopes(scopes), instant(now, "The moment of an access key")
    until = None if expires is None else instant(expires, "The end of an access key")
    _check_name(name)
    if until is not None and until <= created:
        raise InvalidDeclaration(
            f"Access key for `{name}`", f"would end at {until:%FT%TZ}, which is past", "Give a later end."
        )

    def add(keys: tuple[AccessKey, ...]) -> tuple[tuple[AccessKey, ...], tuple[AccessKey, str]]:
        key_id = _new_id({key.id for key in keys})
        token = f"{PREFIX.decode()}{key_id}_{secrets.token_urlsafe(32)}"
        key = AccessKey(key_id, name, granted, created, token_hash(token.encode()).hex(), until)
        return (*keys, key), (key, token)

    return change_keys(folder, add)


def list_keys(folder: Path) -> tuple[AccessKey, ...]:
    """Return all keys, oldest first, revoked and expired ones too; none when nobody made one.

    Raises:
        AccessKeysUnreadable: the file is damaged or cannot be read.
    """
    return read_keys(folder)


def revoke_key(folder: Path, key_id: str, now: datetime) -> AccessKey:
    """Refuse a key from now on; one that is revoked already stays as it is.

    Args:
        key_id: its id; a whole token is understood too, and only its id is used.

    Raises:
        UnknownName: no such key; a text that is no id is not repeated, because it may be a secret.
        AccessKeysUnreadable, AccessKeysNotWritten: the file is damaged, or storage refuses.
    """
    revoked, match = instant(now, "The moment of a revocation"), _ID.fullmatch(key_id)
    short_id = match[1] if match else "(no id)"

    def revoke(keys: tuple[AccessKey, ...]) -> tuple[tuple[AccessKey, ...], AccessKey]:
        by_id = {key.id: key for key in keys}
        if short_id not in by_id:
            raise UnknownName(str(keys_path(folder)), "access key", short_id, by_id)
        by_id[short_id] = replace(by_id[short_id], revoked_at=by_id[short_id].revoked_at or revoked)
        return tuple(by_id.values()), by_id[short_id]

    return change_keys(folder, revoke)


def token_hash(token: bytes) -> bytes:
    """Return the stored form of a token: SHA-256 over all of it, so that id and secret belong together."""
    return hashlib.sha256(token).digest()


def _new_id(used_ids: set[str]) -> str:
    while (key_id := secrets.token_hex(ID_LENGTH // 2)) in used_ids:
        pass
    return key_id


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InvalidDeclaration(
            f"Access key for {describe_value(name)}",
            "has a name that cannot be shown in a log",
            f"Say who it is for in 1 to {_LONGEST_NAME} printable characters.",
        )

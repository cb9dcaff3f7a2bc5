"""The file of access keys, `<folder>/keys.json`, of which every reader sees a whole version.

Writers take turns under a lock, write to another file, fsync and rename, so that a killed writer leaves the old file or
the new one. A missing file holds no keys; a file that cannot be read or understood is an error, never "no keys".
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from feature_platform.access.scopes import is_scope
from feature_platform.ground.errors import AccessKeysNotWritten, AccessKeysUnreadable, join_names

ID_LENGTH = 12

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
R = TypeVar("R")


@dataclass(frozen=True)
class AccessKey:
    """An access key as it is stored: everything but its secret.

    Attributes:
        id: public; what `feature-platform keys revoke` takes.
        name: who it is for.
        scopes: what it grants, sorted.
        created_at: UTC.
        hash: SHA-256 of the token, hexadecimal.
        expires_at: the first moment at which it is refused; None: never.
        revoked_at: when it was revoked; a key with such a moment is refused, even if the moment is still to come.
    """

    id: Annotated[str, msgspec.Meta(pattern=f"^[0-9a-f]{{{ID_LENGTH}}}$")]
    name: str
    scopes: tuple[str, ...]
    created_at: Moment
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] = field(repr=False)
    expires_at: Moment | None = None
    revoked_at: Moment | None = None

    def is_valid(self, now: datetime) -> bool:
        """Tell whether the key is accepted at a moment: not revoked, and `now < expires_at`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class KeyFile:
    """All keys, oldest first."""

    format: Literal[1]
    keys: tuple[AccessKey, ...]


@dataclass(frozen=True)
class _FileOfNames:
    keys: tuple[dict[str, msgspec.Raw], ...]


def keys_path(folder: Path) -> Path:
    """Return the path of the key file of a folder."""
    return folder / "keys.json"


def read_keys(folder: Path) -> tuple[AccessKey, ...]:
    """Return the keys of a folder, oldest first; none when nobody made one.

    Raises:
        AccessKeysUnreadable: the file exists, but cannot be read or is damaged.
    """
    path = keys_path(folder)
    try:
        content = path.read_bytes()
        stored = msgspec.json.decode(content, type=KeyFile).keys
        names = {name for key in msgspec.json.decode(content, type=_FileOfNames).keys for name in key}
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AccessKeysUnreadable(str(path), str(error.strerror)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AccessKeysUnreadable(str(path), f"it is damaged: {error}") from None
    if unknown := names - {each.name for each in fields(AccessKey)}:  # such as a misspelt `revoked_at`
        raise AccessKeysUnreadable(str(path), f"it is damaged: a key has {join_names(sorted(unknown))}")
    if len({key.id for key in stored}) < len(stored):
        raise AccessKeysUnreadable(str(path), "it is damaged: two keys have one id")
    if any(not is_scope(scope) for key in stored for scope in key.scopes):
        raise AccessKeysUnreadable(str(path), "it is damaged: it holds a scope that does not exist")
    return stored


def change_keys(folder: Path, change: Callable[[tuple[AccessKey, ...]], tuple[tuple[AccessKey, ...], R]]) -> R:
    """Replace the keys by what `change` makes of them, and return its result; one writer at a time.

    The folder is made if it is missing, open to its owner only.

    Raises:
        AccessKeysUnreadable: see `read_keys`; nothing is written.
        AccessKeysNotWritten: storage refuses; the old keys stay.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(folder):
            before = read_keys(folder)
            after, result = change(before)
            if after != before:
                _replace(folder, msgspec.json.format(msgspec.json.encode(KeyFile(1, after)), indent=1) + b"\n")
    except OSError as error:
        raise AccessKeysNotWritten(str(keys_path(folder)), str(error.strerror)) from None
    return result


def file_mark(path: Path) -> tuple[int, ...] | None:
    """Return numbers that change when a file is replaced or written; None when there is no file to see."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock the file for this block; the system releases the lock of a process that dies."""
    lock = os.open(folder / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(folder: Path, content: bytes) -> None:
    """Replace the content of the file in one step; it is on the disk when this returns."""
    unfinished = folder / ".keys.json.unfinished"  # one name, because there is one writer: what a killed one left goes
    unfinished.unlink(missing_ok=True)
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(keys_path(folder))
    finally:
        unfinished.unlink(missing_ok=True)
    _fsync_folder(folder)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

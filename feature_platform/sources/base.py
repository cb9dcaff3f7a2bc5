"""What a connector is: something that can be scanned lazily and that tells when its data changed."""

import glob
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl

from feature_platform.errors import InvalidDeclaration, SourceUnreadable

_HASH_WHOLE_BELOW = 256 * 1024 * 1024


class Connector(ABC):
    """A place that rows can be read from."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data is, for people; never holds a secret."""

    @property
    def reading(self) -> str:
        """How rows are read, when that changes them: part of the code version. Where they lie is not."""
        return ""

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """Return the errors that mean, while rows are read, that the data cannot be; Polars panics at some damage."""
        return (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)

    @abstractmethod
    def scan(self, owner: str) -> pl.LazyFrame:
        """All rows, lazily.

        Args:
            owner: the source's name, for errors.

        Raises:
            SourceUnreadable: nothing there, or nothing that can be read.
        """

    @abstractmethod
    def fingerprint(self, owner: str) -> str:
        """A short text that changes when the data does: the data version of the source."""


def local_files(location: str, owner: str) -> list[Path]:
    """The files of a path, a folder or a glob pattern, in name order.

    In a folder what begins with a dot or an underscore (checksums, markers of other tools) is left out.

    Raises:
        SourceUnreadable: there is no such file.
    """
    path = Path(location)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*.*") if not _hidden(file.relative_to(path)))
    else:
        inside = [path] if path.is_file() else [Path(name) for name in sorted(glob.glob(location))]  # noqa: PTH207
    files = [file for file in inside if file.is_file()]
    if not files:
        raise SourceUnreadable(owner, location, "there is no such file", "Check the path; `*` matches several files.")
    return files


def checked_path(kind: str, path: object) -> str:
    """A path as text.

    Raises:
        InvalidDeclaration: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise InvalidDeclaration(f"Connector {kind}", f"reads from {path!r}", "Give a path as text or pathlib.Path.")
    return str(os.fspath(path))


def reason_of(error: Exception) -> str:
    """The first line of an error, its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".! ")


def refuse_differing(schemas: Mapping[str, pl.Schema], owner: str, location: str, remedy: str) -> None:
    """Refuse files whose columns differ in name or type; their order does not count.

    Raises:
        SourceUnreadable: names the first two files that differ, and in what.
    """
    first, schema = next(iter(schemas.items()))
    for name, found in schemas.items():
        if dict(found) != dict(schema):
            here, there = _apart(found, schema), _apart(schema, found)
            reason = f"its files differ, {name} has {here} where {first} has {there}"
            raise SourceUnreadable(owner, location, reason, remedy)


def files_fingerprint(files: list[Path]) -> str:
    """A hash of the content of files; above 256 MB in all, of their names, sizes and times of change."""
    digest = hashlib.blake2b(digest_size=16)
    whole = sum(file.stat().st_size for file in files) <= _HASH_WHOLE_BELOW
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0".encode())
        digest.update(file.read_bytes() if whole else str(status.st_mtime_ns).encode())
    return digest.hexdigest()


def _apart(schema: pl.Schema, other: pl.Schema) -> str:
    own = [f"{name}: {dtype}" for name, dtype in schema.items() if other.get(name) != dtype]
    return ", ".join(own) or "no such column"


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)

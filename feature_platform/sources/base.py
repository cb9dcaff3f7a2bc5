"""What a connector is: something that can be scanned lazily and that tells when its data changed."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl

from feature_platform.errors import InvalidDeclaration

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

    def culprit(self, owner: str) -> str:
        """Return where the data is that cannot be read, after a run failed at it: one file where there are several."""
        return self.location

    @abstractmethod
    def fingerprint(self, owner: str) -> str:
        """A short text that changes when the data does: the data version of the source."""


def checked_path(kind: str, path: object) -> str:
    """A path as text.

    Raises:
        InvalidDeclaration: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise InvalidDeclaration(f"Connector {kind}", f"reads from {path!r}", "Give a path as text or pathlib.Path.")
    return str(os.fspath(path))


def failing(frames: Mapping[str, pl.LazyFrame], failures: tuple[type[BaseException], ...]) -> str | None:
    """Return the first of some files that cannot be read to its end; None when all can."""
    for name, frame in frames.items():
        try:
            frame.select(pl.all().null_count()).collect(engine="streaming")
        except failures:
            return name
    return None


def reason_of(error: BaseException) -> str:
    """The first line of an error, its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".! ")


def files_fingerprint(files: list[Path]) -> str:
    """A hash of the content of files; above 256 MB in all, of their names, sizes and times of change."""
    digest = hashlib.blake2b(digest_size=16)
    whole = sum(file.stat().st_size for file in files) <= _HASH_WHOLE_BELOW
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0".encode())
        digest.update(file.read_bytes() if whole else str(status.st_mtime_ns).encode())
    return digest.hexdigest()

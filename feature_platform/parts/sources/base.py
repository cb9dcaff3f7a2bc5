"""What a connector is: something that can be scanned lazily and that tells when its data changed."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.sources.found import data_files

Gone = Literal["kept", "taken", "refuse", "rolling"]
WHOLE_UNIT = "*"  # the name of the only unit of what cannot be read piece by piece
_GONE: tuple[Gone, ...] = get_args(Gone)
_HASH_WHOLE_BELOW = 256 * 1024 * 1024


@dataclass(frozen=True)
class DataUnit:
    """A piece of the data that comes, changes and goes as a whole: a file, or a data file of a Delta table.

    Attributes:
        stamp: changes whenever what the unit holds may have changed; cheap to find out.
    """

    name: str
    stamp: str


class Connector(ABC):
    """A place that rows can be read from.

    Attributes:
        gone: what a run does with published rows that are not there any more: see docs/how-to/late-and-gone-data.md.
        rewrites_units: whether the same rows may lie in another unit tomorrow, so that a missing unit says nothing.
    """

    kind: ClassVar[str]
    rewrites_units: ClassVar[bool] = False
    gone: Gone = "kept"

    @property
    @abstractmethod
    def location(self) -> str:
        """Return where the data is, for people; never holds a secret."""

    @property
    def reading(self) -> str:
        """Return how rows are read, when that changes them: part of the code version. Where they lie is not."""
        return ""

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """Return the errors that mean, while rows are read, that the data cannot be; Polars panics at some damage."""
        return (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)

    @abstractmethod
    def scan(self, owner: str) -> pl.LazyFrame:
        """Scan all rows lazily.

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
        """Return a short text that changes when the data does: the data version of the source."""

    def units(self, owner: str) -> list[DataUnit] | None:
        """List the units that the data lies in, without reading them; None when it lies in one piece.

        Raises:
            SourceUnreadable: nothing there.
        """
        return None

    def scan_units(
        self, owner: str, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        """Scan the rows of some units lazily, as `scan` would give them.

        Args:
            names: of units that `units` lists.
            schema: the columns of `scan`.
            label: the column that gets the name of each row's unit. Defaults to none.

        Raises:
            SourceUnreadable: a unit cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} lists no units")


class FileConnector(Connector):
    """A connector to files of one kind: one file, those of a folder, or those of a `*` pattern.

    Attributes:
        endings: of the names of files that count in a folder, in small letters.
    """

    endings: ClassVar[tuple[str, ...]]
    path: str

    @property
    def location(self) -> str:
        return self.path

    def files(self, owner: str) -> list[Path]:
        """List the files in the order of their names; see `data_files`."""
        return data_files(self.path, owner, self.endings)

    def fingerprint(self, owner: str) -> str:
        return _hash_files(self.files(owner))

    def units(self, owner: str) -> list[DataUnit]:
        return _units_of(self.files(owner))


def validate_path(kind: str, path: object) -> str:
    """Return a path as text.

    Raises:
        InvalidDeclaration: it is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise InvalidDeclaration(f"Connector {kind}", f"reads from {path!r}", "Give a path as text or pathlib.Path.")
    return str(os.fspath(path))


def first_unreadable(frames: Mapping[str, pl.LazyFrame], failures: tuple[type[BaseException], ...]) -> str | None:
    """Return the first of some files that cannot be read to its end; None when all can."""
    for name, frame in frames.items():
        try:
            frame.select(pl.all().null_count()).collect(engine="streaming")
        except failures:
            return name
    return None


def validate_gone(owner: str, gone: object) -> Gone:
    """Return what to do about rows that are gone.

    Raises:
        InvalidDeclaration: it is none of the words.
    """
    choice = next((word for word in _GONE if word == gone), None)
    if choice is None:
        raise InvalidDeclaration(owner, f"has gone={gone!r}", f"Say one of {', '.join(_GONE)}.")
    return choice


def _units_of(files: Sequence[Path]) -> list[DataUnit]:
    """Return files as units.

    Their stamps tell a file that was replaced by one of the same size and time (inode) or was given back an old time
    (time of the last change of its entry).
    """
    stats = ((file, file.stat()) for file in files)
    return [
        DataUnit(str(file), f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}")
        for file, stat in stats
    ]


def reason_of(error: BaseException) -> str:
    """Return the first line of an error, or its class where it has no text."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".! ")


def _hash_files(files: list[Path]) -> str:
    """Hash the content of files; above 256 MB in all, their names, sizes and times of change."""
    digest = hashlib.blake2b(digest_size=16)
    whole = sum(file.stat().st_size for file in files) <= _HASH_WHOLE_BELOW
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0".encode())
        digest.update(file.read_bytes() if whole else str(status.st_mtime_ns).encode())
    return digest.hexdigest()

"""Files as a source: a listing of them at one moment, of which each file is a unit."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

import polars as pl

from feature_platform.parts.sources.base import Connector, DataUnit, OpenedData
from feature_platform.parts.sources.found import data_files

_HASH_WHOLE_BELOW = 256 * 1024 * 1024


class OpenedFiles(OpenedData):
    """The files that were there at one moment, in the order of their names."""

    def __init__(self, files: Mapping[str, os.stat_result], owner: str) -> None:
        self.files = files
        self.owner = owner

    def scan(self) -> pl.LazyFrame:
        schema, _ = self.schemas({})
        return self.scan_units(list(self.files), schema)

    def fingerprint(self) -> str:
        return _hash_files(self.files)

    def units(self) -> list[DataUnit]:
        """List the files.

        Their stamps tell a file that was replaced by one of the same size and time (inode) or was given back an old
        time (time of the last change of its entry).
        """
        return [
            DataUnit(file, f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}")
            for file, stat in self.files.items()
        ]

    def schemas(self, known: Mapping[str, pl.Schema]) -> tuple[pl.Schema, Mapping[str, pl.Schema]]:
        new = self.schemas_of([file for file in self.files if file not in known])
        found = {file: new[file] if file in new else known[file] for file in self.files}
        return self.shared_schema(found), found

    @abstractmethod
    def schemas_of(self, files: Sequence[str]) -> dict[str, pl.Schema]:
        """Return the columns of each file as they are read; one without a value may be of type Null."""

    @abstractmethod
    def shared_schema(self, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
        """Return the columns of all files."""


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

    def open(self, owner: str) -> AbstractContextManager[OpenedFiles]:
        return nullcontext(self.open_files(data_files(self.path, owner, self.endings), owner))

    @abstractmethod
    def open_files(self, files: Mapping[str, os.stat_result], owner: str) -> OpenedFiles:
        """Return files as data that is open."""


def first_unreadable(
    frames: Iterable[tuple[str, pl.LazyFrame]], failures: tuple[type[BaseException], ...]
) -> str | None:
    """Return the first of some files that cannot be read to its end; None when all can."""
    for name, frame in frames:
        try:
            frame.select(pl.all().null_count()).collect(engine="streaming")
        except failures:
            return name
    return None


def _hash_files(files: Mapping[str, os.stat_result]) -> str:
    """Hash the content of files; above 256 MB in all, their names, sizes and times of change."""
    digest = hashlib.blake2b(digest_size=16)
    whole = sum(stat.st_size for stat in files.values()) <= _HASH_WHOLE_BELOW
    for file, stat in files.items():
        digest.update(f"{Path(file).name}\0{stat.st_size}\0".encode())
        digest.update(Path(file).read_bytes() if whole else str(stat.st_mtime_ns).encode())
    return digest.hexdigest()

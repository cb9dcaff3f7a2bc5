"""Files as a source: a listing of them at one moment, of which each file is a unit."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import polars as pl

from feature_platform.ground import clock
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.parts.sources.base import (
    WHOLE_UNIT,
    Changed,
    Connector,
    DataUnit,
    Gone,
    OpenedData,
    validate_changed,
    validate_gone,
    validate_path,
)
from feature_platform.parts.sources.places import HERE, FileFacts, Place, StoredPath

_HASH_WHOLE_BELOW = 256 * 1024 * 1024


class OpenedFiles(OpenedData):
    """The files that were there at one moment, in the order of their names.

    Attributes:
        options: what Polars needs to read them where they lie.
        settling: where they are and how old a file must be to be read, in microseconds; None reads all.
        left: the files that were too young.
    """

    def __init__(self, files: Mapping[str, FileFacts], place: Place, owner: str) -> None:
        self.files, self.place, self.owner = files, place, owner
        self.settling: tuple[str, int] | None = None
        self.left: frozenset[str] = frozenset()
        self.options = place.storage_options(f"Source `{owner}`")

    def scan(self) -> pl.LazyFrame:
        schema, _ = self.schemas({})
        return self.scan_units(list(self.files), schema)

    def fingerprint(self) -> str:
        """Hash the content of files; far away or above 256 MB in all, their names, sizes and marks of change."""
        digest = hashlib.blake2b(digest_size=16)
        whole = self.place.is_near and sum(facts.size for facts in self.files.values()) <= _HASH_WHOLE_BELOW
        for file, facts in self.files.items():
            digest.update(f"{Path(file).name}\0{facts.size}\0".encode())
            digest.update(self.read(file) if whole else facts.changed.encode())
        return digest.hexdigest()

    def read(self, file: str) -> bytes:
        """Return all bytes of a file."""
        with self.place.open(file) as opened:
            return opened.read()

    def young(self, at: datetime) -> frozenset[str]:
        """Return the files that were written just now; a time far in the future is of a clock that says nothing."""
        if self.left or self.settling is None:
            return self.left
        first, last = clock.microsecond_of(at) - self.settling[1], clock.microsecond_of(at + clock.SKEW)
        return frozenset(file for file, facts in self.files.items() if first < facts.written <= last)

    def settle(self, at: datetime, known: Callable[[], Mapping[str, str]]) -> OpenedData:
        young = self.young(at)
        if not young or self.settling is None:
            return self
        stamps, settled = known(), copy(self)
        settled.left = young
        if WHOLE_UNIT in stamps:
            raise still_written(self.owner, self.settling[0], young)
        settled.files = {
            file: facts._replace(stamp=stamps[file]) if file in young else facts
            for file, facts in self.files.items()
            if file not in young or file in stamps
        }
        if not settled.files:
            raise still_written(self.owner, self.settling[0], young)
        return settled

    def units(self) -> list[DataUnit]:
        """List the files."""
        return [DataUnit(file, facts.stamp) for file, facts in self.files.items()]

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
    place: Place

    @property
    def location(self) -> str:
        return self.path

    def open(self, owner: str) -> AbstractContextManager[OpenedFiles]:
        opened = self.open_files(self.list_files(owner), owner)
        if self.settles is not None:
            opened.settling = self.location, clock.microseconds(self.settles, owner)
        return nullcontext(opened)

    def list_files(self, owner: str) -> dict[str, FileFacts]:
        """List the files that count, in the order of their names."""
        return self.place.list_files(self.path, owner, self.endings)

    @abstractmethod
    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        """Return files as data that is open."""

    def set_place(self, path: str | os.PathLike[str] | StoredPath) -> None:
        """Set where the files lie, while the connector is made.

        Raises:
            InvalidDeclaration: it is no path.
        """
        stored = path if isinstance(path, StoredPath) else StoredPath(HERE, validate_path(type(self).__name__, path))
        object.__setattr__(self, "path", stored.uri)
        object.__setattr__(self, "place", stored.place)

    def set_decisions(self, gone: Gone, changed: Changed, settles: str | None) -> None:
        """Set what happens to published rows that are gone or changed, and to files that are young; while it is made.

        Raises:
            InvalidDeclaration: it is none of the words, or no duration.
        """
        owner = f"Connector {type(self).__name__}"
        object.__setattr__(self, "gone", validate_gone(owner, gone))
        object.__setattr__(self, "changed", validate_changed(owner, changed))
        if settles is not None:
            clock.microseconds(settles, f"{owner}, settles,")
        object.__setattr__(self, "settles", settles)

    def hide_secrets(self, text: str) -> str:
        return self.place.hide_secrets(text)


def still_written(owner: str, location: str, young: Iterable[str]) -> SourceUnreadable:
    """Return the error that says that files are too young to be read."""
    names = sorted(Path(file).name for file in young)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    found = f"{names[0]}{more} may still be being written"
    return SourceUnreadable(owner, location, found, "Run it again when all files are older than `settles` says.")


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

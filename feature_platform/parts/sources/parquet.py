"""Parquet files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.parts.sources.base import Changed, Gone, reason_of
from feature_platform.parts.sources.files import FileConnector, OpenedFiles, first_unreadable
from feature_platform.parts.sources.footer import int96_columns
from feature_platform.parts.sources.places import FileFacts, Place, StoredPath
from feature_platform.parts.sources.several import NewColumns, SharedColumns, bring_to_schema, validate_new_columns
from feature_platform.parts.sources.typed import read_as, validate_types

_WHOLE = "Check that every file is whole Parquet."
_DIFFER = 'Write them with one schema, or say the type: types={"column": pl.Float64}.'
_HIVE = 'Say a type that all values have, e.g. hive={"code": pl.String}.'


@dataclass(frozen=True, init=False)
class Parquet(FileConnector):
    """One Parquet file, a folder of them, or several by a `*` pattern.

    In a folder files count that end in `.parquet`, `.parq` or `.pq`; see `data_files` for patterns. A column that later
    files add is null in the earlier ones (`new_columns="refuse"`: an error).

    Args:
        hive: the types of columns that folders named `column=value` stand for, by default text. Such folders
            inside a folder become columns always, those of a pattern only when this is given.
        types: the types of columns, where files have others: wider numbers, or text.

    >>> Parquet("data/events/*.parquet").kind
    'parquet'
    """

    kind = "parquet"
    endings = (".parquet", ".parq", ".pq")

    path: str
    place: Place = field(repr=False)
    hive: Mapping[str, type[pl.DataType] | pl.DataType] | None
    types: Mapping[str, type[pl.DataType] | pl.DataType]
    new_columns: NewColumns
    gone: Gone
    changed: Changed
    settles: str | None

    def __init__(
        self,
        path: str | os.PathLike[str] | StoredPath,
        *,
        hive: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        types: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        new_columns: NewColumns = "add",
        gone: Gone = "kept",
        changed: Changed = "taken",
        settles: str | None = None,
    ) -> None:
        self.set_place(path)
        object.__setattr__(self, "hive", None if hive is None else validate_types("Parquet", "hive", hive))
        object.__setattr__(self, "types", validate_types("Parquet", "types", types or {}))
        object.__setattr__(self, "new_columns", validate_new_columns("Parquet", new_columns))
        self.set_decisions(gone, changed, settles)

    @property
    def reading(self) -> str:
        given = {"hive": self.hive, "types": self.types}
        return "".join(f"{word}={sorted(types.items())!r}" for word, types in given.items() if types)

    def open_files(self, files: Mapping[str, FileFacts], owner: str) -> OpenedFiles:
        return _OpenedParquet(files, owner, self)

    def culprit(self, owner: str) -> str:
        data = self.open_files(self.list_files(owner), owner)
        frames = ((file, pl.scan_parquet(file, glob=False, storage_options=data.options)) for file in data.files)
        return first_unreadable(frames, self.failures) or self.location


class _OpenedParquet(OpenedFiles):
    """Parquet files that were there at one moment."""

    def __init__(self, files: Mapping[str, FileFacts], owner: str, words: Parquet) -> None:
        super().__init__(files, words.place, owner)
        self._words = words
        self._schemas: dict[str, pl.Schema] = {}  # as they are stored, of the files that were opened

    def schemas_of(self, files: Sequence[str]) -> dict[str, pl.Schema]:
        runs = ((run, self._scan(run, stored)[1]) for run, stored in self._runs_alike(files))
        return {file: schema for run, schema in runs for file in run}

    def shared_schema(self, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
        shared = SharedColumns(self.owner, self._words.path, _DIFFER, self._words.new_columns)
        for name, schema in schemas.items():
            shared.add_file(name, schema)
        return pl.Schema(shared.types)

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        wanted = schema if label is None else {**schema, label: pl.String()}
        scans = [self._scan(run, stored, label) for run, stored in self._runs_alike(names)]
        return pl.concat([bring_to_schema(frame, found, wanted) for frame, found in scans])

    def _runs_alike(self, files: Sequence[str]) -> list[tuple[list[str], pl.Schema]]:
        """Return runs of files, in their order, that have the same columns, with these as they are read.

        Times that Spark wrote in 12 bytes are read in microseconds, which is exact.
        """
        runs = []
        for _, alike in groupby(files, key=lambda file: dict(self._read_schema(file))):
            some = list(alike)
            schema = self._read_schema(some[0])
            if not any(_in_micros(dtype) != dtype for dtype in schema.values()):
                runs.append((some, schema))
                continue
            for old, run in groupby(some, key=self._old_times):
                exact = {name: _in_micros(dtype) if name in old else dtype for name, dtype in schema.items()}
                runs.append((list(run), pl.Schema(exact)))
        return runs

    def _old_times(self, file: str) -> frozenset[str]:
        with self.place.open(file) as opened:
            return int96_columns(opened)

    def _read_schema(self, file: str) -> pl.Schema:
        if file not in self._schemas:
            try:
                frame = pl.scan_parquet(file, glob=False, storage_options=self.options)
                self._schemas[file] = frame.collect_schema()
            except self._words.failures as error:
                raise SourceUnreadable(self.owner, file, reason_of(error), _WHOLE) from error
        return self._schemas[file]

    def _scan(self, files: list[str], schema: pl.Schema, label: str | None = None) -> tuple[pl.LazyFrame, pl.Schema]:
        """Scan files with the same columns; also return the columns as read: with those of folders, in their types."""
        hive = self._hive_schema(files, schema)
        try:
            frame = pl.scan_parquet(
                files,
                schema=schema,
                hive_partitioning=hive is not None,
                hive_schema=hive,
                glob=False,
                include_file_paths=label,
                storage_options=self.options,
            )
            columns = frame.collect_schema()
        except self._words.failures as error:
            raise SourceUnreadable(self.owner, self._words.path, reason_of(error), _HIVE if hive else _WHOLE) from error
        typed = read_as(frame, columns, self._words.types, files[0], self.owner)
        return typed, typed.collect_schema()

    def _hive_schema(self, files: Sequence[str], schema: pl.Schema) -> dict[str, pl.DataType] | None:
        """Return the columns that folders stand for; None where folders are only folders."""
        if self._words.hive is None and not self.place.is_folder(self._words.path, self.files):
            return None
        first, names = files[0], _folder_columns(files[0])
        for file in files:
            if _folder_columns(file) != names:
                found = f"its folders differ, {file} has columns {names} by its folders where {first} has others"
                raise SourceUnreadable(self.owner, self._words.path, found, "Put files of one kind in a folder.")
        given = self._words.hive or {}
        return {name: as_dtype(given.get(name, schema.get(name, pl.String()))) for name in names} or None


def _folder_columns(file: str) -> list[str]:
    """Return the names of folders `column=value` that a file is in."""
    parts = [part.split("=") for part in Path(file).parts[:-1]]
    return [part[0] for part in parts if len(part) == 2 and all(part)]


def _in_micros(dtype: pl.DataType) -> pl.DataType:
    """Return a type with times in microseconds instead of nanoseconds, at any depth."""
    match dtype:
        case pl.Datetime(time_unit="ns"):
            return pl.Datetime("us", dtype.time_zone)
        case pl.List():
            return pl.List(_in_micros(as_dtype(dtype.inner)))
        case pl.Struct():
            return pl.Struct({field.name: _in_micros(as_dtype(field.dtype)) for field in dtype.fields})
        case _:
            return dtype

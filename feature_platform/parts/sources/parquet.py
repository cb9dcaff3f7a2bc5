"""Parquet files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.parts.sources.base import (
    FileConnector,
    Gone,
    first_unreadable,
    reason_of,
    validate_gone,
    validate_path,
)
from feature_platform.parts.sources.footer import int96_columns
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
    hive: Mapping[str, type[pl.DataType] | pl.DataType] | None
    types: Mapping[str, type[pl.DataType] | pl.DataType]
    new_columns: NewColumns
    gone: Gone

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        hive: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        types: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
        new_columns: NewColumns = "add",
        gone: Gone = "kept",
    ) -> None:
        object.__setattr__(self, "path", validate_path("Parquet", path))
        object.__setattr__(self, "hive", None if hive is None else validate_types("Parquet", "hive", hive))
        object.__setattr__(self, "types", validate_types("Parquet", "types", types or {}))
        object.__setattr__(self, "new_columns", validate_new_columns("Parquet", new_columns))
        object.__setattr__(self, "gone", validate_gone("Connector Parquet", gone))

    @property
    def reading(self) -> str:
        given = {"hive": self.hive, "types": self.types}
        return "".join(f"{word}={sorted(types.items())!r}" for word, types in given.items() if types)

    def scan(self, owner: str) -> pl.LazyFrame:
        schemas = {file: self._read_schema(file, owner) for file in self.files(owner)}
        runs = _runs_alike(schemas)
        scans = [self._scan(run, schema, owner) for run, schema in runs]
        shared = SharedColumns(owner, self.path, _DIFFER, new_columns=self.new_columns)
        for (run, _), (_, schema) in zip(runs, scans, strict=True):
            shared.add_file(str(run[0]), schema)
        return pl.concat([bring_to_schema(frame, schema, shared.types) for frame, schema in scans])

    def culprit(self, owner: str) -> str:
        frames = {str(file): pl.scan_parquet(file, glob=False) for file in self.files(owner)}
        return first_unreadable(frames, self.failures) or self.location

    def scan_units(
        self, owner: str, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        wanted = schema if label is None else {**schema, label: pl.String()}
        schemas = {file: self._read_schema(file, owner) for file in map(Path, names)}
        scans = [self._scan(run, alike, owner, label) for run, alike in _runs_alike(schemas)]
        return pl.concat([bring_to_schema(frame, found, wanted) for frame, found in scans])

    def _read_schema(self, file: Path, owner: str) -> pl.Schema:
        try:
            return pl.Schema(pl.read_parquet_schema(file))
        except self.failures as error:
            raise SourceUnreadable(owner, str(file), reason_of(error), _WHOLE) from error

    def _scan(
        self, files: list[Path], schema: pl.Schema, owner: str, label: str | None = None
    ) -> tuple[pl.LazyFrame, pl.Schema]:
        """Scan files with the same columns; also return the columns as read: with those of folders, in their types."""
        hive = self._hive_schema(files, schema, owner)
        try:
            frame = pl.scan_parquet(
                files,
                schema=schema,
                hive_partitioning=hive is not None,
                hive_schema=hive,
                glob=False,
                include_file_paths=label,
            )
            columns = frame.collect_schema()
        except self.failures as error:
            raise SourceUnreadable(owner, self.path, reason_of(error), _HIVE if hive else _WHOLE) from error
        typed = read_as(frame, columns, self.types, str(files[0]), owner)
        return typed, typed.collect_schema()

    def _hive_schema(self, files: Sequence[Path], schema: pl.Schema, owner: str) -> dict[str, pl.DataType] | None:
        """Return the columns that folders stand for; None where folders are only folders."""
        if self.hive is None and not Path(self.path).is_dir():
            return None
        first, names = files[0], _folder_columns(files[0])
        for file in files:
            if _folder_columns(file) != names:
                found = f"its folders differ, {file} has columns {names} by its folders where {first} has others"
                raise SourceUnreadable(owner, self.path, found, "Put files of one kind in a folder.")
        given = self.hive or {}
        return {name: as_dtype(given.get(name, schema.get(name, pl.String()))) for name in names} or None


def _runs_alike(schemas: Mapping[Path, pl.Schema]) -> list[tuple[list[Path], pl.Schema]]:
    """Return runs of files, in their order, that have the same columns, with these as they are read.

    Times that Spark wrote in 12 bytes are read in microseconds, which is exact.
    """
    runs = []
    for _, alike in groupby(schemas, key=lambda file: dict(schemas[file])):
        files = list(alike)
        schema = schemas[files[0]]
        if not any(_in_micros(dtype) != dtype for dtype in schema.values()):
            runs.append((files, schema))
            continue
        for old, run in groupby(files, key=int96_columns):
            exact = {name: _in_micros(dtype) if name in old else dtype for name, dtype in schema.items()}
            runs.append((list(run), pl.Schema(exact)))
    return runs


def _folder_columns(file: Path) -> list[str]:
    """Return the names of folders `column=value` that a file is in."""
    parts = [part.split("=") for part in file.parts[:-1]]
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

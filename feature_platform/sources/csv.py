"""CSV files, plain, gzipped or in a zip archive."""

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_platform.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.sources.base import (
    Connector,
    checked_path,
    files_fingerprint,
    local_files,
    reason_of,
    refuse_differing,
)

_REMEDY = "Check separator, quoting and null_values, or give the column's type in `types`."
_NOT_WHOLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)  # RuntimeError: encrypted


@dataclass(frozen=True, init=False)
class Csv(Connector):
    """One CSV file, or several with the same columns by a `*` pattern. A `.zip` may hold one or more CSV files.

    Types are inferred from all rows, so that a late surprise cannot break a read half-way; say
    `types={"column": pl.String}` where you know better. A line with too few values ends in nulls, one with
    too many is an error when the rows are collected.

    >>> Csv("data/flights-*.csv", null_values=["NA"]).location
    'data/flights-*.csv'
    """

    kind = "csv"

    path: str
    null_values: tuple[str, ...]
    separator: str
    types: Mapping[str, type[pl.DataType] | pl.DataType]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        null_values: Sequence[str] = ("",),
        separator: str = ",",
        types: Mapping[str, type[pl.DataType] | pl.DataType] | None = None,
    ) -> None:
        if isinstance(null_values, str):
            raise InvalidDeclaration(
                "Connector Csv", f"has null_values={null_values!r}", 'Give a list: null_values=["NA"].'
            )
        if not isinstance(separator, str) or len(separator.encode()) != 1:
            raise InvalidDeclaration("Connector Csv", f"has separator={separator!r}", 'Give one character, e.g. ";".')
        object.__setattr__(self, "path", checked_path("Csv", path))
        object.__setattr__(self, "null_values", tuple(null_values))
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "types", dict(types or {}))

    @property
    def location(self) -> str:
        return self.path

    @property
    def reading(self) -> str:
        return f"{self.separator!r}{self.null_values!r}{sorted(self.types.items())!r}"

    def scan(self, owner: str) -> pl.LazyFrame:
        members = {name: frame for file in local_files(self.path, owner) for name, frame in self._members(file, owner)}
        schemas = {name: self._schema(frame, name, owner) for name, frame in members.items()}
        refuse_differing(schemas, owner, self.path, _REMEDY)
        columns = list(next(iter(schemas.values())))
        return pl.concat([frame.select(columns) for frame in members.values()])

    def fingerprint(self, owner: str) -> str:
        return files_fingerprint(local_files(self.path, owner))

    def _members(self, file: Path, owner: str) -> list[tuple[str, pl.LazyFrame]]:
        if file.suffix.lower() != ".zip":
            return [(str(file), self._lazy(file, str(file), owner))]
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name for name in sorted(archive.namelist()) if _is_csv(name)]
                contents = {f"{file}/{name}": archive.read(name) for name in names}
        except _NOT_WHOLE as error:
            raise SourceUnreadable(
                owner, str(file), reason_of(error), "Check that the archive is whole and not encrypted."
            ) from error
        if not contents:
            raise SourceUnreadable(owner, str(file), "the archive holds no .csv file", "Name another archive.")
        return [(name, self._lazy(content, name, owner)) for name, content in contents.items()]

    def _lazy(self, content: Path | bytes, name: str, owner: str) -> pl.LazyFrame:
        try:
            return pl.scan_csv(
                content,
                separator=self.separator,
                null_values=list(self.null_values),
                schema_overrides=dict(self.types),
                infer_schema_length=None,
                glob=False,
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(owner, name, reason_of(error), _REMEDY) from error

    def _schema(self, frame: pl.LazyFrame, name: str, owner: str) -> pl.Schema:
        try:
            return frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(owner, name, reason_of(error), _REMEDY) from error


def _is_csv(member: str) -> bool:
    """Whether a member of an archive is data: what macOS adds for itself is not."""
    return member.lower().endswith(".csv") and not member.startswith("__MACOSX/")

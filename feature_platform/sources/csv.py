"""CSV files, plain, gzipped or in a zip archive."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_platform.errors import SourceUnreadable
from feature_platform.sources.base import Connector, files_fingerprint, local_files


@dataclass(frozen=True, init=False)
class Csv(Connector):
    """One CSV file, or several of one shape by a `*` pattern. A `.zip` may hold one or more CSV files.

    Types are inferred from all rows, so that a late surprise cannot break a read half-way; say
    `types={"column": pl.String}` where you know better.

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
        object.__setattr__(self, "path", os.fspath(path))
        object.__setattr__(self, "null_values", tuple(null_values))
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "types", dict(types or {}))

    @property
    def location(self) -> str:
        return self.path

    def scan(self, owner: str) -> pl.LazyFrame:
        files = local_files(self.path, owner)
        frames = [frame for file in files for frame in self._frames(file, owner)]
        try:
            together = pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
            together.collect_schema()
        except pl.exceptions.PolarsError as error:
            raise self._unreadable(owner, error) from error
        return together

    def fingerprint(self, owner: str) -> str:
        return files_fingerprint(local_files(self.path, owner))

    def _frames(self, file: Path, owner: str) -> list[pl.LazyFrame]:
        if file.suffix != ".zip":
            return [self._lazy(file)]
        try:
            with zipfile.ZipFile(file) as archive:
                members = sorted(name for name in archive.namelist() if name.lower().endswith(".csv"))
                frames = [self._lazy(archive.read(name)) for name in members]
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceUnreadable(
                owner, str(file), str(error), "Check that the archive is whole."
            ) from error
        if not frames:
            raise SourceUnreadable(
                owner, str(file), "the archive holds no .csv file", "Name another archive."
            )
        return frames

    def _lazy(self, content: Path | bytes) -> pl.LazyFrame:
        return pl.scan_csv(
            content,
            separator=self.separator,
            null_values=list(self.null_values),
            schema_overrides=dict(self.types),
            infer_schema_length=None,
        )

    def _unreadable(self, owner: str, error: Exception) -> SourceUnreadable:
        reason = str(error).strip().splitlines()[0]
        return SourceUnreadable(
            owner,
            self.path,
            reason,
            "Check separator, quoting and null_values, or give the column's type in `types`.",
        )

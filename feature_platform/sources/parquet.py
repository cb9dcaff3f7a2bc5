"""Parquet files."""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_platform.errors import SourceUnreadable
from feature_platform.sources.base import (
    Connector,
    checked_path,
    files_fingerprint,
    local_files,
    reason_of,
    refuse_differing,
)


@dataclass(frozen=True, init=False)
class Parquet(Connector):
    """One Parquet file, a folder of them, or several by a `*` pattern.

    Folders named `column=value` inside a folder become columns, as Hive has them.

    >>> Parquet("data/events/*.parquet").kind
    'parquet'
    """

    kind = "parquet"

    path: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", checked_path("Parquet", path))

    @property
    def location(self) -> str:
        return self.path

    def scan(self, owner: str) -> pl.LazyFrame:
        try:
            files = local_files(self.path, owner)
            schemas = {str(file): pl.Schema(pl.read_parquet_schema(file)) for file in files}
            refuse_differing(schemas, owner, self.path, "Write them with one schema, or declare two sources.")
            frame = pl.scan_parquet(files, hive_partitioning=Path(self.path).is_dir(), glob=False)
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceUnreadable(
                owner, self.path, reason_of(error), "Check that every file is whole Parquet."
            ) from error
        return frame

    def fingerprint(self, owner: str) -> str:
        return files_fingerprint(local_files(self.path, owner))

"""Parquet files."""

import os
from dataclasses import dataclass

import polars as pl

from feature_platform.errors import SourceUnreadable
from feature_platform.sources.base import Connector, files_fingerprint, local_files


@dataclass(frozen=True, init=False)
class Parquet(Connector):
    """One Parquet file, a folder of them, or several by a `*` pattern.

    >>> Parquet("data/events/*.parquet").kind
    'parquet'
    """

    kind = "parquet"

    path: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", os.fspath(path))

    @property
    def location(self) -> str:
        return self.path

    def scan(self, owner: str) -> pl.LazyFrame:
        try:
            frame = pl.scan_parquet(local_files(self.path, owner))
            frame.collect_schema()
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().splitlines()[0]
            raise SourceUnreadable(
                owner, self.path, reason, "Check that every file is whole Parquet."
            ) from error
        return frame

    def fingerprint(self, owner: str) -> str:
        return files_fingerprint(local_files(self.path, owner))

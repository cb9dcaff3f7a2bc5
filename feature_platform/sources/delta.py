"""A Delta table that somebody else writes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from feature_platform.errors import SourceUnreadable
from feature_platform.sources.base import Connector


@dataclass(frozen=True, init=False)
class Delta(Connector):
    """A Delta table by path or URI, at its newest version or a pinned one.

    >>> Delta("lake/events", version=3).location
    'lake/events@3'
    """

    kind = "deltalake"

    uri: str
    version: int | None
    storage_options: Mapping[str, str] = field(repr=False)

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        version: int | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        object.__setattr__(self, "uri", os.fspath(uri))
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "storage_options", dict(storage_options or {}))

    @property
    def location(self) -> str:
        return self.uri if self.version is None else f"{self.uri}@{self.version}"

    def scan(self, owner: str) -> pl.LazyFrame:
        table, version = self._opened(owner)
        return pl.scan_delta(table, version=version, storage_options=dict(self.storage_options) or None)

    def fingerprint(self, owner: str) -> str:
        table, version = self._opened(owner)
        return f"{table}@{version}"

    def _opened(self, owner: str) -> tuple[str, int]:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            table = DeltaTable(
                self.uri, version=self.version, storage_options=dict(self.storage_options) or None
            )
        except (DeltaError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise SourceUnreadable(owner, self.location, reason, "Check the path and the version.") from error
        return table.table_uri, table.version()

"""A Delta table that somebody else writes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.sources.base import Connector, checked_path, reason_of

if TYPE_CHECKING:
    from deltalake import DeltaTable


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
        if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 0):
            raise InvalidDeclaration(
                "Connector Delta", f"has version={version!r}", "Give a whole number from 0, or None for the newest."
            )
        object.__setattr__(self, "uri", checked_path("Delta", uri))
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "storage_options", dict(storage_options or {}))

    @property
    def location(self) -> str:
        return self.uri if self.version is None else f"{self.uri}@{self.version}"

    def scan(self, owner: str) -> pl.LazyFrame:
        table = self._opened(owner)
        return pl.scan_delta(table, storage_options=dict(self.storage_options) or None)

    def fingerprint(self, owner: str) -> str:
        table = self._opened(owner)
        return f"{table.metadata().id}@{table.version()}"

    def _opened(self, owner: str) -> "DeltaTable":
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(self.uri, version=self.version, storage_options=dict(self.storage_options) or None)
        except (DeltaError, OSError) as error:
            raise SourceUnreadable(owner, self.location, reason_of(error), "Check the path and the version.") from error

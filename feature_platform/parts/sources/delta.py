"""A Delta table that somebody else writes.

Delta has features that change how a table must be read. Polars reads deletion vectors and times without a zone; a table
that needs another feature is refused by name, before any row is read.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.parts.sources.base import (
    WHOLE_UNIT,
    Connector,
    DataUnit,
    Gone,
    OpenedData,
    reason_of,
    validate_gone,
    validate_path,
)
from feature_platform.parts.sources.places import HERE, Place, StoredPath
from feature_platform.parts.sources.several import bring_to_schema

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.schema import DataType

_REMEDY = (
    "Read a copy without it: ask whoever writes the table, or make one as docs/how-to/data-files.md shows "
    "and read that with fp.sources.Parquet."
)


@dataclass(frozen=True, init=False)
class Delta(Connector):
    """A Delta table by path or URI, at its newest version or a pinned one.

    >>> Delta("lake/events", version=3).location
    'lake/events@3'
    """

    kind = "deltalake"
    rewrites_units = True

    uri: str
    place: Place = field(repr=False)
    version: int | None
    storage_options: Mapping[str, str] = field(repr=False)
    gone: Gone

    def __init__(
        self,
        uri: str | os.PathLike[str] | StoredPath,
        *,
        version: int | None = None,
        storage_options: Mapping[str, str] | None = None,
        gone: Gone = "kept",
    ) -> None:
        if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 0):
            raise InvalidDeclaration(
                "Connector Delta", f"has version={version!r}", "Give a whole number from 0, or None for the newest."
            )
        stored = uri if isinstance(uri, StoredPath) else StoredPath(HERE, validate_path("Delta", uri))
        object.__setattr__(self, "uri", stored.uri)
        object.__setattr__(self, "place", stored.place)
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "storage_options", dict(storage_options or {}))
        object.__setattr__(self, "gone", validate_gone("Connector Delta", gone))

    @property
    def location(self) -> str:
        return self.uri if self.version is None else f"{self.uri}@{self.version}"

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        from deltalake.exceptions import DeltaError

        return (*super().failures, DeltaError)

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        options = {**(self.place.storage_options(f"Source `{owner}`") or {}), **self.storage_options} or None
        try:
            table = DeltaTable(self.uri, version=self.version, storage_options=options)
        except (DeltaError, OSError) as error:
            reason = self.hide_secrets(reason_of(error))
            raise SourceUnreadable(owner, self.location, reason, _remedy_of(error)) from error
        return nullcontext(_OpenedTable(table, options, owner, self))

    def hide_secrets(self, text: str) -> str:
        return self.place.hide_secrets(text)


class _OpenedTable(OpenedData):
    """A Delta table at one version."""

    def __init__(self, table: "DeltaTable", options: dict[str, str] | None, owner: str, words: Delta) -> None:
        self._table, self._options, self._owner, self._words = table, options, owner, words

    def scan(self) -> pl.LazyFrame:
        from deltalake.exceptions import DeltaProtocolError

        variants = [field.name for field in self._table.schema().fields if _holds_variant(field.type)]
        if variants:
            reason = f"column `{variants[0]}` is of type variant, which Polars cannot take apart"
            raise SourceUnreadable(self._owner, self._words.location, reason, _REMEDY)
        try:
            frame = pl.scan_delta(self._table, storage_options=self._options)
            frame.collect_schema()
        except DeltaProtocolError as error:
            raise SourceUnreadable(self._owner, self._words.location, reason_of(error), _REMEDY) from error
        return frame

    def fingerprint(self) -> str:
        return f"{self._table.metadata().id}@{self._table.version()}"

    def versions(self) -> Mapping[str, int]:
        return {self._table.table_uri: self._table.version()}

    def units(self) -> list[DataUnit]:
        """List its data files, which never change; one unit where rows of them may be marked as deleted elsewhere."""
        if "deletionVectors" in (self._table.protocol().reader_features or []):
            return [DataUnit(WHOLE_UNIT, self.fingerprint())]
        return [DataUnit(uri, "") for uri in sorted(self._table.file_uris())]

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        parted = self._table.metadata().partition_columns
        rows = pl.scan_parquet(
            list(names),
            schema={name: dtype for name, dtype in schema.items() if name not in parted},
            hive_partitioning=bool(parted),
            hive_schema={name: schema[name] for name in parted} or None,
            glob=False,
            cast_options=_casts(),
            missing_columns="insert",
            extra_columns="ignore",
            storage_options=self._options,
            include_file_paths=label,
        )
        return bring_to_schema(rows, rows.collect_schema(), schema if label is None else {**schema, label: pl.String()})


def _remedy_of(error: Exception) -> str:
    """Return what would help with a table that cannot be opened: delta-rs has one class for all its errors."""
    unsupported = any(word in str(error) for word in ("Unsupported", "not supported", "catalog-managed"))
    return _REMEDY if unsupported else "Check the path and the version."


def _holds_variant(dtype: "DataType") -> bool:
    """Tell whether a type is Delta's variant, at any depth."""
    from deltalake.schema import ArrayType, MapType, StructType

    match dtype:
        case ArrayType():
            return _holds_variant(dtype.element_type)
        case MapType():
            return _holds_variant(dtype.value_type)
        case StructType():
            return any(_holds_variant(field.type) for field in dtype.fields)
        case _:
            return dtype.type == "variant"


def _casts() -> pl.ScanCastOptions:
    """Return how the columns of a data file become those of its table, as in `polars.scan_delta`."""
    return pl.ScanCastOptions(
        integer_cast="upcast",
        float_cast=["upcast", "downcast"],
        datetime_cast=["nanosecond-downcast", "millisecond-upcast", "convert-timezone"],
        missing_struct_fields="insert",
        extra_struct_fields="ignore",
        categorical_to_string="allow",
    )

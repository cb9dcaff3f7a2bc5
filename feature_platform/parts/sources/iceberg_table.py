"""An Iceberg table at one snapshot: the only module that imports pyiceberg and pyarrow.

The whole table is read by Polars. Some of its data files are read by pyiceberg, one after the other: by the ids of
their fields, so that renamed columns are right, and without the rows that files of deletes name. What neither reads
is refused: deletes by equality, and data files that are not Parquet.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property
from multiprocessing import TimeoutError as StillWaiting
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from pyarrow.lib import ArrowException
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    NoSuchIdentifierError,
    NoSuchNamespaceError,
    NoSuchTableError,
    NotInstalledError,
    ResolveError,
    RESTError,
)
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, parser
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation
from sqlalchemy.exc import SQLAlchemyError

from feature_platform.ground import clock
from feature_platform.parts.sources.asked import AskedRows
from feature_platform.parts.sources.base import WHOLE_UNIT, DataUnit, OpenedData, reason_of
from feature_platform.parts.sources.database.columns import Column, Comparison, Literals
from feature_platform.parts.sources.database.pushdown import conditions_of
from feature_platform.parts.sources.several import bring_to_schema

if TYPE_CHECKING:
    from feature_platform.parts.sources.iceberg import Iceberg

READ_ERRORS: tuple[type[Exception], ...] = (ArrowException, ResolveError, RESTError)
_ERRORS: tuple[type[Exception], ...] = (
    *READ_ERRORS,
    NoSuchIdentifierError,
    NotInstalledError,
    NotImplementedError,
    OSError,
    SQLAlchemyError,
    ValueError,
)
_UNREACHABLE = "Check the address of the catalog, its secrets, and whether it can be reached from here."
_SQLITE = "sqlite:///"
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_T = TypeVar("_T")


def load_table(words: "Iceberg", owner: str) -> Table:
    """Ask the catalog for a table.

    Raises:
        SourceUnreadable: the catalog cannot be reached or refuses, or there is no such table.
    """
    properties = words.properties(owner)
    name = properties.pop("name", "default")
    if properties["type"] == "sql":
        properties.setdefault("init_catalog_tables", "false")
        file = properties["uri"].removeprefix(_SQLITE)
        if file != properties["uri"] and not Path(file).is_file():  # SQLite would make it
            raise words.refusal(owner, "there is no such file", "Check the address of the catalog.")
    with _explain_errors(words, owner, _UNREACHABLE):
        return _within(words, owner, lambda: _find_table(load_catalog(name, **properties), words, owner))


def _find_table(catalog: Catalog, words: "Iceberg", owner: str) -> Table:
    try:
        return catalog.load_table(words.table)
    except (NoSuchTableError, NoSuchNamespaceError):
        namespace, _, name = words.table.rpartition(".")
        found = f"namespace `{namespace}` of the catalog has no table `{name}`"
        if not catalog.namespace_exists(namespace):
            found = f"the catalog has no namespace `{namespace}`"
        raise words.refusal(owner, found, "Check the name of the table.") from None


def _within(words: "Iceberg", owner: str, function: Callable[[], _T]) -> _T:
    """Return what a function returns that may wait for a server, which pyiceberg does without a limit.

    Raises:
        SourceUnreadable: it takes longer than the timeout of the connector; its thread is left behind.
    """
    pool = ThreadPool(1)  # its threads do not keep a process from ending
    answer = pool.apply_async(function)
    pool.close()
    try:
        return answer.get(clock.microseconds(words.timeout, owner) / 1_000_000)
    except StillWaiting:
        found = f"the catalog did not answer within {words.timeout}"
        raise words.refusal(owner, found, _UNREACHABLE) from None


@contextmanager
def _explain_errors(words: "Iceberg", owner: str, remedy: str) -> Iterator[None]:
    """Turn errors of the libraries into one that names the source."""
    try:
        yield
    except _ERRORS as error:
        raise words.refusal(owner, reason_of(error), remedy) from None


class OpenedTable(OpenedData):
    """A table at its newest snapshot."""

    def __init__(self, table: Table, words: "Iceberg", owner: str) -> None:
        self._table, self._words, self._owner = table, words, owner

    def scan(self) -> pl.LazyFrame:
        self._tasks  # noqa: B018  # refuses what cannot be read
        return pl.scan_iceberg(self._table)

    def fingerprint(self) -> str:
        """Name the newest snapshot that changed rows, and the columns: a compaction changes nothing."""
        metadata = self._table.metadata
        snapshot = self._table.current_snapshot()
        while snapshot is not None and snapshot.summary and snapshot.summary.operation == Operation.REPLACE:
            parent = metadata.snapshot_by_id(snapshot.parent_snapshot_id or 0)
            if parent is None:
                break
            snapshot = parent
        at = None if snapshot is None else snapshot.snapshot_id
        return f"{metadata.table_uuid}@{at}/{metadata.current_schema_id}"

    def versions(self) -> Mapping[str, int]:
        snapshot = self._table.current_snapshot()
        return {} if snapshot is None else {self._table.location(): snapshot.snapshot_id}

    def units(self) -> list[DataUnit]:
        """List its data files, each with the files of deletes that name rows of it.

        With vectors of deletes they are one unit: which vector of a file counts is known to Polars alone.
        """
        tasks = self._tasks
        deletes = (each for task in tasks for each in task.delete_files)
        if len(self._tasks_by_file) < len(tasks) or any(each.file_format != FileFormat.PARQUET for each in deletes):
            return [DataUnit(WHOLE_UNIT, self.fingerprint())]
        renamed = _changed_fields(self._table)
        return [DataUnit(file, _stamp(task, renamed)) for file, task in sorted(self._tasks_by_file.items())]

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        tasks = [self._tasks_by_file[name] for name in names]
        rows = _FileRows(self._table, tasks, self._schema, label, self._words, self._owner)
        wanted = schema if label is None else {**schema, label: pl.String()}
        return bring_to_schema(rows.lazy(), rows.schema(), wanted)

    @cached_property
    def _schema(self) -> pl.Schema:
        return pl.scan_iceberg(self._table).collect_schema()

    @cached_property
    def _tasks(self) -> list[FileScanTask]:
        with _explain_errors(self._words, self._owner, _UNREACHABLE):
            tasks = _within(self._words, self._owner, lambda: list(self._plan()))
        odd = {task.file.file_format for task in tasks} - {FileFormat.PARQUET}
        if odd:
            found = f"it has data files in {odd.pop().value}"
            raise self._words.refusal(self._owner, found, "Let its writer write Parquet, and rewrite its data files.")
        return tasks

    def _plan(self) -> Iterable[FileScanTask]:
        snapshot = self._table.current_snapshot()
        if snapshot is None:
            return []
        manifests = [each for each in snapshot.manifests(self._table.io) if each.content]
        for manifest in manifests:  # those of deletes only, which are few
            entries = manifest.fetch_manifest_entry(self._table.io)
            if any(entry.data_file.content == DataFileContent.EQUALITY_DELETES for entry in entries):
                remedy = "Compact the table (rewrite_data_files), which applies them."
                raise self._words.refusal(self._owner, "it has deletes by equality, which cannot be read", remedy)
        return self._table.scan().plan_files()

    @cached_property
    def _tasks_by_file(self) -> dict[str, FileScanTask]:
        return {task.file.file_path: task for task in self._tasks}


class _FileRows(AskedRows):
    """The rows of some data files, by pyiceberg: one file after the other, of which only the wanted columns are read.

    Args:
        schema: of the table.
        label: a column that gets the path of each row's file.
    """

    def __init__(
        self,
        table: Table,
        tasks: Sequence[FileScanTask],
        schema: pl.Schema,
        label: str | None,
        words: "Iceberg",
        owner: str,
    ) -> None:
        self._table, self._tasks, self._schema = table, tasks, schema
        self._label, self._words, self._owner = label, words, owner

    def schema(self) -> pl.Schema:
        return pl.Schema(self._schema if self._label is None else {**self._schema, self._label: pl.String()})

    def batches(self, names: Sequence[str], filters: Sequence[str], limit: int | None) -> Iterator[pl.DataFrame]:
        stored = [name for name in names if name != self._label]
        schema = self._table.schema()
        projected = schema.select(*stored or [schema.fields[0].name])
        scan = ArrowScan(self._table.metadata, self._table.io, projected, self._row_filter(filters))
        left = limit
        for task in self._tasks:
            with _explain_errors(self._words, self._owner, self._words.remedy):
                for batch in scan.to_record_batches([task]):
                    rows = pl.DataFrame(batch).slice(0, left)
                    left = None if left is None else left - rows.height
                    yield self._with_types(rows, stored, task.file.file_path)
            if left == 0:
                return

    def _with_types(self, rows: pl.DataFrame, stored: Sequence[str], file: str) -> pl.DataFrame:
        typed = (pl.col(name).cast(self._schema[name]) for name in stored if rows.schema[name] != self._schema[name])
        wanted = rows.with_columns(typed)
        if self._label is None:
            return wanted.select(stored) if stored else wanted
        return wanted.with_columns(pl.lit(file).alias(self._label)).select(*stored, self._label)

    def _row_filter(self, filters: Sequence[str]) -> BooleanExpression:
        """Return the part of filters that pyiceberg can say; Polars filters again."""
        columns = {name: column for name, dtype in self._schema.items() if (column := _comparable_column(name, dtype))}
        conditions = [each for text in filters for each in conditions_of(text, columns, _QuotedLiterals())]
        return parser.parse(" AND ".join(conditions)) if conditions else AlwaysTrue()


class _QuotedLiterals(Literals):
    """Literals as pyiceberg parses them: times as quoted texts."""

    def day(self, value: date) -> str:
        return f"'{value.isoformat()}'"

    def wall(self, moment: datetime) -> str:
        return f"'{moment.replace(tzinfo=None).isoformat()}'"

    def instant(self, moment: datetime) -> str:
        return f"'{moment.replace(tzinfo=None).isoformat()}+00:00'"


def _comparable_column(name: str, dtype: pl.DataType) -> Column | None:
    """Return a column as filters are written for it; None where they are left to Polars."""
    compared: Comparison | None = None
    match dtype:
        case pl.Datetime(time_unit="us"):
            compared = "instant" if dtype.time_zone else "wall"
        case pl.Date():
            compared = "date"
        case pl.Int32() | pl.Int64():
            compared = "whole"
        case pl.String():
            compared = "text"
    return Column(name, dtype, f'"{name}"', "", compared) if compared and _PLAIN_NAME.fullmatch(name) else None


def _stamp(task: FileScanTask, renamed: str) -> str:
    """Return a text that changes with the deletes of a data file, and with how its fields are read."""
    deletes = sorted(each.file_path for each in task.delete_files)
    if not deletes and not renamed:
        return ""
    return hashlib.blake2b("\n".join([renamed, *deletes]).encode(), digest_size=8).hexdigest()


def _changed_fields(table: Table) -> str:
    """Name the fields of earlier schemas that have another name or type now, or are gone; added ones change nothing."""
    now = _fields(table.schema())
    earlier = {pair for schema in table.schemas().values() for pair in _fields(schema).items()}
    changed = {number for number, field in earlier if now.get(number) != field}
    return ", ".join(f"{number}: {now.get(number)}" for number in sorted(changed))


def _fields(schema: Schema) -> dict[int, str]:
    """Return the fields of a schema at any depth by their ids, each with its name and its own type."""
    types = {number: schema.find_type(number) for number in schema.field_ids}
    return {
        number: f"{schema.find_column_name(number)} {dtype if dtype.is_primitive else ''}"
        for number, dtype in types.items()
    }

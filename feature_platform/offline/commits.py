"""The commit: what every write records about itself, how a lost race is repeated, how errors of storage are worded.

Nothing is published before its commit: a writer that dies leaves at most files that no version names; readers never see
these, and vacuum removes them. On a local disk delta-rs commits by an atomic hard link of the log entry, so a killed
process leaves the old version or the new one. It never calls fsync (seen with strace, deltalake 1.6.6): after a power
cut the newest commits may be missing or damaged, depending on the file system. Object stores make their writes durable
themselves.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import polars as pl
from deltalake import CommitProperties, DeltaTable, TableFeatures
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError, TableNotFoundError

from feature_platform.ground.errors import (
    CommitConflict,
    NotADeltaTable,
    TableNotFound,
    TableUnreadable,
    VersionNotFound,
    WriteFailed,
)
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline.files import indexed_columns
from feature_platform.offline.names import Location, retention_interval

T = TypeVar("T")

PREFIX = "feature_platform."
TRIES = 20
CHECKPOINT_EVERY = 20
_LEFTOVER = re.compile(r"part-\d{5}-[0-9a-f-]{36}-c\d{3}(\.\w+)?\.parquet(#\d+)?")
_FRAME = re.compile(r"<unknown>|^\s*\d+: |^\s+at |^stack backtrace")  # of a backtrace


@dataclass(frozen=True)
class CommitStamp:
    """The origin of a commit: who writes, with which code, from which versions of which tables.

    `grain` is the partition grain, such as `monthly`; a table keeps the one that it was created with. `delivered` has
    the number of rows that the connector had, for partitions with pushed rows; `functions` has a digest of each
    function that `code_version` covers, by its name; `units` has, for partitions of a source, a digest of what its
    units held. `comments` are all that people should know of columns, for the schema of the table; None leaves them.
    `origins` are those of single partitions, where a commit only gives rows of earlier commits another form.
    """

    run_id: str
    asset: str
    code_version: str
    inputs: Mapping[str, int] = field(default_factory=dict)
    grain: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    delivered: Mapping[str, int] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    comments: Mapping[str, str] | None = None
    origins: Mapping[str, "Origin"] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """The origin of the rows of one partition, when a later commit only gave them other columns.

    `hash` is the content hash before that commit, None if it was unknown because somebody else wrote them. `made` is
    the version in which they were made.
    """

    hash: str | None
    made: int | None
    code_version: str | None
    inputs: Mapping[str, int]
    extra: Mapping[str, str]
    functions: Mapping[str, str]
    columns: tuple[str, ...] | None
    delivered: int | None
    units: str | None

    def shared_facts(self) -> dict[str, object]:
        """Return the part that a commit stores once for all partitions that share it."""
        return {
            "made": self.made,
            "code_version": self.code_version,
            "inputs": dict(self.inputs),
            "extra": dict(self.extra),
            "functions": dict(self.functions),
            "columns": None if self.columns is None else list(self.columns),
        }


@dataclass(frozen=True, repr=False)
class Commit(BriefResult):
    """The result of a write; an empty `changed` means that the table held these rows already.

    `hashes` and `rows` are of all partitions that were asked for, with the key `""` for an unpartitioned
    table. `unrepeatable` are the changed partitions that had been made by the same code from the same data.
    """

    table: str
    version: int
    changed: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    unrepeatable: tuple[str, ...] = ()

    def summary(self) -> ResultTable:
        """Return the table, its version and how much of it changed."""
        keys = [key for key in self.changed if key]
        where = f", {len(keys)} partitions from {min(keys)} to {max(keys)}" if keys else ""
        return ResultTable(f"Commit of {self.table}: version {self.version}{where if self.changed else ', unchanged'}")


@dataclass(frozen=True)
class Once:
    """A condition that makes an append happen once: the last message of a writer in the table, before and after.

    Attributes:
        writer: a name that no other writer has.
        after: the writer's number that the table must have, -1 for none; otherwise nothing is appended.
        upto: the number that the table has afterwards, stored in the same commit.
    """

    writer: str
    after: int
    upto: int


def commit_properties(stamp: CommitStamp, kind: str, *, exclusive: bool = False, **more: object) -> CommitProperties:
    """Return the commit properties that carry a stamp; every key starts with `feature_platform.`.

    An exclusive commit fails when anybody committed since the table was opened. Only appends may be without it:
    delta-rs takes two first writes of one partition for two appends.
    """
    facts = {
        "kind": kind,
        "run_id": stamp.run_id,
        "asset": stamp.asset,
        "code_version": stamp.code_version,
        "inputs": dict(stamp.inputs),
        "grain": stamp.grain,
        "extra": dict(stamp.extra),
        "functions": dict(stamp.functions) or None,
        **more,
    }
    metadata = {f"{PREFIX}{key}": value for key, value in facts.items() if value is not None}
    return CommitProperties(custom_metadata=metadata, max_commit_retries=0 if exclusive else None)


def open_table(location: Location, version: int | None = None) -> DeltaTable:
    """Return the table at a version; the newest by default.

    Raises:
        TableNotFound, NotADeltaTable: see `find_table`.
        TableUnreadable: the log is damaged or storage refuses.
    """
    table = find_table(location, version)
    if table is None:
        raise TableNotFound(location.table, location.uri)
    return table


def find_table(location: Location, version: int | None = None) -> DeltaTable | None:
    """Return the table, or `None` when nothing was committed; `NotADeltaTable` for other people's files."""
    try:
        return DeltaTable(location.uri, version=version, storage_options=location.storage_options)
    except TableNotFoundError as error:
        refuse_foreign_files(location)
        if "Unknown scheme" in str(error):
            raise TableUnreadable(location.table, location.uri, reason_of(error)) from error
        return None
    except (DeltaError, OSError) as error:
        refuse_foreign_files(location)
        if version is not None:
            newest = open_table(location)
            oldest = newest.version() - len(newest.history()) + 1
            raise VersionNotFound(location.table, version, oldest, newest.version()) from error
        raise TableUnreadable(location.table, location.uri, reason_of(error)) from error


def refuse_foreign_files(location: Location) -> None:
    """Raise `NotADeltaTable` for a local folder with files, unless all of them were left by writers that died.

    A log may appear while the folder is looked at, when another writer creates the table: it is not foreign.
    """
    folder = location.folder
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise NotADeltaTable(location.table, location.uri)
    if (folder / "_delta_log").is_dir():
        return
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "_delta_log"]
        if not all(map(_LEFTOVER.fullmatch, files)):
            raise NotADeltaTable(location.table, location.uri)


def with_retries(location: Location, attempt: Callable[[], T]) -> T:
    """Run an attempt that opens the table anew; run it again while other writers win the race.

    Raises:
        CommitConflict: the last try lost the race, too.
        WriteFailed: storage refused (disk full, permission lost, table deleted meanwhile).
    """
    for number in range(TRIES):
        if number:
            time.sleep(random.uniform(0.0, min(1.0, 0.01 * 2**number)))  # noqa: S311
        try:
            return attempt()
        except (CommitFailedError, SchemaMismatchError):
            continue
        except (DeltaError, OSError) as error:
            if "already exists at" in str(error):  # another writer created the table first
                continue
            raise WriteFailed(location.table, location.uri, reason_of(error)) from error
    raise CommitConflict(location.table, TRIES)


@contextmanager
def convert_write_errors(location: Location) -> Iterator[None]:
    """Raise `WriteFailed` when storage refuses a data file in this block."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        raise WriteFailed(location.table, location.uri, reason_of(error)) from error


def description_of(stamp: CommitStamp) -> str | None:
    """Return the grain of a stamp as the description of a table: Delta refuses properties that it does not know."""
    return None if stamp.grain is None else f"{PREFIX}grain={stamp.grain}"


def grain_of(table: DeltaTable) -> str | None:
    """Return the grain that a table was created with, from its description."""
    description: str | None = table.metadata().description
    mark = f"{PREFIX}grain="
    return description.removeprefix(mark) if description and description.startswith(mark) else None


def table_properties(location: Location, columns: list[str], indexed: tuple[str, ...]) -> dict[str, str | None]:
    """Return the properties of a table: the history of the whole retention, statistics of the columns filtered on."""
    result: dict[str, str | None] = {
        "delta.enableExpiredLogCleanup": "false",  # `maintain` does it, and knows what is pinned
        "delta.checkpointInterval": str(CHECKPOINT_EVERY),
        "delta.logRetentionDuration": retention_interval(location.retention),
        "delta.deletedFileRetentionDuration": retention_interval(location.retention),
    }
    with_statistics = indexed_columns(columns, indexed)
    if len(with_statistics) < len([name for name in columns if name != PARTITION]):
        result["delta.dataSkippingStatsColumns"] = ",".join(f"`{name}`" for name in with_statistics)
    return result


def update_table_properties(location: Location, stamp: CommitStamp, indexed: tuple[str, ...] = ()) -> None:
    """Commit the store's table properties when the table has others, as after a change of retention."""

    def attempt() -> None:
        table = open_table(location)
        expected = table_properties(location, [field.name for field in table.schema().fields], indexed)
        if not indexed:
            expected.pop("delta.dataSkippingStatsColumns", None)
        configuration = table.metadata().configuration
        missing = {
            key: value for key, value in expected.items() if value is not None and configuration.get(key) != value
        }
        if missing:
            table.alter.set_table_properties(
                missing, commit_properties=commit_properties(stamp, "properties", exclusive=True)
            )

    with_retries(location, attempt)


def allow_wall_clocks(location: Location, table: DeltaTable, stamp: CommitStamp) -> DeltaTable:
    """Let a table hold times without a zone, which Delta treats as a feature; return the table opened again."""
    features = table.protocol().reader_features or []
    if "timestampNtz" not in features:
        table.alter.add_feature(
            TableFeatures.TimestampWithoutTimezone,
            allow_protocol_versions_increase=True,
            commit_properties=commit_properties(stamp, "properties", exclusive=True),
        )
    return open_table(location)


def reason_of(error: BaseException) -> str:
    """Return the first lines of an error of storage, without colours and backtraces."""
    plain = re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip() and not _FRAME.search(line)]
    return ": ".join(lines[:4]).rstrip(".:") or type(error).__name__

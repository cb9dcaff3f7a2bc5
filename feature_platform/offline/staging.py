"""Staging: rows are written as files, sorted and hashed by partition, before any version names them.

Rows arrive in parts, and only one part is in memory: with partitions, a part holds whole partitions; without them, the
parts are the table from its first row to its last. Partitions that the table holds already are not written again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from itertools import chain

import polars as pl
from deltalake import DeltaTable

from feature_platform.ground.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingColumns,
    PartitioningChanged,
    RowsOutsidePartitions,
    SchemaChanged,
    TableNotFound,
    WrongColumnType,
)
from feature_platform.ground.working_columns import PARTITION, ROW, refuse_working_names
from feature_platform.offline.commits import convert_write_errors, grain_of
from feature_platform.offline.files import ROW_GROUP_ROWS, DataFile, live_files, remove_files, write_files
from feature_platform.offline.hashing import RunningContent, content_hashes_of, content_hashes_of_nothing
from feature_platform.offline.history import PartitionState, partition_states
from feature_platform.offline.names import WHOLE, Location, check_keys
from feature_platform.offline.schema import added_columns, make_storable
from feature_platform.offline.soundness import is_whole
from feature_platform.offline.staged import Staged, StagedPartition, StagePlan

HELD_BYTES = 32 * 2**20  # of rows in memory; what a table without partitions holds back to make a file of
Rows = pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame]
RowObserver = Callable[[str, pl.DataFrame], None]  # called with a partition and the next of its rows


def stage(location: Location, rows: Rows, plan: StagePlan, observer: RowObserver | None = None) -> Staged:
    """Write rows as files that no version names yet; see `OfflineStore.stage`."""
    stager = _Partitions(location, plan, observer) if plan.is_partitioned else _Stream(location, plan, observer)
    with ExitStack() as undone:
        undone.callback(remove_files, location, stager.written)
        undone.callback(stager.close)
        parts = _parts(rows, plan)
        while stager.add(next(parts, None)):  # holds no part while it is sorted, or the next one made
            pass
        staged = stager.finish()
        undone.pop_all()
        stager.close()
    return staged


def _parts(rows: Rows, plan: StagePlan) -> Iterator[pl.DataFrame]:
    """Yield the parts that are held one at a time: rows that must be sorted are one part, others are cut."""
    whole = plan.is_partitioned or bool(plan.sort_by)
    if isinstance(rows, pl.LazyFrame):
        yield from (each.collect() for each in [rows]) if whole else collect_in_batches(rows)
    elif not isinstance(rows, pl.DataFrame):
        yield from rows
    elif whole or rows.is_empty():
        yield rows
    else:
        yield from rows.iter_slices(ROW_GROUP_ROWS)


def collect_in_batches(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows in order, some at a time, by the streaming engine; at least one batch, even without rows."""
    batches = rows.collect_batches(chunk_size=ROW_GROUP_ROWS, maintain_order=True, lazy=True, engine="streaming")
    first = next(batches, None)
    yield pl.DataFrame(schema=rows.collect_schema()) if first is None else first
    del first
    yield from batches


def check_partitioning(name: str, table: DeltaTable, plan: StagePlan) -> None:
    """Raise if a table would change the partitions that it was created with.

    Raises:
        PartitioningChanged: only one of the table and the plan has partitions, or their grains differ.
    """
    partitioned, grain = bool(table.metadata().partition_columns), grain_of(table)
    if partitioned != plan.is_partitioned:
        keyed = plan.grain or "keyed"
        raise PartitioningChanged(
            name, grain or (keyed if partitioned else "no"), keyed if plan.is_partitioned else "no"
        )
    if grain is not None and plan.grain is not None and grain != plan.grain:
        raise PartitioningChanged(name, grain, plan.grain)


class _Stager(ABC):
    """A stager that takes parts one after the other; the files that it wrote so far are in `written`."""

    def __init__(self, location: Location, plan: StagePlan, observer: RowObserver | None = None) -> None:
        if plan.partitions is not None and not plan.is_partitioned:
            raise InvalidDeclaration(
                f"Table `{location.table}`",
                "has partitions to replace but no partition column",
                "Say which partition a row belongs to with `partition_of`.",
            )
        if plan.reshapes and plan.partitions is not None:
            raise ValueError("only rows of the whole table can reshape it")
        self.location, self.plan, self.observer = location, plan, observer
        self.asked = None if plan.partitions is None else check_keys(location.table, plan.partitions)
        self.present = _PresentTable.of(location, self.asked)
        self.schema: pl.Schema | None = None
        self.written: list[DataFile] = []

    @abstractmethod
    def add(self, part: pl.DataFrame | None) -> bool:
        """Stage the next part; false when there is none."""

    @abstractmethod
    def finish_partitions(self) -> dict[str, StagedPartition]:
        """Return all that was staged, by partition."""

    def close(self) -> None:  # noqa: B027 - nothing is under way where nothing is written in a thread
        """Wait for writes that are in progress."""

    def finish(self) -> Staged:
        partitions = self.finish_partitions()
        if self.schema is None:
            raise ValueError("there is no part, not even one without rows that tells the columns")
        columns = pl.Schema({name: dtype for name, dtype in self.schema.items() if name != PARTITION})
        keys = self.asked if self.plan.is_partitioned else (WHOLE,)
        empty, *former = content_hashes_of_nothing(columns)
        emptied = {key: state.hash for key, state in self.present.states.items() if state.hash in former}
        damaged = frozenset(self.present.damaged)
        return Staged(self.location, self.plan, columns, keys, partitions, empty, emptied, damaged)

    def arrange(self, part: pl.DataFrame) -> pl.DataFrame:
        """Return storable rows with their partition, sorted; rows that tie keep their order."""
        name, plan = self.location.table, self.plan
        _check_columns(name, part.columns, plan, self.present.schema or ())
        if plan.partition_of is not None:
            key = pl.col(plan.partition_of) if isinstance(plan.partition_of, str) else plan.partition_of
            part = part.with_columns(key.cast(pl.String).alias(PARTITION))
        rows = make_storable(name, part, self.present.schema)
        if self.schema is None:
            self.present.check(name, rows.schema, plan)
            self.schema = rows.schema
        elif rows.schema != self.schema:
            raise SchemaChanged(name, [f"a part of the rows has {dict(rows.schema)}, another {dict(self.schema)}"])
        return rows.sort(plan.sort_by, maintain_order=True) if plan.sort_by else rows

    def write(self, partitions: Mapping[str, pl.DataFrame], number: int = 0) -> dict[str, tuple[DataFile, ...]]:
        """Write rows as files of their partitions, numbered from `number` on."""
        with convert_write_errors(self.location):
            files = write_files(self.location, partitions, self.plan.sort_by, number=number)
        self.written.extend(chain.from_iterable(files.values()))
        return files


class _Partitions(_Stager):
    """A table with partitions: each part holds whole ones."""

    def __init__(self, location: Location, plan: StagePlan, observer: RowObserver | None = None) -> None:
        super().__init__(location, plan, observer)
        self.found: dict[str, StagedPartition] = {}

    def add(self, part: pl.DataFrame | None) -> bool:
        if part is None:
            return False
        rows = self.arrange(part)
        del part
        groups = self._groups(rows)
        del rows
        known_hashes = [self.present.hash_of(key) for key in groups]
        hashes = dict(zip(groups, content_hashes_of(list(groups.values()), known_hashes), strict=True))
        stored_uris = {key: self.present.uris_of(key, digest) for key, digest in hashes.items()}
        files = self.write({key: rows for key, rows in groups.items() if not stored_uris[key]})
        for key, rows in groups.items():
            self.found[key] = StagedPartition(hashes[key], rows.height, files.get(key, ()), stored_uris[key])
            if self.observer is not None:
                self.observer(key, rows)
        return True

    def finish_partitions(self) -> dict[str, StagedPartition]:
        return self.found

    def _groups(self, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Return the rows of each partition, by key."""
        name = self.location.table
        if rows.get_column(PARTITION).null_count():
            raise WrongColumnType(
                f"Table `{name}`",
                PARTITION,
                "null in some rows",
                "a partition key for every row",
                "Drop the rows whose time is null, or give them a partition.",
            )
        parts = rows.partition_by(PARTITION, maintain_order=True, include_key=False, as_dict=True)
        groups = {key: parts[key,] for (key,) in sorted(parts)}
        check_keys(name, groups)
        if self.asked is not None and (outside := groups.keys() - set(self.asked)):
            raise RowsOutsidePartitions(name, {key: groups[key].height for key in sorted(outside)}, self.asked)
        if twice := groups.keys() & self.found.keys():
            raise ValueError(f"more than one part has rows of {sorted(twice)}")
        return groups


class _Stream(_Stager):
    """A table without partitions: parts are its rows in order; the rows in memory are at most those of one file."""

    def __init__(self, location: Location, plan: StagePlan, observer: RowObserver | None = None) -> None:
        super().__init__(location, plan, observer)
        self.running: RunningContent | None = None
        self.rows = 0
        self.held: list[pl.DataFrame] = []
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="feature_platform-writer")
        self.writing: Future[None] | None = None

    def add(self, part: pl.DataFrame | None) -> bool:
        if part is None:
            return False
        if self.plan.sort_by and self.rows:
            raise ValueError("only one part can be sorted as a whole")
        if self.plan.ordered:
            refuse_working_names(f"Table `{self.location.table}`", {ROW}.intersection(part.columns))
            part = part.with_row_index(ROW, offset=self.rows).with_columns(pl.col(ROW).cast(pl.Int64))
        rows = self.arrange(part)
        if self.running is None:
            known_hash, order_counts = self.present.hash_of(WHOLE), self.plan.order_counts
            self.running = RunningContent(rows.schema, known_hash, order_counts=order_counts)
        self.running.update(rows)
        self.rows += rows.height
        if self.observer is not None:
            self.observer(WHOLE, rows.drop(ROW, strict=False))
        if self.held and sum(each.estimated_size() for each in (*self.held, rows)) > HELD_BYTES:
            self._write()
        self.held.append(rows)
        return True

    def finish_partitions(self) -> dict[str, StagedPartition]:
        self._wait_for_writer()
        digest = "" if self.running is None else self.running.hexdigest()
        if not self.rows:
            return {}
        stored_uris = self.present.uris_of(WHOLE, digest)
        if stored_uris:
            remove_files(self.location, self.written)
            return {WHOLE: StagedPartition(digest, self.rows, (), stored_uris)}
        self._write()
        self._wait_for_writer()
        return {WHOLE: StagedPartition(digest, self.rows, tuple(self.written))}

    def close(self) -> None:
        self.writer.shutdown()

    def _write(self) -> None:
        """Write the rows in memory in a thread, while the next parts are made; one file at a time."""
        self._wait_for_writer()
        rows = pl.concat(self.held, rechunk=False)
        self.held.clear()
        self.writing = self.writer.submit(copy_context().run, self._write_now, rows)

    def _write_now(self, rows: pl.DataFrame) -> None:
        self.write({WHOLE: rows}, number=len(self.written))

    def _wait_for_writer(self) -> None:
        """Wait for the file that is being written, and raise its error."""
        if self.writing is not None:
            self.writing.result()
            self.writing = None


class _PresentTable:
    """The table when staging begins."""

    def __init__(self, table: DeltaTable | None, states: Mapping[str, PartitionState], location: Location) -> None:
        self.location, self.table, self.states = location, table, states
        self.schema = None if table is None else pl.Schema(table.schema())
        self.files = {} if table is None else live_files(table)
        self.damaged: set[str] = set()

    @classmethod
    def of(cls, location: Location, keys: Sequence[str] | None) -> "_PresentTable":
        try:
            table, states = partition_states(
                location, enough=lambda live: live.keys() if keys is None else live.keys() & set(keys)
            )
        except TableNotFound:
            return cls(None, {}, location)
        return cls(table, states, location)

    def check(self, name: str, schema: pl.Schema, plan: StagePlan) -> None:
        """Refuse rows that no commit would take, before they are written."""
        if self.table is not None and self.schema is not None:
            check_partitioning(name, self.table, plan)
            if not plan.reshapes:
                added_columns(name, self.schema, schema)

    def hash_of(self, key: str) -> str | None:
        """Return the content hash of a partition that is in the log."""
        state = self.states.get(key)
        return None if state is None else state.hash

    def uris_of(self, key: str, digest: str) -> tuple[str, ...]:
        """Return the files of a partition that is known to hold rows of this hash; none if a file is not whole."""
        state = self.states.get(key)
        if state is None or state.hash != digest:
            return ()
        files = self.files.get(key, ())
        if not all(is_whole(self.location, file) for file in files):
            self.damaged.add(key)
            return ()
        return tuple(file.uri(self.location) for file in files)


def _check_columns(table: str, columns: list[str], plan: StagePlan, table_columns: Iterable[str]) -> None:
    key_column = [plan.partition_of] if isinstance(plan.partition_of, str) else []
    if PARTITION in columns and key_column != [PARTITION]:
        raise ColumnCollision(f"Table `{table}`", [PARTITION], "The store adds this column itself: drop it.")
    if missing := [name for name in (*key_column, *plan.sort_by) if name not in columns]:
        raise MissingColumns(f"The frame for table `{table}`", missing, columns)
    own = {PARTITION, *table_columns, *([ROW] if plan.ordered else [])}
    refuse_working_names(f"Table `{table}`", columns, known=own)

"""Compaction: many small files of a partition become few, in a commit that changes no content.

Appends and foreign writers leave small files; a replace does not. Rows whose hash is known are sorted as their replace
sorted them and must have that hash again, otherwise they stay as they are. A compacted partition has the same state as
before: no plan sees a change, and it is not taken for a foreign write.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import RemoveAction

from feature_platform.ground.working_columns import PARTITION, ROW
from feature_platform.offline.commits import (
    CommitStamp,
    commit_properties,
    convert_write_errors,
    open_table,
    with_retries,
)
from feature_platform.offline.files import ROW_GROUP_ROWS, DataFile, LiveFile, live_files, remove_files, write_files
from feature_platform.offline.hashing import has_content
from feature_platform.offline.history import partition_states, sort_order_of
from feature_platform.offline.names import Location

SMALL_BYTES = 16 * 2**20  # in storage; a file below, and with less than a row group, is small
_PLAIN = {"timestampNtz"}  # with other features a file's rows are not all that is in it, or under other names
_MERGED_BYTES = 32 * 2**20  # in storage; up to which small files of unknown content become one


@dataclass(frozen=True)
class CompactionResult:
    """The result of compaction.

    Attributes:
        before: the files that were replaced.
        after: the files that replaced them.
        differing: partitions whose rows do not have the hash in the log; they stay as they are.
    """

    before: int = 0
    after: int = 0
    differing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Swap:
    """Some files, and new files with the same rows."""

    old: Sequence[LiveFile]
    new: Sequence[DataFile]


def compact(location: Location, stamp: CommitStamp) -> CompactionResult:
    """Merge the small files of every partition that has several; one partition at a time is in memory."""
    table, states = partition_states(location)
    many = {key: files for key, files in live_files(table).items() if len(_small_files(files)) > 1}
    if not many or set(table.protocol().reader_features or ()) - _PLAIN:
        return CompactionResult()
    compaction = _Compaction(location, table, sort_order_of(location))
    try:
        for key, files in many.items():
            state = states.get(key)
            compaction.add(key, files, None if state is None else state.hash)
        return compaction.commit(stamp)
    finally:
        compaction.remove_rest()


class _Compaction:
    """The new files of some partitions, which will replace the present ones."""

    def __init__(self, location: Location, table: DeltaTable, sort_by: Sequence[str]) -> None:
        self.location = location
        self.schema = pl.Schema({name: each for name, each in pl.Schema(table.schema()).items() if name != PARTITION})
        self.order = [*sort_by, *([ROW] if ROW in self.schema else [])]
        self.swaps: list[_Swap] = []
        self.differing: list[str] = []

    def add(self, key: str, files: Sequence[LiveFile], digest: str | None) -> None:
        """Write the rows of some files again, as fewer files."""
        if digest is None:
            for group in _group_small_files(_small_files(files)):
                self._write(key, group, self._rows(group, missing_columns="insert", schema=self.schema))
            return
        rows = self._rows(files)
        if not has_content(rows, digest):
            self.differing.append(key)
        else:
            self._write(key, files, rows)

    def commit(self, stamp: CommitStamp) -> CompactionResult:
        done = with_retries(self.location, lambda: self._swap(stamp)) if self.swaps else []
        before, after = (sum(map(len, files)) for files in ([s.old for s in done], [s.new for s in done]))
        return CompactionResult(before, after, tuple(self.differing))

    def remove_rest(self) -> None:
        """Remove the new files that no commit took."""
        for swap in self.swaps:
            remove_files(self.location, swap.new)

    def _rows(self, files: Sequence[LiveFile], **how: Any) -> pl.DataFrame:
        uris = [file.uri(self.location) for file in files]
        options = self.location.storage_options
        scan = pl.scan_parquet(uris, hive_partitioning=False, glob=False, storage_options=options, **how)
        return scan.collect().sort(self.order, maintain_order=True) if self.order else scan.collect()

    def _write(self, key: str, old: Sequence[LiveFile], rows: pl.DataFrame) -> None:
        with convert_write_errors(self.location):
            swap = _Swap(old, write_files(self.location, {key: rows}, self.order)[key])
        self.swaps.append(swap)

    def _swap(self, stamp: CommitStamp) -> list[_Swap]:
        """Swap the files that are still there; skip those that another writer has taken away meanwhile."""
        table = open_table(self.location)
        live = {file.path for files in live_files(table).values() for file in files}
        swaps = [s for s in self.swaps if len(s.new) < len(s.old) and all(file.path in live for file in s.old)]
        if not swaps:
            return []
        now = int(time.time() * 1000)
        removes = [RemoveAction(f.path, False, now, f.size, f.values) for swap in swaps for f in swap.old]  # noqa: FBT003
        adds = [file.add_action(data_change=False) for swap in swaps for file in swap.new]
        properties = commit_properties(stamp, "compact", exclusive=True)
        partition_by = table.metadata().partition_columns
        schema = table.schema()
        rest, self.swaps = self.swaps, [swap for swap in self.swaps if swap not in swaps]
        try:
            table.create_write_transaction(
                [*adds, *removes], "append", schema, partition_by=partition_by, commit_properties=properties
            )
        except CommitFailedError:  # after any other error a version may name the files: they stay
            self.swaps = rest
            raise
        return swaps


def _small_files(files: Sequence[LiveFile]) -> list[LiveFile]:
    return [file for file in files if file.size < SMALL_BYTES and file.rows < ROW_GROUP_ROWS]


def _group_small_files(files: Sequence[LiveFile]) -> Iterator[list[LiveFile]]:
    """Yield groups of files that become one file; at least two in each."""
    group: list[LiveFile] = []
    for file in files:
        if group and sum(each.size for each in (*group, file)) > _MERGED_BYTES:
            yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group

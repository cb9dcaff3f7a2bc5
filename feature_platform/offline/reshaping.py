"""Reshaping: a table gets other columns in one new version, and all rows keep their values in these.

Delta files are never changed, and a column that only vanished from the schema would return with its old values when a
column of its name is added. So every partition is written again, one at a time, with the facts of its former commit:
who made its rows, with which code, from what. Older versions keep their columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from deltalake import DeltaTable

from feature_platform.ground.errors import NotCarriedOver, TableUnreadable
from feature_platform.ground.working_columns import PARTITION, ROW
from feature_platform.offline.commits import Origin, grain_of
from feature_platform.offline.files import LiveFile, live_files
from feature_platform.offline.hashing import RunningContent, has_content
from feature_platform.offline.history import PartitionState, partition_states, sort_order_of
from feature_platform.offline.names import WHOLE, Location
from feature_platform.offline.staged import StagePlan

_PLAIN = {"timestampNtz"}  # with other features a file's rows are not all that is in it, or under other names


@dataclass(frozen=True)
class Reshape:
    """A change of the columns of a table: first removed, then renamed, then given other types.

    Attributes:
        renamed: the new names by the old ones.
        retyped: the new types by name; by the new name where a column is renamed.
        emptied: names among the retyped whose values are given up: they are null in the new type.
    """

    removed: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    retyped: Mapping[str, pl.DataType] = field(default_factory=dict)
    emptied: Sequence[str] = ()

    def names_after(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return the new names of those of some columns that keep their values."""
        new_names = (self.renamed.get(name, name) for name in columns if name not in self.removed)
        return tuple(name for name in new_names if name not in self.emptied)

    def reshape_rows(self, table: str, key: str, rows: pl.DataFrame, before: int = 0) -> pl.DataFrame:
        """Return some rows of a partition in their new form.

        Args:
            before: how many rows of the partition came before them.

        Raises:
            NotCarriedOver: a value would not be the same in its new type; names the first such row.
        """
        result = rows.drop(self.removed, strict=False).rename(self.renamed, strict=False)
        for name, dtype in self.retyped.items():
            if name not in result.columns or result.schema[name] == dtype:
                continue
            if name in self.emptied:
                result = result.with_columns(pl.lit(None, dtype).alias(name))
                continue
            old = result.get_column(name)
            new = old.cast(dtype, strict=False)
            same = (old.is_null() & new.is_null()) | new.cast(old.dtype, strict=False).eq_missing(old)
            if not same.all():
                row = (~same).arg_true()[0]
                raise NotCarriedOver(table, name, old.dtype, dtype, key, before + row, old[row])
            result = result.with_columns(new)
        return result


@dataclass
class Reshaping:
    """One version of a table, about to get a new form.

    Attributes:
        plan: how the rows are to be staged.
        origins: who made the rows of each partition; partitions are added while `parts` is iterated over.
        parts: the rows in their new form, partition by partition.
    """

    plan: StagePlan
    origins: dict[str, Origin]
    parts: Iterator[pl.DataFrame]


def prepare_reshaping(location: Location, change: Reshape) -> Reshaping:
    """Prepare to give the newest version of a table a new form; only its log is read so far.

    Raises:
        TableUnreadable: somebody else gave the table Delta features that hide the content of its files.
    """
    table, states = partition_states(location)
    hidden = set(table.protocol().reader_features or ()) - _PLAIN
    if hidden:
        reason = f"it uses the Delta feature(s) {', '.join(sorted(hidden))}"
        raise TableUnreadable(location.table, location.uri, reason)
    order = sort_order_of(location)
    origins: dict[str, Origin] = {}
    partitioned = bool(table.metadata().partition_columns)
    reader = _Reader(location, table, states, change, order, origins)
    plan = StagePlan(
        partition_of=PARTITION if partitioned else None,
        sort_by=change.names_after(order) if partitioned else (),
        ordered=ROW in pl.Schema(table.schema()),
        grain=grain_of(table) if partitioned else None,
        reshapes=True,
        made_from=table.version(),
    )
    return Reshaping(plan, origins, reader.read_partitions() if partitioned else reader.read_whole())


@dataclass
class _Reader:
    """A reader of one version of a table, a partition or a file at a time."""

    location: Location
    table: DeltaTable
    states: Mapping[str, PartitionState]
    change: Reshape
    order: Sequence[str]
    origins: dict[str, Origin]

    def read_partitions(self) -> Iterator[pl.DataFrame]:
        """Yield each partition with its key; one part without rows when there are no partitions."""
        files = live_files(self.table)
        if not files:
            empty = self._with_all_columns(pl.DataFrame()).with_columns(pl.lit(None, pl.String).alias(PARTITION))
            yield self.change.reshape_rows(self.location.table, "", empty)
        for key, partition_files in files.items():
            rows = self._read(partition_files)
            order = [name for name in self.order if name in rows.columns]
            rows = rows.sort(order, maintain_order=True) if order else rows
            known_hash = self._known_hash(key)
            self._note(key, rows.columns, same=known_hash is None or has_content(rows, known_hash))
            yield self.change.reshape_rows(self.location.table, key, self._with_all_columns(rows)).with_columns(
                pl.lit(key).alias(PARTITION)
            )

    def read_whole(self) -> Iterator[pl.DataFrame]:
        """Yield a table without partitions, file by file in the order of its rows."""
        files, before = live_files(self.table).get(WHOLE, []), 0
        running: RunningContent | None = None
        columns: list[str] = []
        for file in self._in_order(files):
            rows = self._read([file])
            rows = rows.sort(ROW) if ROW in rows.columns else rows
            running = running or RunningContent(rows.schema, self._known_hash(WHOLE), order_counts=False)
            running.update(rows)
            columns = rows.columns
            yield self.change.reshape_rows(
                self.location.table, WHOLE, self._with_all_columns(rows).drop(ROW, strict=False), before
            )
            before += rows.height
        same = running is None or self._known_hash(WHOLE) in (None, running.hexdigest())
        self._note(WHOLE, columns, same=same)
        if running is None:
            yield self.change.reshape_rows(
                self.location.table, WHOLE, self._with_all_columns(pl.DataFrame()).drop(ROW, strict=False)
            )

    def _in_order(self, files: Sequence[LiveFile]) -> list[LiveFile]:
        if ROW not in pl.Schema(self.table.schema()):
            return list(files)
        first = {file: self._scan([file]).select(pl.col(ROW).min()).collect().item() for file in files}
        return sorted(files, key=lambda file: first[file] or 0)

    def _scan(self, files: Sequence[LiveFile]) -> pl.LazyFrame:
        uris = [file.uri(self.location) for file in files]
        options = self.location.storage_options
        return pl.scan_parquet(uris, hive_partitioning=False, glob=False, storage_options=options)

    def _read(self, files: Sequence[LiveFile]) -> pl.DataFrame:
        return self._scan(files).collect()

    def _with_all_columns(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with all columns of the table; columns that they were made without are null."""
        schema = {name: dtype for name, dtype in pl.Schema(self.table.schema()).items() if name != PARTITION}
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
        if rows.width == 0:
            return pl.DataFrame(schema=schema)
        return rows.with_columns(missing).select(list(schema))

    def _known_hash(self, key: str) -> str | None:
        """Return the content hash of a partition that the log tells."""
        state = self.states.get(key)
        return None if state is None else state.hash

    def _note(self, key: str, columns: Sequence[str], *, same: bool) -> None:
        """Keep who made a partition; refuse a partition whose rows do not have the hash in the log."""
        state = self.states.get(key)
        if state is None:
            return
        if not same:
            reason = f"the rows of partition `{key}` do not have the hash that is in its log"
            raise TableUnreadable(self.location.table, self.location.uri, reason)
        self.origins[key] = Origin(
            hash=state.hash,
            made=state.version if state.made is None else state.made,
            code_version=state.code_version,
            inputs=state.inputs,
            extra=state.extra,
            functions=state.functions,
            columns=self.change.names_after(state.columns or columns),
            delivered=state.delivered,
            units=state.units,
        )

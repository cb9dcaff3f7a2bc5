"""Replacing partitions: one commit that writes what differs and leaves alone what is there already.

What is equal is known by content hash, so late data rewrites only the partitions it touches and the same rows
written twice make no second version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable

from feature_platform.content import content_hash, partition_hashes, partition_lengths
from feature_platform.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingColumns,
    PartitioningChanged,
    RowsOutsidePartitions,
    WrongColumnType,
)
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    agree_properties,
    create,
    found_table,
    grain_of,
    stamped,
    with_retries,
    write,
)
from feature_platform.offline.history import PartitionState, live_rows, partition_states
from feature_platform.offline.names import PARTITION, WHOLE, Location, checked_keys, one_of
from feature_platform.offline.opened import unrecorded
from feature_platform.offline.schema import added_columns, storable


@dataclass(frozen=True)
class Content:
    """Rows ready to be stored: storable types, sorted, hashed by partition."""

    rows: pl.DataFrame
    hashes: Mapping[str, str]
    lengths: Mapping[str, int]
    asked: tuple[str, ...] | None
    empty: str

    def hash(self, key: str) -> str:
        return self.hashes.get(key, self.empty)

    def length(self, key: str) -> int:
        return self.lengths.get(key, 0)

    def facts(self, keys: Sequence[str]) -> dict[str, dict[str, object]]:
        return {key: {"hash": self.hash(key), "rows": self.length(key)} for key in keys}


@unrecorded()
def replace(
    location: Location,
    frame: pl.DataFrame,
    *,
    partitions: Sequence[str] | None,
    partition_of: pl.Expr | str | None,
    stamp: CommitStamp,
    sort_by: Sequence[str],
) -> Commit:
    """See `OfflineStore.replace`."""
    table = found_table(location)
    known = None if table is None else pl.Schema(table.schema())
    arranged = _arranged(location.table, frame, partition_of, sort_by, known)
    content = _content(location.table, arranged, partitions)
    commit, wrote = with_retries(location, lambda: _attempt(location, content, stamp, tuple(sort_by)))
    if wrote:
        agree_properties(location, stamp, tuple(sort_by))
    return commit


def _arranged(
    table: str,
    frame: pl.DataFrame,
    partition_of: pl.Expr | str | None,
    sort_by: Sequence[str],
    known: pl.Schema | None,
) -> pl.DataFrame:
    """Storable rows with their partition, sorted by it and then as asked; equal rows keep their order."""
    named = [partition_of] if isinstance(partition_of, str) else []
    if PARTITION in frame.columns and named != [PARTITION]:
        raise ColumnCollision(f"Table `{table}`", [PARTITION], "The store adds this column itself: drop it.")
    if missing := [name for name in (*named, *sort_by) if name not in frame.columns]:
        raise MissingColumns(f"The frame for table `{table}`", missing, frame.columns)
    if partition_of is not None:
        key = pl.col(partition_of) if isinstance(partition_of, str) else partition_of
        frame = frame.with_columns(key.cast(pl.String).alias(PARTITION))
    rows = storable(table, frame, known)
    order = [*([_by_number(rows[PARTITION])] if partition_of is not None else []), *sort_by]
    return rows.sort(order, maintain_order=True) if order else rows


def _by_number(keys: pl.Series) -> pl.Series:
    """Partition keys as numbers of the same order: text is twice as slow to sort by."""
    return keys.cast(pl.Enum(keys.drop_nulls().unique().sort()))


def _content(table: str, rows: pl.DataFrame, partitions: Sequence[str] | None) -> Content:
    if PARTITION not in rows.columns:
        if partitions is not None:
            raise InvalidDeclaration(
                f"Table `{table}`",
                "has partitions to replace but no partition column",
                "Say which partition a row belongs to with `partition_of`.",
            )
        digest = content_hash(rows)
        return Content(rows, {WHOLE: digest}, {WHOLE: rows.height}, (WHOLE,), digest)
    if rows.get_column(PARTITION).null_count():
        raise WrongColumnType(
            f"Table `{table}`",
            PARTITION,
            "null in some rows",
            "a partition key for every row",
            "Drop the rows whose time is null, or give them a partition.",
        )
    lengths = partition_lengths(rows, PARTITION)
    checked_keys(table, lengths)
    asked = None if partitions is None else checked_keys(table, partitions)
    if asked is not None and (outside := lengths.keys() - set(asked)):
        raise RowsOutsidePartitions(table, {key: lengths[key] for key in sorted(outside)}, asked)
    empty = content_hash(rows.clear().drop(PARTITION))
    return Content(rows, partition_hashes(rows, PARTITION), lengths, asked, empty)


def _attempt(location: Location, content: Content, stamp: CommitStamp, indexed: tuple[str, ...]) -> tuple[Commit, bool]:
    table = found_table(location)
    if table is None:
        asked = content.asked if content.asked is not None else tuple(content.lengths)
        create(location, content.rows, stamp, "replace", indexed=indexed, partitions=content.facts(asked))
        return _commit(location, 0, asked, content, asked), False
    return _attempt_on(location, content, stamp)


def _attempt_on(location: Location, content: Content, stamp: CommitStamp) -> tuple[Commit, bool]:
    table, states = partition_states(location, enough=lambda live: _sought(content, live))
    _check_partitioning(location.table, table, content, stamp)
    added_columns(location.table, pl.Schema(table.schema()), content.rows.schema)
    asked = content.asked if content.asked is not None else tuple(sorted({*live_rows(table), *content.lengths}))
    changed = tuple(key for key in asked if _differs(content, states.get(key), key))
    confirmed = tuple(key for key in asked if key not in changed and _is_news(content, states.get(key), key, stamp))
    if not changed and not confirmed:
        return _commit(location, table.version(), asked, content, ()), False
    exclusive = bool(confirmed) or content.asked is None or content.asked == (WHOLE,)
    properties = stamped(stamp, "replace", exclusive=exclusive, partitions=content.facts(changed + confirmed))
    version = write(table, _rows_of(table, content, changed), properties, **_how(changed))
    return _commit(location, version, asked, content, changed), True


def _sought(content: Content, live: Mapping[str, int]) -> set[str]:
    """A partition without files is empty whatever the log says; only if it stays empty is the log asked."""
    asked = {*live, *content.lengths} if content.asked is None else content.asked
    return {key for key in asked if key in live or not content.length(key)}


def _differs(content: Content, state: PartitionState | None, key: str) -> bool:
    if state is None:
        return content.length(key) > 0
    return state.hash != content.hash(key) and (state.rows > 0 or content.length(key) > 0)


def _is_news(content: Content, state: PartitionState | None, key: str, stamp: CommitStamp) -> bool:
    """Same rows, but the log does not say so yet: never written, other origin, or other columns while empty."""
    if state is None or state.hash != content.hash(key):
        return True
    told = (state.code_version, dict(state.inputs), dict(state.extra))
    return told != (stamp.code_version, dict(stamp.inputs), dict(stamp.extra))


def _how(changed: Sequence[str]) -> dict[str, str]:
    if not changed:
        return {"mode": "append"}
    if tuple(changed) == (WHOLE,):
        return {"mode": "overwrite"}
    return {"mode": "overwrite", "predicate": one_of(changed)}


def _rows_of(table: DeltaTable, content: Content, changed: Sequence[str]) -> pl.DataFrame:
    """The rows to write, in the column order of the table."""
    known = [name for name in pl.Schema(table.schema()) if name in content.rows.columns]
    rows = content.rows.select(*known, pl.exclude(known)) if known else content.rows
    if not changed:
        return rows.clear()
    return rows if PARTITION not in rows.columns else rows.filter(pl.col(PARTITION).is_in(list(changed)))


def _check_partitioning(name: str, table: DeltaTable, content: Content, stamp: CommitStamp) -> None:
    partitioned = bool(table.metadata().partition_columns)
    wanted = PARTITION in content.rows.columns
    if partitioned != wanted:
        words: Callable[[bool], str] = lambda yes: (stamp.grain or "keyed") if yes else "no"  # noqa: E731
        raise PartitioningChanged(name, grain_of(table) or words(partitioned), words(wanted))
    found = grain_of(table)
    if found is not None and stamp.grain is not None and found != stamp.grain:
        raise PartitioningChanged(name, found, stamp.grain)


def _commit(
    location: Location, version: int, asked: Sequence[str], content: Content, changed: tuple[str, ...]
) -> Commit:
    hashes = {key: content.hash(key) for key in asked}
    return Commit(location.table, version, changed, hashes, {key: content.length(key) for key in asked})

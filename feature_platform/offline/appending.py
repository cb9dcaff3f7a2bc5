"""Appending rows to logs: runs, quarantined rows, late rows. Concurrent appends all succeed."""

from collections.abc import Iterable, Sequence

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from feature_platform.ground.errors import PartitioningChanged
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    Once,
    commit_properties,
    description_of,
    find_table,
    table_properties,
    with_retries,
)
from feature_platform.offline.names import WHOLE, Location
from feature_platform.offline.schema import added_columns, make_storable


def append(location: Location, frame: pl.DataFrame, *, stamp: CommitStamp, once: Sequence[Once] = ()) -> Commit:
    """Append rows to a log; see `OfflineStore.append`."""
    return with_retries(location, lambda: _attempt(location, frame, stamp, once))


def appended_upto(location: Location, writers: Iterable[str], version: int | None) -> dict[str, int]:
    """Return the number of the last message of each writer; see `OfflineStore.appended_upto`."""
    table = find_table(location, version)
    return {writer: -1 if table is None else _last_number(table, writer) for writer in writers}


def _last_number(table: DeltaTable, writer: str) -> int:
    number = table.transaction_version(writer)
    return -1 if number is None else int(number)


def _attempt(location: Location, frame: pl.DataFrame, stamp: CommitStamp, once: Sequence[Once]) -> Commit:
    table = find_table(location)
    if any(each.after != (-1 if table is None else _last_number(table, each.writer)) for each in once):
        return Commit(location.table, -1 if table is None else table.version(), rows={WHOLE: 0})
    if table is None:
        rows = make_storable(location.table, frame)
        _create(location, rows, stamp, once)
        return Commit(location.table, 0, (WHOLE,), rows={WHOLE: rows.height})
    if table.metadata().partition_columns:
        raise PartitioningChanged(location.table, "keyed", "no")
    schema = pl.Schema(table.schema())
    rows = make_storable(location.table, frame, schema)
    added_columns(location.table, schema, rows.schema, complete=False)
    if rows.is_empty():
        return Commit(location.table, table.version(), rows={WHOLE: 0})
    append_properties = _append_properties(stamp, once, exclusive=bool(once))
    write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=append_properties)
    return Commit(location.table, table.version(), (WHOLE,), rows={WHOLE: rows.height})


def _append_properties(stamp: CommitStamp, once: Sequence[Once], *, exclusive: bool) -> CommitProperties:
    result = commit_properties(stamp, "append", exclusive=exclusive)
    if once:
        result.app_transactions = [Transaction(each.writer, each.upto) for each in once]
    return result


def _create(location: Location, rows: pl.DataFrame, stamp: CommitStamp, once: Sequence[Once]) -> None:
    """Write version 0 of a log, exclusively: two writers that both create the table and retry would both succeed."""
    write_deltalake(
        location.uri,
        rows,
        configuration=table_properties(location, rows.columns, ()),
        description=description_of(stamp),
        storage_options=location.storage_options,
        commit_properties=_append_properties(stamp, once, exclusive=True),
    )

"""Appending rows to logs: runs, quarantined rows, late rows. Appends never lose to one another."""

import polars as pl
from deltalake import write_deltalake

from feature_platform.errors import PartitioningChanged
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    described,
    found_table,
    properties,
    stamped,
    with_retries,
)
from feature_platform.offline.names import WHOLE, Location
from feature_platform.offline.opened import unrecorded
from feature_platform.offline.schema import added_columns, storable


@unrecorded()
def append(location: Location, frame: pl.DataFrame, *, stamp: CommitStamp) -> Commit:
    """See `OfflineStore.append`."""
    return with_retries(location, lambda: _attempt(location, frame, stamp))


def _attempt(location: Location, frame: pl.DataFrame, stamp: CommitStamp) -> Commit:
    table = found_table(location)
    if table is None:
        rows = storable(location.table, frame)
        _create(location, rows, stamp)
        return Commit(location.table, 0, (WHOLE,), rows={WHOLE: rows.height})
    if table.metadata().partition_columns:
        raise PartitioningChanged(location.table, "keyed", "no")
    known = pl.Schema(table.schema())
    rows = storable(location.table, frame, known)
    added_columns(location.table, known, rows.schema, complete=False)
    if rows.is_empty():
        return Commit(location.table, table.version(), rows={WHOLE: 0})
    write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=stamped(stamp, "append"))
    return Commit(location.table, table.version(), (WHOLE,), rows={WHOLE: rows.height})


def _create(location: Location, rows: pl.DataFrame, stamp: CommitStamp) -> None:
    """Version 0 of a log, exclusively: two creators that retry would both succeed."""
    write_deltalake(
        location.uri,
        rows,
        configuration=properties(location, rows.columns, ()),
        description=described(stamp),
        storage_options=location.storage_options,
        commit_properties=stamped(stamp, "append", exclusive=True),
    )

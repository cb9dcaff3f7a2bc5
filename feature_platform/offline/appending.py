"""Appending rows to logs: runs, quarantined rows, late rows. Appends never lose to one another."""

import polars as pl

from feature_platform.errors import PartitioningChanged
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    create,
    found_table,
    stamped,
    with_retries,
    write,
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
        create(location, rows, stamp, "append")
        return Commit(location.table, 0, (WHOLE,), rows={WHOLE: rows.height})
    if table.metadata().partition_columns:
        raise PartitioningChanged(location.table, "keyed", "no")
    known = pl.Schema(table.schema())
    rows = storable(location.table, frame, known)
    added_columns(location.table, known, rows.schema, complete=False)
    if rows.is_empty():
        return Commit(location.table, table.version(), rows={WHOLE: 0})
    version = write(table, rows, stamped(stamp, "append"), mode="append")
    return Commit(location.table, version, (WHOLE,), rows={WHOLE: rows.height})

"""A pin: left by a rollback on its table, so that no run changes the restored rows back.

It is a transaction number in the Delta log, which every copy of the table carries and which is cheap to look up; the
commit of the rollback says which partitions it holds. It lasts until it is released.
"""

from dataclasses import dataclass
from datetime import datetime

from deltalake import DeltaTable, Transaction

from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline.commits import (
    PREFIX,
    Commit,
    CommitStamp,
    commit_properties,
    find_table,
    open_table,
    with_retries,
)
from feature_platform.offline.history import Log, commit_time_of, live_rows, read_log
from feature_platform.offline.names import WHOLE, Location

_WRITER = f"{PREFIX}pin"
_RELEASED = -1


@dataclass(frozen=True)
class Pin:
    """A pin on a table that was rolled back.

    Attributes:
        version: the version that was restored.
        since: when (UTC); None when the log no longer has the rollback.
        run_id: who did it; empty when the log does not say.
        partitions: the partitions that it holds: all that the table had before the rollback or has since; `""` is a
            table without partitions. Partitions that came later are not held.
    """

    version: int
    since: datetime | None
    run_id: str
    partitions: frozenset[str]


def pin_of(location: Location) -> Pin | None:
    """Return the pin of a table; see `OfflineStore.pin`."""
    table = find_table(location)
    return pin_in(read_log(location)) if table is not None and is_pinned(table) else None


def is_pinned(table: DeltaTable) -> bool:
    """Tell whether the version at which a table is open is held by a pin."""
    return table.transaction_version(_WRITER) not in (None, _RELEASED)


def pin_in(log: Log) -> Pin | None:
    """Return the pin of a table whose log was read."""
    version = log.table.transaction_version(_WRITER)
    if version is None or version == _RELEASED:
        return None
    for entry in log.entries:
        partitions = entry.get(f"{PREFIX}pinned")
        if partitions is not None:
            run_id = str(entry.get(f"{PREFIX}run_id") or "")
            return Pin(int(version), commit_time_of(entry), run_id, frozenset(partitions))
    return Pin(int(version), None, "", _partitions(log.table))


def pinned_since(location: Location) -> datetime | None:
    """Return when a table was pinned; None when it is not."""
    pin = pin_of(location)
    return None if pin is None else pin.since


def pin_transactions(version: int) -> list[Transaction]:
    """Return what the commit of a rollback adds to pin its table at the version that it restores."""
    return [Transaction(_WRITER, version)]


def release_pin(location: Location, stamp: CommitStamp) -> Commit:
    """End the pin of a table; see `OfflineStore.release`."""
    return with_retries(location, lambda: _attempt_release(location, stamp))


def _attempt_release(location: Location, stamp: CommitStamp) -> Commit:
    table = open_table(location)
    version = table.transaction_version(_WRITER)
    if version is None or version == _RELEASED:
        return Commit(location.table, table.version())
    properties = commit_properties(stamp, "release", exclusive=True)
    properties.app_transactions = [Transaction(_WRITER, _RELEASED)]
    partition_by = table.metadata().partition_columns
    table.create_write_transaction(
        [], "append", table.schema(), partition_by=partition_by, commit_properties=properties
    )
    return Commit(location.table, table.version() + 1)


def _partitions(table: DeltaTable) -> frozenset[str]:
    partitioned = PARTITION in table.metadata().partition_columns
    return frozenset(live_rows(table)) if partitioned else frozenset([WHOLE])

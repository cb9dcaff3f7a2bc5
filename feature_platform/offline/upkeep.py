"""What is done to a table besides writing rows: going back to a version, and keeping it quick and lean."""

from collections.abc import Sequence
from dataclasses import dataclass

from deltalake.exceptions import CommitFailedError, DeltaError

from feature_platform.errors import VersionNotFound
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    agree_properties,
    open_table,
    stamped,
    with_retries,
)
from feature_platform.offline.history import checked_version, differing, partition_states, read_log
from feature_platform.offline.names import Location
from feature_platform.offline.opened import unrecorded


@dataclass(frozen=True)
class Maintenance:
    """What maintenance came to: the newest version and the files that no kept version needs any more."""

    table: str
    version: int
    files_removed: int


@unrecorded()
def rollback(location: Location, version: int, *, stamp: CommitStamp) -> Commit:
    """See `OfflineStore.rollback`."""
    commit = with_retries(location, lambda: _attempt(location, version, stamp))
    agree_properties(location, stamp)
    return commit


@unrecorded()
def maintain(location: Location, *, stamp: CommitStamp, keep_versions: Sequence[int] = ()) -> Maintenance:
    """See `OfflineStore.maintain`."""
    agree_properties(location, stamp)
    table = open_table(location)
    table.create_checkpoint()

    def vacuum() -> Maintenance:
        newest = open_table(location)
        removed = newest.vacuum(
            dry_run=False,
            full=True,
            keep_versions=list(keep_versions) or None,
            commit_properties=stamped(stamp, "vacuum"),
        )
        return Maintenance(location.table, open_table(location).version(), len(removed))

    return with_retries(location, vacuum)


def _attempt(location: Location, version: int, stamp: CommitStamp) -> Commit:
    log = read_log(location)
    checked_version(location, log, version)
    _, before = partition_states(location)
    table, after = partition_states(location, version)
    changed = tuple(sorted(differing(before, after)))
    hashes = {key: state.hash for key, state in after.items() if state.hash is not None}
    rows = {key: state.rows for key, state in after.items()}
    if version == table.version():
        return Commit(location.table, version, (), hashes, rows)
    try:
        table.restore(version, commit_properties=stamped(stamp, "rollback", restored_version=version))
    except CommitFailedError:
        raise
    except DeltaError as error:
        raise VersionNotFound(location.table, version, log.oldest, log.newest) from error
    return Commit(location.table, table.version(), changed, hashes, rows)

"""Upkeep of a table: restoring an older version, and keeping the table quick and small."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deltalake.exceptions import CommitFailedError, DeltaError

from feature_platform.ground.clock import duration_of
from feature_platform.ground.errors import VersionNotFound
from feature_platform.offline.commits import (
    Commit,
    CommitStamp,
    commit_properties,
    open_table,
    update_table_properties,
    with_retries,
)
from feature_platform.offline.compaction import compact
from feature_platform.offline.history import (
    Log,
    check_version,
    commit_time_of,
    differing_partitions,
    partition_states,
    read_log,
)
from feature_platform.offline.names import WHOLE, Location
from feature_platform.offline.pins import pin_transactions, pinned_since


@dataclass(frozen=True)
class Maintenance:
    """The result of maintenance.

    Attributes:
        version: the newest version afterwards.
        files_compacted: small files that were merged into `files_merged` larger ones.
        files_removed: the files that no kept version needs any more.
        bytes_freed: their size; 0 on an object store, which is not asked.
        differing: partitions whose rows do not have the hash in the log, as after damage; they stay as they are.
    """

    table: str
    version: int
    files_compacted: int
    files_merged: int
    files_removed: int
    bytes_freed: int
    differing: tuple[str, ...] = ()


def restore_version(location: Location, version: int, *, stamp: CommitStamp) -> Commit:
    """Restore an older version of a table; see `OfflineStore.rollback`."""
    commit = with_retries(location, lambda: _attempt(location, version, stamp))
    update_table_properties(location, stamp)
    return commit


def maintain(location: Location, *, stamp: CommitStamp, keep_versions: Sequence[int] = ()) -> Maintenance:
    """Merge small files, write a checkpoint and remove files that nobody needs; see `OfflineStore.maintain`."""
    log = read_log(location)
    for version in keep_versions:
        check_version(location, log, version)
    update_table_properties(location, stamp)
    compacted = compact(location, stamp)
    table = open_table(location)
    table.create_checkpoint()
    if not _older_than_retention(location, log, keep_versions):
        table.cleanup_metadata()
    removed, freed = with_retries(location, lambda: _vacuum(location, stamp, keep_versions))
    newest = open_table(location).version()
    return Maintenance(location.table, newest, compacted.before, compacted.after, removed, freed, compacted.differing)


def _vacuum(location: Location, stamp: CommitStamp, keep_versions: Sequence[int]) -> tuple[int, int]:
    """Remove files that no version needs; return their number and their bytes.

    When there are none, nothing is committed.
    """
    keep, folder = list(keep_versions) or None, location.folder
    useless = open_table(location).vacuum(full=True, keep_versions=keep)
    if not useless:
        return 0, 0
    sizes = {} if folder is None else {path: _size(folder / path) for path in useless}
    table = open_table(location)
    properties = commit_properties(stamp, "vacuum")
    removed = table.vacuum(dry_run=False, full=True, keep_versions=keep, commit_properties=properties)
    return len(removed), sum(sizes.get(path, 0) for path in removed)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _older_than_retention(location: Location, log: Log, versions: Sequence[int]) -> bool:
    """Tell whether cleaning up the log would lose a version that is to be kept, or the rollback that pins the table."""
    horizon = datetime.now(UTC) - duration_of(location.retention)
    pinned = pinned_since(location)
    if pinned is not None and pinned < horizon:
        return True
    return any(entry["version"] in versions and commit_time_of(entry) < horizon for entry in log.entries)


def _attempt(location: Location, version: int, stamp: CommitStamp) -> Commit:
    log = read_log(location)
    check_version(location, log, version)
    _, before = partition_states(location)
    table, after = partition_states(location, version)
    changed = tuple(sorted(differing_partitions(before, after)))
    hashes = {key: state.hash for key, state in after.items() if state.hash is not None}
    rows = {key: state.rows for key, state in after.items()}
    if version == table.version():
        return Commit(location.table, version, (), hashes, rows)
    pinned_keys = sorted({*before, *after}) if table.metadata().partition_columns else [WHOLE]
    properties = commit_properties(stamp, "rollback", restored_version=version, pinned=pinned_keys)
    properties.app_transactions = pin_transactions(version)
    try:
        table.restore(version, commit_properties=properties)
    except CommitFailedError:
        raise
    except DeltaError as error:
        raise VersionNotFound(location.table, version, log.oldest, log.newest) from error
    return Commit(location.table, table.version(), changed, hashes, rows)

"""The offline store: one Delta table for every asset, below one folder or URI.

A store is a plain value that holds nothing open. Every write is one commit that records who wrote it and from what;
every read is of one version, fixed when the scan is made.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from feature_platform.compute.joins.pieces import Table
from feature_platform.ground.clock import GRAINS, Grain
from feature_platform.ground.errors import InvalidDeclaration, TableNotFound
from feature_platform.ground.working_columns import PARTITION, ROW
from feature_platform.offline import history
from feature_platform.offline.appending import append, appended_upto
from feature_platform.offline.commits import Commit, CommitStamp, Once, find_table, grain_of, open_table
from feature_platform.offline.contents import Contents
from feature_platform.offline.dropping import drop_table
from feature_platform.offline.durable import settle
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import Location, check_keys, check_table_name, offline_root, retention_interval
from feature_platform.offline.opened import OpenedTables
from feature_platform.offline.pins import Pin, pin_of, release_pin
from feature_platform.offline.replacing import publish_staged
from feature_platform.offline.soundness import Damage, damages, mend
from feature_platform.offline.staged import Staged, StagePlan
from feature_platform.offline.staging import RowObserver, Rows, stage
from feature_platform.offline.stored import pieces_of
from feature_platform.offline.upkeep import Maintenance, maintain, restore_version


@dataclass(frozen=True)
class OfflineStore:
    """The Delta tables below `<root>/offline`.

    Attributes:
        root: a folder, or a URI such as `s3://bucket/features` or `file:///data`.
        storage_options: what deltalake needs to reach an object store; never shown.
        retention: how long versions stay readable: hours, days or weeks (`365d`).
        opened: where rows that are read through this store are noted, see `recording`.

    >>> import polars as pl, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = OfflineStore(folder.name)
    >>> rows = pl.DataFrame({"day": ["2013-01-01", "2013-01-02"], "delay": [4.0, 9.5]})
    >>> stamp = CommitStamp(run_id="r1", asset="views/delays", code_version="1")
    >>> days = ["2013-01-01", "2013-01-02"]
    >>> store.replace("views/delays", rows, partitions=days, partition_of="day", stamp=stamp).changed
    ('2013-01-01', '2013-01-02')
    >>> store.replace("views/delays", rows, partitions=days, partition_of="day", stamp=stamp).changed
    ()
    >>> store.read("views/delays", partitions=["2013-01-02"]).collect().rows()
    [('2013-01-02', 9.5)]
    >>> folder.cleanup()
    """

    root: str | os.PathLike[str]
    storage_options: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    retention: str = "365d"
    opened: OpenedTables | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", os.fspath(self.root))
        retention_interval(self.retention)

    def recording(self, opened: OpenedTables) -> "OfflineStore":
        """Return the same store, which notes each table and version whose rows are read through it.

        Looking at a log is no such read, nor is writing. What other code opens without this store is not noted.
        """
        return replace(self, opened=opened)

    def note_opened(self, uri: str, version: int) -> None:
        """Note a table that was opened for its rows, such as one of a connector; do nothing without a recording."""
        if self.opened is not None:
            self.opened.note(uri, version)

    def location(self, name: str) -> Location:
        """Return where a table is; `InvalidDeclaration` for a name that cannot be a folder."""
        root = offline_root(os.fspath(self.root))
        return Location(name, f"{root}/{check_table_name(name)}", dict(self.storage_options or {}), self.retention)

    def exists(self, name: str) -> bool:
        """Tell whether anything was committed; `NotADeltaTable` for a folder with other people's files."""
        return find_table(self.location(name)) is not None

    def tables(self) -> list[str]:
        """Return the names of all tables, sorted.

        Only for a local root: deltalake cannot list an object store.
        """
        folder = Location("", offline_root(os.fspath(self.root)), {}, self.retention).folder
        if folder is None:
            raise InvalidDeclaration(
                f"The store at {self.root}",
                "cannot list its tables",
                "Ask for tables by name, or use a local root.",
            )
        return sorted(log.parent.relative_to(folder).as_posix() for log in _logs(folder))

    def read(
        self,
        name: str,
        *,
        version: int | None = None,
        timestamp: datetime | None = None,
        partitions: Sequence[str] | None = None,
        partition_column: bool = False,
    ) -> pl.LazyFrame:
        """Return a lazy scan of one version: the newest, the given one, or the newest at an instant.

        Commits between this call and `collect` are not seen. Only files of the given partitions are opened, and only
        the columns that are used. Rows come in the order of their frame when they were written as `ordered`, otherwise
        in no promised order. The column `fp_partition` is there only when it is asked for.

        Raises:
            TableNotFound, NotADeltaTable, TableUnreadable, VersionNotFound: see `errors`.
        """
        if version is not None and timestamp is not None:
            raise InvalidDeclaration(f"A read of `{name}`", "asks for a version and a timestamp", "Give one of them.")
        table = self._open(name, self.version_at(name, timestamp) if timestamp is not None else version)
        return self._scan(name, table, partitions, partition_column=partition_column)

    def find(self, name: str) -> pl.LazyFrame | None:
        """Return a lazy scan of the newest version, as `read` does; None when nothing was committed."""
        try:
            return self.read(name)
        except TableNotFound:
            return None

    def find_states(self, name: str) -> dict[str, PartitionState]:
        """Return the states of the partitions of the newest version; none when nothing was committed."""
        try:
            return self.partition_states(name)
        except TableNotFound:
            return {}

    def pieces(self, name: str, event_time: str | None, *, version: int | None = None) -> Table:
        """Return one version of a table as pieces in the order of an event time, to be worked on one by one.

        Raises:
            TableNotFound, NotADeltaTable, TableUnreadable, VersionNotFound: see `errors`.
        """
        table = self._open(name, version)
        partitioned = PARTITION in table.metadata().partition_columns
        return pieces_of(table, self._scan(name, table, None, partition_column=partitioned), event_time)

    def replace(
        self,
        name: str,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        partitions: Sequence[str] | None = None,
        partition_of: pl.Expr | str | None = None,
        stamp: CommitStamp,
        sort_by: Sequence[str] = (),
        ordered: bool = False,
    ) -> Commit:
        """Make the partitions hold exactly these rows, in one commit; None is the whole table.

        A partition without rows becomes empty. Partitions that hold these rows already stay as they are, and when all
        do, under the same code version, nothing is committed. Rows are sorted by partition and `sort_by`; rows that tie
        keep the order of the frame. The same rows in another order are the same content: the stored rows stay, in their
        order.

        With `partition_of` None the table has no partitions, and its one key is `""`. Such a table may be `ordered`:
        its rows are read back in the order of the frame, by a column `fp_row` that readers do not see, and that order
        is content. A lazy frame without partitions and `sort_by` is collected in batches, never as a whole.

        Raises:
            RowsOutsidePartitions, PartitioningChanged, SchemaChanged, WrongColumnType: nothing was written.
            CommitConflict: twenty tries lost to other writers.
            WriteFailed: storage refused.
        """
        plan = StagePlan(partitions, partition_of, sort_by, ordered=ordered, order_counts=ordered, grain=stamp.grain)
        with self.stage(name, frame, plan) as staged:
            return self.publish(staged, stamp=stamp)

    def stage(self, name: str, rows: Rows, plan: StagePlan, seen: RowObserver | None = None) -> Staged:
        """Write rows as files that no version names yet, to be judged before they are published.

        The result is a context: leaving its block removes the files that were not published. Partitions whose rows the
        table holds already are not written.

        Args:
            rows: a frame, or parts of it, of which one is in memory at a time. A part has all rows of each of its
                partitions; without partitions the parts are the table in order. There is at least one part, even if it
                has no rows.
            seen: is called with all rows as they are staged, sorted and in the types of the table: with each partition
                once, or without partitions with batch after batch of the partition `""`.

        Raises:
            RowsOutsidePartitions, PartitioningChanged, SchemaChanged, WrongColumnType: nothing is left behind.
            WriteFailed: storage refused.
        """
        return stage(self.location(name), rows, plan, seen)

    def publish(self, staged: Staged, *, stamp: CommitStamp) -> Commit:
        """Make the partitions hold the staged rows, in one commit, which takes only what differs.

        Raises:
            SchemaChanged, PartitioningChanged: somebody changed the table since the rows were staged.
            CommitConflict: twenty tries lost to other writers.
            WriteFailed: storage refused.
        """
        return publish_staged(staged, stamp)

    def append(
        self, name: str, frame: pl.DataFrame | pl.LazyFrame, *, stamp: CommitStamp, once: Sequence[Once] = ()
    ) -> Commit:
        """Add rows to a log; columns may be added, or left out and read as null, but never change their type.

        Args:
            once: append only if the table has the messages of each writer up to its `after`, and record each `upto` in
                the same commit; otherwise nothing is appended and the commit has no `changed`.
        """
        return append(self.location(name), frame.lazy().collect(), stamp=stamp, once=once)

    def appended_upto(self, name: str, *writers: str, version: int | None = None) -> dict[str, int]:
        """Return the number of the last message of each writer that was appended `once`.

        It is -1 when there is none, or no table. Only the log is read, so versions whose files are gone can be asked,
        too.

        Raises:
            VersionNotFound: the log does not have the version.
        """
        return appended_upto(self.location(name), writers, version)

    def settle(self, name: str) -> None:
        """Wait until the newest commits of a table would survive a power cut; a local disk is told to sync them.

        Object stores make their writes durable themselves, and are not asked.
        """
        settle(self.location(name))

    def history(self, name: str) -> pl.DataFrame:
        """Return all commits that the log still holds, newest first; `foreign` marks those of other writers.

        Columns: version, timestamp (UTC), operation, kind, run_id, asset, code_version, partitions, rows
        (added), inputs (as text, `table@version`), foreign, restored (the version that a rollback went back to).
        """
        return history.commit_history(self.location(name))

    def table_id(self, name: str) -> str:
        """Return Delta's own id of a table.

        A table that was made anew has another one, although its versions begin again at 0.
        """
        return str(open_table(self.location(name)).metadata().id)

    def commit_id(self, name: str, version: int) -> str | None:
        """Return an id of the commit of a version; None where the table has no such version, or the log has lost it.

        A store that was restored from a backup writes the same versions again, with other content.
        """
        return history.commit_id(self.location(name), version)

    def damages(self, name: str, *, deep: bool = False) -> list[Damage]:
        """Return what is damaged in the newest version of a table, see `offline/soundness.py`.

        Args:
            deep: read all rows and compare them with the hashes in the commits.
        """
        return damages(self.location(name), deep=deep)

    def mend(self, name: str, found: Sequence[Damage], *, is_log: bool = False) -> list[Path]:
        """Move what is damaged and can be mended below `damaged/` of the root; return where it is now.

        Args:
            is_log: no run writes this table again: what cannot be read is taken out of it, and its rows are lost.
        """
        root = Path(offline_root(os.fspath(self.root))).parent
        return mend(self.location(name), found, root, is_log=is_log)

    def grain(self, name: str) -> Grain | None:
        """Return the grain of a table's partitions; None for a table without partitions, and for a log."""
        name_of_grain = grain_of(open_table(self.location(name)))
        return next((each for each in GRAINS if each == name_of_grain), None)

    def latest_version(self, name: str) -> int:
        """Return the newest version; 0 is the first."""
        return open_table(self.location(name)).version()

    def version_at(self, name: str, timestamp: datetime) -> int:
        """Return the version that a reader would have found at an instant, which must have a zone."""
        return history.version_at(self.location(name), timestamp)

    def partition_states(self, name: str, version: int | None = None) -> dict[str, PartitionState]:
        """Return the state of each partition at a version, with its commit; the key of an unpartitioned table is `""`.

        A partition that was written empty is there with 0 rows; one that was never written is absent.
        """
        return history.partition_states(self.location(name), version)[1]

    def contents(self, name: str) -> Contents:
        """Return what a table holds and held before, from one reading of its log, for several questions.

        Raises:
            TableNotFound, NotADeltaTable, TableUnreadable: see `errors`.
        """
        return Contents(self.location(name))

    def inputs_read(self, name: str) -> dict[str, set[int]]:
        """Return the versions of other tables from which the commits of a table say that they were made."""
        return history.inputs_read(self.location(name))

    def changed_since(self, name: str, version: int) -> set[str]:
        """Return the partitions whose content differs from that at a version, or may differ."""
        return self.contents(name).changed_since(version)

    def rollback(self, name: str, version: int, *, stamp: CommitStamp) -> Commit:
        """Restore an older version as a new commit that names it; no file is rewritten.

        From then on the table is pinned: runs do not change the partitions that it has, until `release`. Rolling back
        to the newest version does nothing.

        Raises:
            VersionNotFound: the version is not in the log, or its files were vacuumed.
        """
        return restore_version(self.location(name), version, stamp=stamp)

    def pin(self, name: str) -> Pin | None:
        """Return the pin that a rollback left on a table; None when it is not pinned, or does not exist."""
        return pin_of(self.location(name))

    def release(self, name: str, *, stamp: CommitStamp) -> Commit:
        """End the pin of a table in a commit that changes no row; without a pin nothing is committed."""
        return release_pin(self.location(name), stamp)

    def drop(self, name: str) -> None:
        """Remove a table with all its versions; this cannot be undone.

        A local table is removed in one step; of a table on an object store a part may be left when this is stopped:
        drop it again.

        Raises:
            WriteFailed: storage refused.
        """
        drop_table(self.location(name), offline_root(os.fspath(self.root)))

    def maintain(
        self, name: str, *, stamp: CommitStamp | None = None, keep_versions: Sequence[int] = ()
    ) -> Maintenance:
        """Merge small files, checkpoint the log, and remove files that no version within the retention needs.

        Rows, hashes, partition states and plans stay as they are; a foreign write is still one. A writer at work is not
        disturbed: it continues from the newest version, as after any other commit.

        Args:
            keep_versions: versions that stay readable beyond the retention, such as the pinned versions of training
                sets. See `fp.maintain_all`, which finds them.

        Raises:
            VersionNotFound: a version to keep does not exist.
        """
        return maintain(
            self.location(name),
            stamp=stamp or CommitStamp("maintenance", name, ""),
            keep_versions=keep_versions,
        )

    def _open(self, name: str, version: int | None) -> DeltaTable:
        location = self.location(name)
        table = open_table(location) if version is None else history.open_version(location, version)
        self.note_opened(table.table_uri, table.version())
        return table

    def _scan(
        self, name: str, table: DeltaTable, partitions: Sequence[str] | None, *, partition_column: bool
    ) -> pl.LazyFrame:
        """Return the rows of an open table; see `read`."""
        scan = pl.scan_delta(table, version=table.version(), storage_options=self.location(name).storage_options)
        partitioned = PARTITION in table.metadata().partition_columns
        if partitions is not None:
            if not partitioned:
                raise InvalidDeclaration(f"Table `{name}`", "has no partitions", "Read it whole.")
            scan = scan.filter(pl.col(PARTITION).is_in(list(check_keys(name, partitions))))
        if ROW in scan.collect_schema():
            return scan.sort(ROW).drop(ROW)
        return scan.drop(PARTITION) if partitioned and not partition_column else scan


def _logs(folder: Path) -> Iterator[Path]:
    """Yield the logs of all tables below a folder; folders of partitions are not looked into."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name == "_delta_log":
            if any(path.glob("*.json")):
                yield path
        elif path.is_dir() and not path.name.startswith((".", f"{PARTITION}=")):
            yield from _logs(path)

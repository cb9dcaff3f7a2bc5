"""What the offline store, or a result on disk, cannot do."""

from collections.abc import Iterable, Mapping

from feature_platform.ground.errors.base import FeaturePlatformError, join_names


class TableNotFound(FeaturePlatformError):
    """A table without any commit yet."""

    def __init__(self, table: str, location: str) -> None:
        super().__init__(f"The offline store has no table `{table}` at {location}. Materialize it first.")


class NotADeltaTable(FeaturePlatformError):
    """A folder that holds files but no Delta log."""

    def __init__(self, table: str, location: str) -> None:
        super().__init__(
            f"{location} (table `{table}`) holds files but is not a Delta table. "
            "Move them away, or point the store at another root; nothing was touched."
        )


class SchemaChanged(FeaturePlatformError):
    """A write whose schema removes or retypes a column of the table."""

    def __init__(self, table: str, changes: Iterable[str]) -> None:
        super().__init__(
            f"The schema of `{table}` changed: {'; '.join(changes)}. Nothing was written. Restore the column, or "
            f"migrate the table: `feature-platform migrate {table}` shows what would happen, and how to rename "
            "a column."
        )


class VersionNotFound(FeaturePlatformError):
    """A version or time that the table cannot show any more, or never had."""

    def __init__(self, table: str, wanted: object, oldest: object, newest: object) -> None:
        super().__init__(f"Table `{table}` has no version {wanted}; it keeps {oldest} to {newest}.")


class CommitConflict(FeaturePlatformError):
    """Other writers won every try at a commit."""

    def __init__(self, table: str, tries: int) -> None:
        super().__init__(
            f"Other runs kept writing to `{table}`: all {tries} attempts to commit failed. "
            "Nothing of this run was published; run it again."
        )


class NotCarriedOver(FeaturePlatformError):
    """A value of a column that is given another type would not be the same in it."""

    def __init__(
        self, table: str, column: str, found: object, wanted: object, partition: str, row: int, value: object
    ) -> None:
        where = f"row {row} of partition {partition}" if partition else f"row {row}"
        super().__init__(
            f"Column `{column}` of `{table}` cannot become {wanted}: {value!r:.100} in {where} (the first is row 0) is "
            f"{found} and would change. Nothing was written. Keep the type, or give up the old values: "
            f"`--recompute {table}.{column}` leaves them null until the partitions are computed again."
        )


class StillNeeded(FeaturePlatformError):
    """A table that a training set was built from and is to be dropped."""

    def __init__(self, table: str, users: Iterable[str]) -> None:
        super().__init__(
            f"`{table}` cannot be dropped: {'; '.join(users)} could not be built again. Nothing was dropped; drop the "
            "training set with it, or keep the table."
        )


class TableMoved(FeaturePlatformError):
    """Another writer committed to a table while its rows were written in another form."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"Another run wrote to `{table}` while its columns were being changed. Nothing of the change was "
            "published; try again when no run writes to the table."
        )


class HeldElsewhere(FeaturePlatformError):
    """Files that belong to one machine, and that is another one."""

    def __init__(self, what: str, host: str, since: object, root: str) -> None:
        super().__init__(
            f"The {what} of {root} are held by machine {host} since {since:%F %H:%M} UTC; the copy on this machine "
            f"is not current. Work there, or copy its files here and run `feature-platform take-over {what}`."
        )


class WriteFailed(FeaturePlatformError):
    """Storage refused a write (a full disk, a lost permission); the last version stays."""

    def __init__(self, table: str, location: str, reason: str) -> None:
        super().__init__(
            f"`{table}` could not be written at {location}: {reason}. Nothing was published and the last "
            "version stays; free space or fix the permission, then run again."
        )


class PartitioningChanged(FeaturePlatformError):
    """A table written with one partition grain is written with another."""

    def __init__(self, table: str, found: str, wanted: str) -> None:
        super().__init__(
            f"Table `{table}` was written with {found} partitions and would now get {wanted} ones. "
            "Keep the grain, or use a fresh store root and backfill."
        )


class TableDamaged(FeaturePlatformError):
    """Files of a table that are missing or cut short, met while its rows were read."""

    def __init__(self, damage: str) -> None:
        super().__init__(f"{damage} `feature-platform doctor --deep` finds all that is damaged.")


class EngineStopped(FeaturePlatformError):
    """Polars stopped in the middle of its work instead of reporting an error."""

    def __init__(self, work: str, reason: str) -> None:
        super().__init__(
            f"{work} stopped inside Polars: {reason}. No table that it read is damaged. Check the data of the source; "
            "if it is whole, report the error to Polars."
        )


class TableUnreadable(FeaturePlatformError):
    """A table whose log or storage cannot be read: damaged, unreachable, no permission."""

    def __init__(self, table: str, location: str, reason: str) -> None:
        super().__init__(
            f"Table `{table}` cannot be read at {location}: {reason}. "
            "Check the storage options and permissions; if its log is damaged, `feature-platform doctor` says how to "
            "mend it."
        )


class RowsOutsidePartitions(FeaturePlatformError):
    """Rows that do not belong to the partitions they are written to."""

    def __init__(self, table: str, outside: Mapping[str, int], asked: Iterable[str]) -> None:
        counts = join_names(f"{rows} in {key}" for key, rows in outside.items())
        super().__init__(
            f"Rows for `{table}` lie outside the partitions being replaced: {counts}. "
            f"Asked for: {join_names(asked)}. Nothing was written; filter the rows, or ask for their partitions too."
        )


class TablePinned(FeaturePlatformError):
    """A training set that was rolled back, and that a run was to build."""

    def __init__(self, table: str, version: int) -> None:
        super().__init__(
            f"`{table}` was rolled back to version {version} and is pinned there. Nothing was built; "
            f"run `feature-platform release {table}` first, or read what is there."
        )


class SpillFailed(FeaturePlatformError):
    """A result that is put together on disk does not fit there."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"A result too large for memory could not be put together in {folder}: {reason}. Nothing is left behind; "
            "free space there, or set TMPDIR to a folder on a larger disk."
        )


class WorkerLost(FeaturePlatformError):
    """A process that ended without an answer."""

    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"A worker that ran `{kernel}` ended without an answer, most likely because memory ran out. "
            "Use fewer processes or more buckets; the files that it wrote are not used."
        )

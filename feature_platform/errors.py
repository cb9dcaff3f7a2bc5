"""The one family of errors: each says the culprit, what was found, and what would do."""

from collections.abc import Iterable, Mapping


def listed(names: Iterable[object]) -> str:
    """Names as a reader sees them in a sentence; `none` when there are none."""
    return ", ".join(str(name) for name in names) or "none"


class FeaturePlatformError(Exception):
    """Every error the platform raises on purpose; nothing was written when it is raised."""

    def __reduce__(self) -> tuple[object, ...]:
        """How it travels between processes: as its sentence, not as what the sentence was made from."""
        return _told_again, (type(self), str(self)), self.__dict__


def _told_again(kind: type[FeaturePlatformError], sentence: str) -> FeaturePlatformError:
    error = kind.__new__(kind)
    error.args = (sentence,)
    return error


# ---------------------------------------------------------------- declare


class InvalidDeclaration(FeaturePlatformError):
    """A declaration that cannot mean anything, found when it is made."""

    def __init__(self, culprit: str, found: str, remedy: str) -> None:
        super().__init__(f"{culprit} {found}. {remedy}")


class UnknownName(FeaturePlatformError):
    """A name that its owner does not declare."""

    def __init__(self, owner: str, kind: str, name: str, known: Iterable[object]) -> None:
        super().__init__(f"{owner} has no {kind} `{name}`. It has: {listed(known)}.")


class DuplicateName(FeaturePlatformError):
    """Two different declarations of one kind share a name."""

    def __init__(self, kind: str, name: str, remedy: str = "Rename one of them.") -> None:
        super().__init__(f"Two declarations are called {kind} `{name}`. {remedy}")


class DependencyCycle(FeaturePlatformError):
    """Declarations that depend on themselves."""

    def __init__(self, path: Iterable[str]) -> None:
        super().__init__(
            f"These declarations depend on one another in a circle: {' -> '.join(path)}. "
            "Read one of them from a source instead."
        )


class PartitionOutOfRange(FeaturePlatformError):
    """A partition key that the project's partitions do not contain."""

    def __init__(self, key: str, grain: str, first: str, last: str) -> None:
        super().__init__(
            f"Partition `{key}` is outside the {grain} partitions of this project, which run from {first} to {last}."
        )


# ---------------------------------------------------------------- data


class MissingColumns(FeaturePlatformError):
    """A frame lacks columns that its declaration needs."""

    def __init__(self, owner: str, missing: Iterable[str], found: Iterable[str]) -> None:
        super().__init__(
            f"{owner} lacks the column(s) {listed(f'`{name}`' for name in missing)}. It has: {listed(found)}."
        )


class WrongColumnType(FeaturePlatformError):
    """A column whose type cannot be used as declared."""

    def __init__(self, owner: str, column: str, found: object, wanted: object, remedy: str) -> None:
        super().__init__(f"{owner}: column `{column}` is {found}, but {wanted} is needed. {remedy}")


class NotUtc(WrongColumnType):
    """A time without a zone, or text that stands for one."""

    def __init__(self, owner: str, column: str, found: object) -> None:
        super().__init__(
            owner,
            column,
            found,
            "a time with a zone",
            'State the zone where the data is read, e.g. `.dt.replace_time_zone("UTC")` '
            'or `.str.to_datetime("%Y-%m-%dT%H:%M:%S%z")`.',
        )


class ColumnCollision(FeaturePlatformError):
    """Columns of both sides of a join share a name."""

    def __init__(self, owner: str, columns: Iterable[str], remedy: str) -> None:
        super().__init__(f"{owner} would have the column(s) {listed(columns)} twice. {remedy}")


class TransformFailed(FeaturePlatformError):
    """The function of a declaration fails on the rows it is given."""

    def __init__(self, owner: str, role: str, found: str, remedy: str) -> None:
        super().__init__(f"{owner}: {role} {found}. {remedy}")


class SourceUnreadable(FeaturePlatformError):
    """A source that cannot be read: a missing file, a malformed one."""

    def __init__(self, source: str, location: str, reason: str, remedy: str) -> None:
        super().__init__(f"Source `{source}` cannot be read from {location}: {reason}. {remedy}")


class ExpectationsFailed(FeaturePlatformError):
    """Critical expectations failed, so nothing was published and the last good version stays."""

    def __init__(self, asset: str, failures: Mapping[str, str], quarantine: str | None) -> None:
        lines = "; ".join(f"{name}: {found}" for name, found in failures.items())
        kept = f" The refused rows are in `{quarantine}`." if quarantine else ""
        super().__init__(f"`{asset}` was not published: {lines}.{kept} The last good version stays.")


class UnsupportedExpectation(FeaturePlatformError):
    """An expectation that Great Expectations or the Polars engine does not know."""

    def __init__(self, expectation: str, known: Iterable[str]) -> None:
        super().__init__(f"Expectation `{expectation}` is not supported. Supported: {listed(known)}.")


# ---------------------------------------------------------------- offline store


class TableNotFound(FeaturePlatformError):
    """A table that nothing has been committed to yet."""

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
            f"The schema of `{table}` changed: {'; '.join(changes)}. Nothing was written. Restore the column, "
            "or give the declaration a new name so that the old history stays readable."
        )


class VersionNotFound(FeaturePlatformError):
    """A version or time that the table cannot show any more, or never had."""

    def __init__(self, table: str, wanted: object, oldest: object, newest: object) -> None:
        super().__init__(f"Table `{table}` has no version {wanted}; it keeps {oldest} to {newest}.")


class CommitConflict(FeaturePlatformError):
    """Other writers won every try at a commit."""

    def __init__(self, table: str, tries: int) -> None:
        super().__init__(
            f"Other runs kept writing to `{table}`: {tries} tries at a commit all lost. "
            "Nothing of this run was published; run it again."
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
            f"Table `{table}` was written with {found} partitions and is now asked for {wanted} ones. "
            "Keep the grain, or use a fresh store root and backfill."
        )


class TableUnreadable(FeaturePlatformError):
    """A table whose log or storage cannot be read: damaged, unreachable, no permission."""

    def __init__(self, table: str, location: str, reason: str) -> None:
        super().__init__(
            f"Table `{table}` cannot be read at {location}: {reason}. "
            "Check the storage options and permissions; if its log is damaged, restore the folder from a copy."
        )


class RowsOutsidePartitions(FeaturePlatformError):
    """Rows that do not belong to the partitions they are written to."""

    def __init__(self, table: str, outside: Mapping[str, int], asked: Iterable[str]) -> None:
        found = listed(f"{rows} in {key}" for key, rows in outside.items())
        super().__init__(
            f"Rows for `{table}` lie outside the partitions being replaced: {found}. "
            f"Asked for: {listed(asked)}. Nothing was written; filter the rows, or ask for their partitions too."
        )


# ---------------------------------------------------------------- large results


class SpillFailed(FeaturePlatformError):
    """A result that is put together on disk does not fit there."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"A result too large for memory could not be put together in {folder}: {reason}. Nothing is left behind; "
            "free space there, or set TMPDIR to a folder on a larger disk."
        )


# ---------------------------------------------------------------- executors


class WorkerLost(FeaturePlatformError):
    """A process that ended without an answer."""

    def __init__(self, kernel: str) -> None:
        super().__init__(
            f"A worker that ran `{kernel}` ended without an answer, most likely because memory ran out. "
            "Use fewer processes or more buckets; nothing that it wrote has a name."
        )

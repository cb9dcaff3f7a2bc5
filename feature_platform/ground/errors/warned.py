"""What is worth knowing and stops nothing: warnings, each a class so that it can be filtered or made an error."""

from collections.abc import Sequence


class FeaturePlatformWarning(UserWarning):
    """Every warning the platform gives on purpose."""


class PinnedPartitionsLeft(FeaturePlatformWarning):
    """Partitions of a rolled-back table that a run was asked for and left as they are."""

    def __init__(self, table: str, partitions: int) -> None:
        super().__init__(
            f"`{table}` was rolled back and is pinned: {partitions} of the partitions asked for stay as they are. "
            f"`feature-platform release {table}`, or fp.release, lets runs change them again."
        )


class IncompleteTables(FeaturePlatformWarning):
    """Features are read from tables of which some partitions are stale, or were made without a column."""

    def __init__(self, owner: str, tables: Sequence[str]) -> None:
        super().__init__(
            f"{owner} reads tables that are not complete: {'; '.join(tables)}. Materialize those partitions; "
            'stale="refuse" refuses such tables, stale="ignore" says nothing.'
        )


class PushSetAside(FeaturePlatformWarning):
    """A push that no log can take, or that cannot be read, was moved out of the way of the others; it is kept."""

    def __init__(self, source: str, sequence: int, reason: str, place: str) -> None:
        whose = f"to source `{source}` " if source else ""
        super().__init__(
            f"Push {sequence} {whose}was set aside: {reason}. It is kept at {place} and will not be in the offline "
            "store; read its rows with pl.read_ipc_stream, mend them and push them again."
        )


class SpoolIsACopy(FeaturePlatformWarning):
    """A spool was put back from an older copy of itself: the log knows newer pushes of it than the spool does."""

    def __init__(self, folder: str, table: str, newest: int, known: int) -> None:
        super().__init__(
            f"The spool of pushes at {folder} is an older copy of itself: it has given the numbers up to {newest}, and "
            f"`{table}` has its push {known} already. What it holds is kept, and logged once. What was pushed after "
            "the copy was made is in the log as far as it was logged by then; the rest is only in the original."
        )


class PushesRenamed(FeaturePlatformWarning):
    """Pushes have the numbers of others that the log has: a twin of their spool gave the numbers, too."""

    def __init__(self, folder: str, table: str, pushes: int) -> None:
        super().__init__(
            f"{pushes} of the pushes in the spool at {folder} have numbers under which `{table}` has other rows: "
            "another copy of this spool was in use. They got names of their own and are logged as well; give each "
            "server a spool of its own."
        )

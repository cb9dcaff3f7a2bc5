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

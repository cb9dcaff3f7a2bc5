"""What is worth knowing and stops nothing: warnings, each a class so that it can be filtered or made an error."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path


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


class RequestValuesClipped(FeaturePlatformWarning):
    """Rows of a spine have values of request fields beyond their bounds, and features are computed from the bound."""

    def __init__(self, owner: str, counts: Mapping[str, int]) -> None:
        fields = ", ".join(f"{count:,} of `{name}`" for name, count in counts.items())
        super().__init__(
            f"{owner}: values of request fields lie outside their bounds, and the nearest bound is taken, as in "
            f"serving: {fields}. Columns of the spine stay as they are."
        )


class FeatureDeprecated(FeaturePlatformWarning):
    """A service reads a feature that is deprecated."""

    def __init__(self, owner: str, feature: str, successor: str | None, until: datetime | None) -> None:
        instead = "" if successor is None else f" Read `{successor}` instead."
        end = "" if until is None else f" It goes on {until:%Y-%m-%d}."
        super().__init__(f"{owner} reads `{feature}`, which is deprecated.{end}{instead}")


class LeakageSuspected(FeaturePlatformWarning):
    """A training set has a column that seems to tell its label before anybody could know it."""

    def __init__(self, training_set: str, leaks: Sequence[str]) -> None:
        super().__init__(
            f"Training set `{training_set}` may tell its labels: {'; '.join(leaks)}. A model that learns from it will "
            "be worse in use than in tests; see docs/how-to/training-sets.md."
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
    """A spool was restored from an older copy of itself: the log has newer pushes of it than the spool."""

    def __init__(self, folder: str, table: str, newest: int, known: int) -> None:
        super().__init__(
            f"The spool of pushes at {folder} is an older copy of itself: its newest push has the number {newest}, but "
            f"`{table}` already has its push {known}. The pushes in the copy are kept, and each is logged once. Later "
            "pushes are in the log if they were logged in time; the others are only in the original spool."
        )


class PushesRenamed(FeaturePlatformWarning):
    """Pushes have numbers that other pushes in the log have, too: a copy of their spool gave the same numbers."""

    def __init__(self, folder: str, table: str, pushes: int) -> None:
        super().__init__(
            f"{pushes} of the pushes in the spool at {folder} have numbers under which `{table}` has other rows: "
            "another copy of this spool was in use. They got new names and are logged, too. Give each server a spool "
            "of its own."
        )


class ContractPartlyMapped(FeaturePlatformWarning):
    """A data contract says more than a source can: what was left out is listed, and kept in `source.contract`."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        places = Counter(re.sub(r"\[\d+\]", "[]", field) for field in fields)
        listed = ", ".join(f"{place} ({count}x)" if count > 1 else place for place, count in places.items())
        super().__init__(
            f"Data contract {path} has {len(fields)} field(s) that the platform does not act on: {listed}. They are "
            "kept in `source.contract.left_out`; look through them."
        )
        self.fields = tuple(fields)

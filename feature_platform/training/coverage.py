"""Coverage: up to when a table at one version has all events; its log tells, not the clock of the reader."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import polars as pl

from feature_platform.compute.joins.finality import Coverage
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import Grain, microsecond_of, partition_bounds
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState

_Stretch = tuple[int, int]


def coverage_of(label: Label, store: OfflineStore, versions: Mapping[str, int], known_by: datetime | None) -> Coverage:
    """Return of which time the table that a label is read from is complete; of a union, where those of all members are.

    Partitions one after the other are a stretch, empty ones too; it ends with the last of them, or when that was
    written, where that is earlier. A table without partitions is complete from its first event up to its last, or up to
    when it was written.

    Args:
        versions: those of the tables.
        known_by: where everything ends at the latest.
    """
    found = [_coverage_of_table(label, table, store, versions[table], known_by) for table in label.tables_read]
    stretches = found[0].stretches
    for other in found[1:]:
        stretches = _overlaps(stretches, other.stretches)
    return Coverage(" and ".join(each.table for each in found), stretches)


def _overlaps(some: Sequence[_Stretch], others: Sequence[_Stretch]) -> tuple[_Stretch, ...]:
    """Return the stretches of time that are in one of each."""
    both = ((max(mine[0], theirs[0]), min(mine[1], theirs[1])) for mine in some for theirs in others)
    return tuple(sorted((start, end) for start, end in both if start < end))


def _coverage_of_table(
    label: Label, table: str, store: OfflineStore, version: int, known_by: datetime | None
) -> Coverage:
    grain = store.grain(table) if label.partitioned else None
    states = store.partition_states(table, version)
    written = _commit_times(store, table, version)
    if grain is None:
        stretches = _span_of_events(label, table, store, version, written.get(version))
    else:
        stretches = list(_stretches(states, grain, written, version))
    latest = None if known_by is None else microsecond_of(known_by)
    cut = [(start, end if latest is None else min(end, latest)) for start, end in stretches]
    return Coverage(f"{table}@{version}", tuple((start, end) for start, end in cut if start < end))


def _commit_times(store: OfflineStore, table: str, version: int) -> dict[int, int]:
    """Return when each commit up to a version was made, in microseconds, as far as the log goes back."""
    commits = store.history(table).filter(pl.col("version") <= version)
    return {number: microsecond_of(at) for number, at in commits.select("version", "timestamp").iter_rows()}


def _stretches(
    states: Mapping[str, PartitionState], grain: Grain, written: Mapping[int, int], version: int
) -> Iterator[_Stretch]:
    """Yield the stretches of partitions that follow one another."""
    if not states:
        return
    bounds = [_bounds(key, grain) for key in sorted(states)]
    ends = [*(end for (_, end), (start, _) in pairwise(bounds) if end != start), bounds[-1][1]]
    starts = [bounds[0][0], *(start for (_, end), (start, _) in pairwise(bounds) if end != start)]
    last_states = {_bounds(key, grain)[1]: state for key, state in states.items()}
    for start, end in zip(starts, ends, strict=True):
        made = last_states[end].version
        at = written.get(version if made is None else made, written.get(version))
        yield start, end if at is None else min(end, at)


def _bounds(key: str, grain: Grain) -> _Stretch:
    start, end = partition_bounds(key, grain, "The data")
    return microsecond_of(start), microsecond_of(end)


def _span_of_events(label: Label, table: str, store: OfflineStore, version: int, written: int | None) -> list[_Stretch]:
    """Return from the first event to the last of a table without partitions, or to when it was written."""
    time = pl.col(label.event_time)
    rows = store.read(table, version=version)
    first, last = rows.select(time.min().alias("first"), time.max().alias("last")).collect().row(0)
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return []
    end = microsecond_of(last)
    return [(microsecond_of(first), end if written is None else min(end, written))]

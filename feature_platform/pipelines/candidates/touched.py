"""Touched partitions: published ones of a view or label that look at what changed in its source afterwards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import cadences, clock
from feature_platform.ground.errors import VersionNotFound
from feature_platform.offline.contents import Contents
from feature_platform.offline.history import PartitionState
from feature_platform.pipelines.candidates.upstream import Derived

_NEWEST = 2**63 - 1  # a commit that the log has forgotten may be later than any


def touched_of(
    asset: Derived, upstream: str, grid: Partitions, states: Mapping[str, PartitionState], source: Contents
) -> set[str]:
    """Return those of an asset's partitions that a table with rows of its source has changed for since they were made.

    Contents are compared only when a later commit reaches the partition: to find the content of an old version, the log
    is read, and there is an old version for every run.

    Args:
        upstream: the name of the table.
        source: its contents.
    """
    read = {key: state.inputs[upstream] for key, state in states.items() if upstream in state.inputs}
    suspects = _suspects(asset, grid, read, source)
    versions, until = set(suspects.values()), end_of_partitions(read, grid)
    touched = {version: affected_partitions(asset, changed_since(source, version), grid, until) for version in versions}
    return {key for key, version in suspects.items() if key in touched[version]}


def _suspects(asset: Derived, grid: Partitions, read: Mapping[str, int], source: Contents) -> dict[str, int]:
    """Return the versions that were read, by partition, for which a later commit of the source may matter."""
    oldest = min(read.values(), default=_NEWEST)
    newest, until = dict[str, int](), end_of_partitions(read, grid)
    for written, keys in _stretches_by_commit(source.states()):
        if written > oldest:  # what is older than all that was read changed nothing
            for reached in _reached_by_stretch(asset, keys, grid, until):
                newest[reached] = max(written, newest.get(reached, -1))
    restored = -1 if source.restored_version is None else source.restored_version
    return {key: version for key, version in read.items() if max(newest.get(key, -1), restored) > version}


def _stretches_by_commit(states: Mapping[str, PartitionState]) -> Iterator[tuple[int, list[str]]]:
    """Yield neighbouring partitions that one commit wrote, with its version."""
    versions = ((key, _NEWEST if (at := states[key].version) is None else at) for key in sorted(states))
    for version, together in groupby(versions, key=itemgetter(1)):
        yield version, [key for key, _ in together]


def end_of_partitions(keys: Iterable[str], grid: Partitions) -> datetime:
    """Return when the last of some partitions ends."""
    last = max(keys, default=None)
    return clock.ALWAYS if last is None else clock.partition_bounds(last, grid.grain, "The data")[1]


def _reached_by_stretch(asset: Derived, keys: Sequence[str], grid: Partitions, until: datetime) -> set[str]:
    """Return the partitions of an asset that look at neighbouring ones of its source, from the two ends of these.

    Args:
        until: partitions after it are left out; windows may reach for ever.
    """
    if not is_windowed(asset):
        return set(keys)
    low, high = grid.bounds(keys[0])[0], grid.bounds(keys[-1])[1]
    closes_right = isinstance(asset.source, FeatureView) and asset.source.closes_right
    reach = asset.reach_us - (0 if closes_right else 1)
    cadence = asset.windows.cadence
    ends = cadences.outer_instants(low, clock.shift_moment(high, reach), cadence.every_us, cadence.tz)
    return set() if ends is None else set(grid.overlapping(clock.shift_moment(ends[0], -1), min(ends[1], until)))


def changed_since(source: Contents, version: int) -> Iterable[str]:
    """Return the partitions that changed since a version; all of them when the log does not have it any more."""
    try:
        return source.changed_since(version)
    except VersionNotFound:
        return source.states()


def affected_partitions(asset: Derived, changed: Iterable[str], grid: Partitions, until: datetime) -> set[str]:
    """Return the partitions of an asset up to a moment that changed ones of its source reach: windows look back."""
    return set[str]().union(*(_reached_by_stretch(asset, [key], grid, until) for key in changed))

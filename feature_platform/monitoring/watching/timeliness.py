"""Timeliness: sources whose newest event is too old, and partitions that should be there by now.

Both are facts of the moment: as soon as the data is there, one check resolves the alert. While it lasts, it is found
again each day.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, asset_upstream, is_partitioned
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import (
    ALWAYS,
    SKEW,
    microsecond_of,
    microseconds,
    partition_end,
    shift_moment,
    side_of_interval,
)
from feature_platform.ground.errors import InvalidDeclaration, PartitionOutOfRange
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.alerting import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, owner_name_of
from feature_platform.offline.log_facts import newest_event, partitions_with_rows

_HOUR = 3_600_000_000  # microseconds


def check_timeliness(snapshot: ProjectSnapshot) -> Iterator[Evaluation]:
    """Yield the freshness of each source that declares it and has an event time, and late partitions of each asset.

    What was never materialized is neither fresh nor late.
    """
    for asset in snapshot.project.assets:
        if snapshot.version_range(asset.asset) is None:
            continue
        if isinstance(asset, Source) and asset.freshness is not None and asset.event_time is not None:
            yield from _check_freshness(snapshot, asset, asset.freshness, asset.event_time)
        if is_partitioned(asset):
            yield from _check_late(snapshot, asset)


def _check_freshness(snapshot: ProjectSnapshot, asset: Source, allowed: str, event_time: str) -> Iterator[Evaluation]:
    present, time = snapshot.now + SKEW, pl.col(event_time)
    newest = newest_event(snapshot.store.location(asset.asset), event_time)
    if newest is None or newest > present:  # an event in the future does not make the data fresh
        happened = snapshot.store.read(asset.asset).filter(side_of_interval(time, ALWAYS, present) == 0)
        newest = happened.select(time.max()).collect().item()
    if not isinstance(newest, datetime):
        return
    age = microsecond_of(snapshot.now) - microsecond_of(newest)
    if age <= microseconds(allowed, f"`{asset.asset}`, freshness,"):
        clean = CheckedScope(asset.asset, FindingKind.FRESHNESS, conclusive=True)
        yield Evaluation(_name(snapshot, asset, FindingKind.FRESHNESS, allowed, "fresh"), (), (clean,))
        return
    finding = Finding(
        asset.asset,
        FindingKind.FRESHNESS,
        "warning",
        f"the newest event is of {newest:%Y-%m-%d %H:%M} UTC",
        size=age / _HOUR,
        measure="hours old",
        compared_to=f"at most {allowed}, as declared",
        owner=owner_name_of(asset),
        remedy=advice(FindingKind.FRESHNESS, asset.asset),
        at=shift_moment(newest, microseconds(allowed, f"`{asset.asset}`, freshness,")),
    )
    yield Evaluation(_name(snapshot, asset, FindingKind.FRESHNESS, allowed, f"{snapshot.now:%Y-%m-%d}"), (finding,))


def _check_late(snapshot: ProjectSnapshot, asset: Asset) -> Iterator[Evaluation]:
    """Yield an evaluation of the partitions that ended long enough ago: whether they are there."""
    there = partitions_with_rows(snapshot.store.location(asset.asset))
    due = _due_partitions(snapshot, asset, there)
    if not due:
        return
    missing = due - there
    if missing:  # some may have been written without rows, which only the whole log shows
        missing -= snapshot.store.partition_states(asset.asset).keys()
    if not missing:
        clean = CheckedScope(asset.asset, FindingKind.LATE_PARTITION, conclusive=True)
        yield Evaluation(_name(snapshot, asset, "late", max(due), "there"), (), (clean,))
        return
    first, last, count = min(missing), max(missing), len(missing)
    which = f"partition {last} is not there" if count == 1 else f"{count} partitions are not there, {first} to {last}"
    finding = Finding(
        asset.asset,
        FindingKind.LATE_PARTITION,
        "warning",
        f"{which}; the last of them ended {snapshot.project.partitions.bounds(last)[1]:%Y-%m-%d %H:%M} UTC",
        last,
        size=count,
        measure="partition" if count == 1 else "partitions",
        compared_to=f"there {grace_of(asset) or 'one partition'} after their end",
        since=first,
        owner=owner_name_of(asset),
        remedy=advice(FindingKind.LATE_PARTITION, asset.asset),
    )
    yield Evaluation(_name(snapshot, asset, "late", f"{first}/{last}/{count}", f"{snapshot.now:%Y-%m-%d}"), (finding,))


def _due_partitions(snapshot: ProjectSnapshot, asset: Asset, there: Collection[str]) -> set[str]:
    """Return the partitions that should be there.

    They go from the first one there to the last that ended a grace period ago.
    """
    grid = snapshot.project.partitions
    known = [key for key in there if _is_declared(grid, key)]
    if not known:
        return set()
    grace = grace_of(asset)
    length = None if grace is None else microseconds(grace, f"`{asset.asset}`")

    def ready(key: str) -> bool:
        end = grid.bounds(key)[1]
        return (partition_end(end, grid.grain) if length is None else shift_moment(end, length)) <= snapshot.now

    return {key for key in grid.overlapping(grid.bounds(min(known))[0], snapshot.now) if ready(key)}


def grace_of(asset: Asset) -> str | None:
    """Return how long after its end a partition may be missing.

    It is the largest lateness or freshness of the asset and of what it is made from.

    None where nothing is declared: then it is as long as the next partition.
    """
    own = asset.freshness if isinstance(asset, Source) else None
    if isinstance(asset, FeatureView):
        own = asset.lateness
    periods = [each for each in (own, *map(grace_of, asset_upstream(asset))) if each is not None]
    return max(periods, key=lambda each: microseconds(each, f"`{asset.asset}`"), default=None)


def _is_declared(grid: Partitions, key: str) -> bool:
    """Tell whether a key is a partition of the project as it is declared now."""
    try:
        grid.bounds(key)
    except (InvalidDeclaration, PartitionOutOfRange):
        return False
    return True


def _name(snapshot: ProjectSnapshot, asset: Asset, kind: str, *facts: str) -> str:
    """Return the name of an evaluation, made of what it is about and what it says."""
    version_range = snapshot.version_range(asset.asset)
    table = "" if version_range is None else f"{version_range.id}@{version_range.upto}"
    return "/".join((kind, asset.asset, table, *facts))

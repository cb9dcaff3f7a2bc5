"""The intake of a run: which partitions of a source it takes in, and which rows of them the source holds."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.ground import clock
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.parts.sources.base import Changed, Gone
from feature_platform.pipelines.candidates.corrections import corrections_of, refuse_corrections
from feature_platform.pipelines.candidates.deliveries import Delivery, delivered_rows
from feature_platform.pipelines.candidates.losses import (
    Loss,
    kept_losses,
    losses_of,
    refuse_a_lost_place,
    refuse_losses,
    undecided_losses,
)
from feature_platform.pipelines.candidates.pinned import HeldPartitions
from feature_platform.pipelines.candidates.shared import Span, requested_partitions
from feature_platform.pipelines.pushes.logged import LoggedPushes, pushes_to, unmerged_partitions

NO_EVENT_TIME = "rows_without_event_time"
OUTSIDE = "rows_outside_the_partitions"
FUTURE = "rows_in_the_future"


@dataclass(frozen=True)
class SourceLook:
    """One look at a source: by which run, and when.

    Attributes:
        gone: what to do with published rows that are gone. None takes what the connector says.
        changed: what to do with published rows that others have replaced. None takes what the connector says.
        is_whole: whether all of the source is compared, also what is not watched.
    """

    run_id: str
    at: datetime
    gone: Gone | None = None
    changed: Changed | None = None
    is_whole: bool = False


@dataclass(frozen=True)
class SourceIntake:
    """What a run takes in of a source with partitions.

    Attributes:
        keys: the partitions that the run publishes.
        loaded: those of them that may hold rows now; a partition that lies ahead has none yet, whatever is delivered.
        grown: earlier partitions that the run leaves as they are, although they have more rows now.
        held: the partitions that a pin keeps as they are.
        present: how many rows there are of each partition, pushed ones included; an upper limit.
        pushed: those of them that were pushed.
        pushes: the pushes that the project takes in; None when nothing was ever pushed.
        refused: pushed rows that no run takes in.
        waiting: the partitions that have lost rows, of which nobody has decided whether they go.
        young: how many units are left for a later run, since they may still be being written.
        left_out: how many rows no partition takes, by reason.
    """

    keys: Sequence[str]
    loaded: Sequence[str]
    grown: Sequence[str]
    held: Sequence[str]
    present: Mapping[str | None, int]
    pushed: Mapping[str, int]
    pushes: LoggedPushes | None
    refused: Sequence[pl.DataFrame]
    waiting: Mapping[str, Loss]
    young: int
    left_out: Mapping[str, int]


def decide_intake(
    source: Source,
    store: OfflineStore,
    delivery: Delivery,
    span: Span | None,
    grid: Partitions,
    held: HeldPartitions,
    *,
    late: int,
    needed: Span | None,
    look: SourceLook,
) -> SourceIntake:
    """Decide what a run takes in; see `source_rows` for what is given.

    Partitions of a table of another grain do not count; the write refuses it.

    Args:
        held: the partitions that a pin keeps as they are.

    Raises:
        PublishedRowsGone: rows that were published are gone, and the connector refuses that; or most of the source is.
        PublishedRowsChanged: rows that were published were changed, and the connector refuses that.
    """
    published = {key: state for key, state in store.find_states(source.asset).items() if key in grid}
    unsettled = delivery.waiting_partitions(published)
    settled = {key: state for key, state in published.items() if key not in unsettled}
    losses, gone = _check_losses(source, delivery, settled, look), look.gone or source.connector.gone
    kept = kept_losses(gone, losses)
    pushes, pushed, left_out_pushed, refused = _pushes_within(source, store, grid, look.at)
    present = _add_counts(delivery.rows, pushed)
    asked = requested_partitions(span, grid, [*present, *published], look.at)
    reached = [] if needed is None else requested_partitions(needed, grid, [*present, *published], look.at)
    before = [key for key in reached if key not in published]
    taken = {*asked, *before, *_within_lateness(published, asked, grid, late)}
    wanted = sorted(taken - kept.keys() - unsettled.keys())
    keys = held.without(wanted)
    unmerged = unmerged_partitions(source, store, grid) if pushed else ()
    grown = _grown_partitions(settled, keys, delivery.rows, unmerged)
    return SourceIntake(
        keys=keys,
        loaded=grid.divide(keys, look.at)[0],
        grown=held.without([*grown, *(key for key in kept if delivery.rows.get(key, 0))]),
        held=[key for key in wanted if key in held],
        present=present,
        pushed=pushed,
        pushes=pushes,
        refused=refused,
        waiting=undecided_losses(gone, losses),
        young=len(delivery.waiting),
        left_out=_count_left_out(delivery.rows.get(None, 0), delivery.left_out, left_out_pushed, grid),
    )


def _pushes_within(
    source: Source, store: OfflineStore, grid: Partitions, now: datetime
) -> tuple[LoggedPushes | None, Mapping[str, int], Mapping[int, int], list[pl.DataFrame]]:
    """Return the pushes that the project takes in, their rows by partition, those on each side, and refused rows."""
    pushes = pushes_to(source, store)
    if pushes is None:
        return None, {}, {}, []
    possible, impossible = pushes.without_impossible(grid)
    counts, left_out = possible.count_by_partition(grid, now)
    return possible.within(grid, now), counts, left_out, [impossible] if impossible.height else []


def _check_losses(
    source: Source, delivery: Delivery, published: Mapping[str, PartitionState], look: SourceLook
) -> dict[str, Loss]:
    """Return what published partitions have lost; raise when that, or a change of their rows, stops the run."""
    losses = losses_of(source, delivery, published)
    if look.gone != "taken":
        refuse_a_lost_place(source, delivery)
    if (look.gone or source.connector.gone) == "refuse":
        refuse_losses(source, losses)
    if look.changed != "taken":
        refuse_corrections(source, corrections_of(source, delivery, published))
    return losses


def _add_counts(present: Mapping[str | None, int], pushed: Mapping[str, int]) -> dict[str | None, int]:
    """Add up delivered and pushed rows by partition; a row that is both counts twice, so these are upper limits."""
    return {
        key: present.get(key, 0) + pushed.get(key or "", 0) for key in (*present, *(pushed.keys() - present.keys()))
    }


def _count_left_out(
    without_time: int, left_out: Mapping[int, int], left_out_pushed: Mapping[int, int], grid: Partitions
) -> dict[str, int]:
    """Count the rows that no partition takes: without event time, outside the project's range, or in the future."""
    before, after = (left_out.get(side, 0) + left_out_pushed.get(side, 0) for side in (-1, 1))
    outside, future = (before, after) if grid.end is None else (before + after, 0)
    return {name: rows for name, rows in ((NO_EVENT_TIME, without_time), (OUTSIDE, outside), (FUTURE, future)) if rows}


def _within_lateness(published: Iterable[str], keys: Sequence[str], grid: Partitions, late: int) -> Iterable[str]:
    if not late or not keys:
        return ()
    start = grid.bounds(keys[0])[0]
    window = grid.overlapping(clock.shift_moment(start, -late), start)
    return set(window).intersection(published)


def _grown_partitions(
    published: Mapping[str, PartitionState],
    keys: Sequence[str],
    delivered: Mapping[str | None, int],
    unmerged: Container[str],
) -> list[str]:
    """Return the earlier partitions that the run does not take in, although they have more rows now."""
    earlier = [key for key in published if keys and key < keys[-1] and key not in keys]
    return [key for key in earlier if key in unmerged or delivered.get(key, 0) > delivered_rows(published[key])]

"""A plan: which partitions of which assets a run would compute, and why.

It is read from the provenance in every commit; nothing is computed and nothing is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, Project, asset_upstream, is_partitioned
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import LoggedRequests, Spine
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.pins import Pin
from feature_platform.pipelines.candidates.changed_inputs import changed_inputs, partitions_after
from feature_platform.pipelines.candidates.comparisons import overdue_comparison
from feature_platform.pipelines.candidates.corrections import corrections_of
from feature_platform.pipelines.candidates.looks import delivery_of
from feature_platform.pipelines.candidates.losses import kept_losses, losses_of, undecided_losses
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.requests import has_other_requests
from feature_platform.pipelines.candidates.touched import affected_partitions, end_of_partitions
from feature_platform.pipelines.pushes.logged import unmerged_partitions

WHOLE = ""


@dataclass(frozen=True)
class StaleAsset:
    """One asset that is not up to date: its partitions (`""` for a whole table) and the reason of each.

    Attributes:
        undecided: the partitions that no run changes by itself: rows of them are gone from the source or were changed
            there, and somebody has to decide about them; or a file may still be being written. They are among the
            reasons.
    """

    asset: str
    reasons: Mapping[str, str]
    undecided: frozenset[str] = frozenset()

    @property
    def due_partitions(self) -> dict[str, str]:
        """Return the partitions that a run would change, with the reason of each."""
        return {key: why for key, why in self.reasons.items() if key not in self.undecided}


@dataclass(frozen=True)
class PinnedAsset:
    """One asset whose table was rolled back and is pinned.

    Attributes:
        waiting: the partitions that are not up to date and wait for the release, with the reason of each.
    """

    asset: str
    pin: Pin
    waiting: Mapping[str, str]


@dataclass(frozen=True)
class ProjectStatus:
    """The status of the assets of a project: what a run would change, and what a pin keeps from changing.

    Attributes:
        unreadable: sources that cannot be read, and why; it is not known what a run of them would change.
    """

    stale: list[StaleAsset]
    pinned: list[PinnedAsset]
    unreadable: Mapping[str, SourceUnreadable]


def stale_assets(
    project: Project, store: OfflineStore, keys: list[str] | None = None, *, now: datetime | None = None
) -> list[StaleAsset]:
    """Return the assets of a project that a run would change, upstream first; empty when all is up to date.

    Args:
        keys: the partitions to check. Defaults to all of the project, see `known_partitions`, and those of each table
            that older versions of the platform wrote beyond them.
        now: the present. Defaults to the moment of the call.

    Raises:
        SourceUnreadable: a source cannot be read.
    """
    status = project_status(project, store, keys, now=now)
    for error in status.unreadable.values():
        raise error
    return status.stale


def project_status(
    project: Project, store: OfflineStore, keys: list[str] | None = None, *, now: datetime | None = None
) -> ProjectStatus:
    """Return the stale assets, see `stale_assets`, and the pinned ones with what waits for their release.

    What a pin holds is not stale. A source that cannot be read is in the status, which still covers all others.
    """
    moment = now or datetime.now(timezone.utc)
    wanted = known_partitions(project, store, moment) if keys is None else keys
    outdated: list[StaleAsset] = []
    pinned: list[PinnedAsset] = []
    unreadable: dict[str, SourceUnreadable] = {}
    for asset in project.assets:
        asked = wanted if is_partitioned(asset) else [WHOLE]
        if keys is None and is_partitioned(asset):
            asked = [*asked, *_partitions_beyond(asset, store, project.partitions, moment)]
        try:
            reasons, lost = _reasons_of(asset, store, asked, project.partitions, moment)
        except SourceUnreadable as error:
            unreadable[asset.asset] = error
            continue
        for upstream in asset_upstream(asset):
            behind = next((stale for stale in outdated if stale.asset == upstream.asset), None)
            if behind is not None:
                reached = _reached_partitions(asset, upstream, behind.due_partitions, asked, project.partitions)
                reasons.update(
                    {
                        key: f"{upstream.asset} is not up to date"
                        for key in asked
                        if key in reached and key not in reasons
                    }
                )
        held = held_partitions(asset, store)
        if held.pin is not None:
            waiting = {key: why for key, why in sorted((reasons | lost).items()) if key in held}
            pinned.append(PinnedAsset(asset.asset, held.pin, waiting))
            reasons = {key: why for key, why in reasons.items() if key not in held}
            lost = {key: why for key, why in lost.items() if key not in held}
        if reasons or lost:
            outdated.append(StaleAsset(asset.asset, dict(sorted((reasons | lost).items())), frozenset(lost)))
    return ProjectStatus(outdated, pinned, unreadable)


def known_partitions(project: Project, store: OfflineStore, now: datetime) -> list[str]:
    """Return all partitions of a project; without an end, those from the first to the last that any table has.

    Partitions outside of what the project takes in now, see `Partitions.accepted_range`, do not count: an older version
    of the platform may have written a row of 2099.
    """
    grid = project.partitions
    if grid.start is not None and grid.end is not None:
        return grid.keys()
    tables = [each.asset for each in project.assets if is_partitioned(each) and store.exists(each.asset)]
    written = {key for name in tables for key in store.partition_states(name)}
    sources = [each for each in project.assets if isinstance(each, Source) and each.partitioned]
    known = written.union(*(unmerged_partitions(each, store, grid) for each in sources))
    usual, _ = grid.divide(known, now)
    return grid.overlapping(grid.bounds(usual[0])[0], grid.bounds(usual[-1])[1]) if usual else []


def _partitions_beyond(asset: Asset, store: OfflineStore, grid: Partitions, now: datetime) -> list[str]:
    """Return the partitions of a table that the project would not take in now."""
    if not store.exists(asset.asset):
        return []
    return grid.divide(store.partition_states(asset.asset), now)[1]


def _reasons_of(
    asset: Asset, store: OfflineStore, wanted: list[str], grid: Partitions, now: datetime
) -> tuple[dict[str, str], dict[str, str]]:
    """Return why partitions are not up to date: first those that a run would change, then those without a decision."""
    states = store.find_states(asset.asset)
    code = code_of(asset)
    reasons = {key: "never materialized" for key in wanted if key not in states}
    known = [key for key in wanted if key in states]
    changes = {key: code.change_since(states[key].code_version, states[key].functions) for key in known}
    reasons |= {key: change for key, change in changes.items() if change is not None}
    reasons |= {key: "somebody else wrote it" for key in known if states[key].hash is None}
    if isinstance(asset, Source):
        changed, lost = _changes_of_source(asset, store, states, known, grid, now)
        pushed = unmerged_partitions(asset, store, grid) if set(known) - set(reasons) else set()
        pushes = {key: "rows were pushed" for key in known if key in pushed}
        reasons_by_key = pushes | changed | reasons
        return {key: why for key, why in reasons_by_key.items() if key not in lost}, lost
    return reasons | _changes_upstream(asset, store, states, [key for key in known if key not in reasons], grid), {}


def _changes_of_source(
    source: Source,
    store: OfflineStore,
    states: Mapping[str, PartitionState],
    known: list[str],
    grid: Partitions,
    now: datetime,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the published partitions that differ from their source: those that a run would change, then the others."""
    if not known:
        with source.connector.open(source.name):  # raises before the first run when the place is not there
            return {}, {}
    if not source.partitioned or all(state.units is None for state in states.values()):
        return _change_of_whole(source, states, known, now)
    delivery, gone = delivery_of(source, store, grid, now), source.connector.gone
    unsettled = delivery.waiting_partitions(states)
    settled = {key: state for key, state in states.items() if key not in unsettled}
    losses = losses_of(source, delivery, settled)
    kept = kept_losses(gone, losses)
    changed = [key for key in known if key not in kept and delivery.differs(key, states[key])]
    lost = undecided_losses(gone, {key: losses[key] for key in known if key in losses})
    overdue = overdue_comparison(source, delivery, states, known, grid, now)
    corrected = corrections_of(source, delivery, {key: settled[key] for key in known if key in settled})
    undecided = {key: why for key, why in unsettled.items() if key in known}
    undecided |= {key: f"{why}, and it stays as it is here until you confirm that" for key, why in corrected.items()}
    undecided |= {key: f"{loss}, and stay here until you confirm the deletion" for key, loss in lost.items()}
    return overdue | {key: delivery.reason_of(key, states[key]) for key in changed}, undecided


def _change_of_whole(
    source: Source, states: Mapping[str, PartitionState], known: list[str], now: datetime
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the change of a table that is made of all rows at once: as one that a run would take in, or that waits."""
    with source.connector.open(source.name) as data:
        if _newest_fingerprint(states) == data.fingerprint():
            return {}, {}
        if data.young(now):
            return {}, dict.fromkeys(known, "its data changed, and may still be being written")
    return dict.fromkeys(known, "its data changed"), {}


def _changes_upstream(
    asset: Asset, store: OfflineStore, states: Mapping[str, PartitionState], known: list[str], grid: Partitions
) -> dict[str, str]:
    """Return the partitions that were made of inputs that have changed since."""
    if isinstance(asset, (FeatureView, Label)) and asset.partitioned:
        inputs = changed_inputs(asset, store, grid) if known else {}
        return {key: f"{inputs[key]} changed" for key in known if key in inputs}
    reasons: dict[str, str] = {}
    if isinstance(asset, Spine) and isinstance(asset.rule, LoggedRequests):
        is_due = has_other_requests(asset.rule, store, states)
        return dict.fromkeys(known, f"{asset.rule.table} changed") if is_due else {}
    for each in asset_upstream(asset):
        changed: dict[int, set[str]] = {}
        for key in (key for key in known if key not in reasons):
            read = states[key].inputs.get(each.asset)
            if read is None:
                continue
            if read not in changed:
                changed[read] = {WHOLE} if store.changed_since(each.asset, read) else set()
            if key in changed[read]:
                reasons[key] = f"{each.asset} changed"
    return reasons


def _newest_fingerprint(states: Mapping[str, PartitionState]) -> str | None:
    """Return the fingerprint of the source's data at its newest run; rows that this run did not take in were late."""
    written = [state for state in states.values() if state.version is not None]
    newest = max(written, key=lambda state: (state.version or 0) if state.made is None else state.made, default=None)
    return newest.extra.get("fingerprint") if newest else None


def _reached_partitions(
    asset: Asset, upstream: Asset, changed: Iterable[str], asked: Iterable[str], grid: Partitions
) -> set[str]:
    """Return the partitions of an asset that changed ones of an input reach, up to the last that is asked about."""
    if not changed:
        return set()
    if not isinstance(asset, (FeatureView, Label)) or not asset.partitioned:
        return {WHOLE}
    if isinstance(asset, FeatureView) and any(each.dimension is upstream for each in asset.enrichments):
        return partitions_after(changed, asked, grid)
    return affected_partitions(asset, changed, grid, end_of_partitions(asked, grid))

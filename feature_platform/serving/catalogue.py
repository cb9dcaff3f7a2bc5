"""The catalogue: every asset of a project with what is stored of it and what is served of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.learnt import learnt_table
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.view_tables import former_served_code, served_code
from feature_platform.declarations.project import Asset, Project
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import instant, microsecond_of
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.offline.pins import Pin
from feature_platform.online.base import OnlineStore
from feature_platform.pipelines.tables import origin_of
from feature_platform.training.fitted import is_fitted


@dataclass(frozen=True)
class OnlineState:
    """The state of a view in the online store.

    Attributes:
        table: as the online store has it; None when the view was never published.
        behind: why it differs from what offline says now; None when it is the same.
    """

    table: ServedTable | None
    behind: str | None

    def age(self, now: datetime) -> float | None:
        """Return how old the newest event in it is, in seconds; None without one."""
        if self.table is None or self.table.newest is None:
            return None
        return (microsecond_of(now) - microsecond_of(instant(self.table.newest, "The newest event"))) / 1_000_000

    def words(self) -> str:
        """Return how many entries it has of which version, such as `205 keys v3`; an exact view has tiles of events."""
        if self.table is None:
            return "-"
        versions = "/".join(f"v{version}" for version in self.table.versions.values())
        return f"{self.table.entries:,} {'tiles' if self.table.kind is ViewKind.EXACT else 'keys'} {versions}"


@dataclass(frozen=True)
class CatalogueEntry:
    """One asset of a project.

    Attributes:
        version: of its table; None when it was never materialized.
        newest: the newest event in its table (UTC); None where events have no time.
        online: only of feature views.
        pin: of a table that was rolled back and is held there.
    """

    asset: str
    rows: int
    partitions: int
    version: int | None
    newest: datetime | None
    online: OnlineState | None
    pin: Pin | None = None


def catalogue_of(project: Project, store: OfflineStore, online: OnlineStore) -> list[CatalogueEntry]:
    """Return every asset of a project, upstream first.

    Raises:
        OnlineStoreFailed: the online store cannot be read.
    """
    return [_entry(asset, store, online) for asset in project.assets]


def online_state_of(view: FeatureView, store: OfflineStore, online: OnlineStore) -> OnlineState:
    """Return what is served of a view, and whether that is what offline says now."""
    table = online.table(view.name)
    return OnlineState(table, _behind(view, store, table))


def stale_online(
    project: Project, store: OfflineStore, online: OnlineStore, stale: Collection[str] = ()
) -> Mapping[str, str]:
    """Return the served assets that a run would change, by name, and why.

    Args:
        stale: the tables that the run would change first.
    """
    reasons: dict[str, str | None] = {}
    for view in (each for each in project.assets if isinstance(each, FeatureView)):
        waiting = next((name for name in view.tables_read if name in stale), None)
        behind = f"{waiting} is not up to date" if waiting else online_state_of(view, store, online).behind
        reasons[f"online/{view.name}"] = behind
    for each in (each for each in project.assets if isinstance(each, TrainingSet) and is_fitted(each.service)):
        name = each.service.name
        late = [f"{each.asset} is not up to date"] if each.asset in stale else []
        served = f"online/{TableKind.IMPUTATION.of(name)}"
        reasons[served] = late[0] if late else _statistics_behind(name, store, online)
    return {asset: reason for asset, reason in reasons.items() if reason is not None}


def _entry(asset: Asset, store: OfflineStore, online: OnlineStore) -> CatalogueEntry:
    shown = online_state_of(asset, store, online) if isinstance(asset, FeatureView) else None
    if not store.exists(asset.asset):
        return CatalogueEntry(asset.asset, 0, 0, None, None, shown)
    states = store.partition_states(asset.asset)
    rows = sum(state.rows for state in states.values())
    version = store.latest_version(asset.asset)
    return CatalogueEntry(asset.asset, rows, len(states), version, _newest(asset, store), shown, store.pin(asset.asset))


def _newest(asset: Asset, store: OfflineStore) -> datetime | None:
    clock = _clock(asset)
    if clock is None:
        return None
    pieces = store.pieces(asset.asset, clock)
    newest = pieces[-1].rows.select(pl.col(clock).max()).collect().item()
    return newest if isinstance(newest, datetime) else None


def _clock(asset: Asset) -> str | None:
    if isinstance(asset, TrainingSet):
        return asset.spine.event_time and "event_timestamp"
    return asset.event_time if isinstance(asset, (Source, FeatureView, Spine)) else asset.source.event_time


def _statistics_behind(service: str, store: OfflineStore, online: OnlineStore) -> str | None:
    table, name = online.table(learnt_table(service)), TableKind.IMPUTATION.of(service)
    if not store.exists(name):
        return None
    if table is None:
        return "never published"
    same = (table.versions.get(name), table.origin) == (store.latest_version(name), store.table_id(name))
    return None if same else f"{name} changed"


def _behind(view: FeatureView, store: OfflineStore, table: ServedTable | None) -> str | None:
    if table is None:
        return "never published"
    if table.code_version not in (served_code(view), former_served_code(view)):
        return "its code changed"
    names = [each.asset for each in view.read_from.members]
    if gone := next((name for name in names if not store.exists(name)), None):
        return f"{gone} is gone"
    if table.origin != origin_of(view.read_from, store):
        return f"{' or '.join(names)} was made anew"
    return next((f"{each} changed" for each in view.tables_read if _has_changed(each, store, table)), None)


def _has_changed(name: str, store: OfflineStore, table: ServedTable) -> bool:
    """Tell whether a table has another content than the version that a view was published from."""
    version = table.versions.get(name)
    return version is None or (version != store.latest_version(name) and bool(store.changed_since(name, version)))

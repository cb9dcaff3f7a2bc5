"""The doctor: what of a store is damaged after a power cut, a full disk or a restored backup, and how it is mended.

Nothing is deleted: what cannot be read is put aside, below `damaged/` of the root. What rows were lost by that, the
next run makes anew from the source.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from feature_platform.access import list_keys
from feature_platform.declarations.project import Project
from feature_platform.ground.errors import (
    AccessKeysUnreadable,
    AlertStoreFailed,
    OnlineStoreFailed,
    SpoolFailed,
    TableUnreadable,
)
from feature_platform.ground.progress import count_steps
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.offline import OfflineStore
from feature_platform.offline.soundness import Damage
from feature_platform.online.base import OnlineStore
from feature_platform.online.spool import Spool
from feature_platform.pipelines.tables import known_tables, owner_of
from feature_platform.serving.publication import is_of_another_past


@dataclass(frozen=True)
class Finding:
    """One thing that is damaged.

    Attributes:
        what: what is wrong, where, and what would do, in one sentence or two.
        mend: does it, and returns what was done; None where nothing but a copy or a person can.
    """

    what: str
    mend: Callable[[], str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Places:
    """What is looked at.

    Attributes:
        spool: the folder of the spool of pushes; `access`: that of the access keys.
    """

    store: OfflineStore
    online: OnlineStore
    alerts: AlertStore
    spool: Path
    access: Path


def examine(project: Project, places: Places, *, deep: bool = False) -> Iterator[Finding]:
    """Yield what is damaged, tables first.

    Args:
        deep: read all rows and compare them with the hashes that commits tell; without it files are only looked at from
            outside.
    """
    tables = known_tables(places.store, [each.name for each in project.services])
    for name in count_steps(tables, "examining tables", len(tables)):
        yield from _tables(places.store, name, deep=deep)
    yield from _access(places.access)
    yield from _alerts(places.alerts)
    yield from _spool(places.spool)
    yield from _online(places)


def _tables(store: OfflineStore, name: str, *, deep: bool) -> Iterator[Finding]:
    try:
        found = store.damages(name, deep=deep)
    except TableUnreadable as error:
        yield Finding(str(error))
        return
    is_log = owner_of(name) != name
    for each in found:
        told = str(each)
        if each.is_data and is_log:
            told = f"{name}: {each.path} {each.found}. Mending takes it out of the table; its rows are lost."
        yield Finding(told, _mending(store, each, is_log=is_log))


def _mending(store: OfflineStore, damage: Damage, *, is_log: bool) -> Callable[[], str] | None:
    """Return what puts damage aside; None where it cannot be mended, or where a run mends it and nothing is there."""
    folder = store.location(damage.table).folder
    is_there = folder is not None and (folder / damage.path).exists()
    if damage.mending is None or not (is_there or is_log):
        return None

    def mend() -> str:
        moved = store.mend(damage.table, [damage], is_log=is_log)
        return ", ".join(map(str, moved)) or "taken out of the table"

    return mend


def _access(folder: Path) -> Iterator[Finding]:
    try:
        list_keys(folder)
    except AccessKeysUnreadable as error:
        yield Finding(f"{error} Until then nobody gets in.")


def _alerts(alerts: AlertStore) -> Iterator[Finding]:
    try:
        alerts.book()
    except AlertStoreFailed as error:
        yield Finding(str(error))


def _spool(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        return
    try:
        spool = Spool(folder, told=lambda _warning: None)
        spool.sources()
        aside = spool.aside()
    except SpoolFailed as error:
        yield Finding(str(error))
        return
    for each in aside:
        where = f"to `{each.source or 'unknown'}` was set aside in {each.rows_file(folder)}"
        yield Finding(f"Push {each.sequence} {where}: {each.reason}.")


def _online(places: Places) -> Iterator[Finding]:
    try:
        views: Sequence[str] = places.online.views()
        served = [table for view in views if (table := places.online.table(view)) is not None]
    except OnlineStoreFailed as error:
        yield Finding(str(error))
        return
    for table in served:
        if is_of_another_past(table, places.store):
            versions = ", ".join(f"version {version} of {name}" for name, version in table.versions.items())
            yield Finding(
                f"{table.view} is served from {versions}, which the offline store has not, or has as another one: it "
                "was restored from a backup. Publish it again: `feature-platform publish`."
            )

"""The doctor: finds what is damaged in a store after a power cut, a full disk or a restored backup, and mends it.

Nothing is deleted: what cannot be read is moved aside, below `damaged/` of the root. The next run makes the rows that
were lost by that anew from the source.
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
from feature_platform.ground.table_names import owner_of
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.offline import OfflineStore
from feature_platform.offline.soundness import Damage
from feature_platform.online.base import OnlineStore
from feature_platform.online.spool import Spool
from feature_platform.pipelines.tables import known_tables
from feature_platform.serving.publication import is_of_another_past


@dataclass(frozen=True)
class StoreFault:
    """One thing that is damaged.

    Attributes:
        what: what is wrong, where, and what mends it, in one or two sentences.
        mend: mends it, and returns what was done; None where only a backup or a person can.
    """

    what: str
    mend: Callable[[], str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ExaminedPlaces:
    """Where the doctor looks.

    Attributes:
        spool: the folder of the spool of pushes; `access`: that of the access keys.
    """

    store: OfflineStore
    online: OnlineStore
    alerts: AlertStore
    spool: Path
    access: Path


def examine(project: Project, places: ExaminedPlaces, *, deep: bool = False) -> Iterator[StoreFault]:
    """Yield what is damaged, tables first.

    Args:
        deep: read all rows and compare them with the hashes in the commits. Without it, only the sizes and the ends of
            files are compared.
    """
    tables = known_tables(places.store, [each.name for each in project.services])
    for name in count_steps(tables, "examining tables", len(tables)):
        yield from _examine_table(places.store, name, deep=deep)
    yield from _examine_access_keys(places.access)
    yield from _examine_alerts(places.alerts)
    yield from _examine_spool(places.spool)
    yield from _examine_online_store(places)


def _examine_table(store: OfflineStore, name: str, *, deep: bool) -> Iterator[StoreFault]:
    try:
        damages = store.damages(name, deep=deep)
    except TableUnreadable as error:
        yield StoreFault(str(error))
        return
    is_log = owner_of(name) != name
    for damage in damages:
        text = str(damage)
        if damage.is_data and is_log:
            text = f"{name}: {damage.path} {damage.found}. Mending takes it out of the table; its rows are lost."
        yield StoreFault(text, _mending_of(store, damage, is_log=is_log))


def _mending_of(store: OfflineStore, damage: Damage, *, is_log: bool) -> Callable[[], str] | None:
    """Return the function that moves damage aside; None where it cannot be mended, or where a run mends a lost file."""
    folder = store.location(damage.table).folder
    is_there = folder is not None and (folder / damage.path).exists()
    if damage.mending is None or not (is_there or is_log):
        return None

    def mend() -> str:
        moved = store.mend(damage.table, [damage], is_log=is_log)
        return ", ".join(map(str, moved)) or "taken out of the table"

    return mend


def _examine_access_keys(folder: Path) -> Iterator[StoreFault]:
    try:
        list_keys(folder)
    except AccessKeysUnreadable as error:
        yield StoreFault(f"{error} Until then every request is refused.")


def _examine_alerts(alerts: AlertStore) -> Iterator[StoreFault]:
    try:
        alerts.book()
    except AlertStoreFailed as error:
        yield StoreFault(str(error))


def _examine_spool(folder: Path) -> Iterator[StoreFault]:
    if not folder.exists():
        return
    try:
        spool = Spool(folder, on_warning=lambda _warning: None)
        spool.sources()
        aside = spool.aside()
    except SpoolFailed as error:
        yield StoreFault(str(error))
        return
    for each in aside:
        where = f"to `{each.source or 'unknown'}` was set aside in {each.rows_file(folder)}"
        yield StoreFault(f"Push {each.sequence} {where}: {each.reason}.")


def _examine_online_store(places: ExaminedPlaces) -> Iterator[StoreFault]:
    try:
        views: Sequence[str] = places.online.views()
        served = [table for view in views if (table := places.online.table(view)) is not None]
    except OnlineStoreFailed as error:
        yield StoreFault(str(error))
        return
    for table in served:
        if is_of_another_past(table, places.store):
            versions = ", ".join(f"version {version} of {name}" for name, version in table.versions.items())
            yield StoreFault(
                f"{table.view} is served from {versions}. The offline store does not have that version, or has another "
                "one of that number: it was restored from a backup. Publish again: `feature-platform publish`."
            )

"""Orphans: tables that a store keeps although their declaration is gone; they are listed, and dropped by name.

A store may serve several projects, and the tables of one are orphans to the others. So only tables that somebody names
are dropped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from feature_platform.compute.serving.learnt import learnt_table
from feature_platform.compute.serving.parts import histories_of, view_of_history
from feature_platform.declarations.project import Project, project_of
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration, StillNeeded, UnknownName
from feature_platform.ground.table_names import TableKind, kind_of_table, owner_of, service_owner
from feature_platform.offline import OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.pipelines.tables import known_tables


@dataclass(frozen=True)
class Orphan:
    """What is stored of one removed declaration.

    Attributes:
        name: its table, e.g. `views/spending`; of a removed service `services/<name>`.
        tables: all tables that are kept of it, its own table last.
        rows: of its own table.
        online: the name under which the online store serves it; None when it is not served.
        needed_by: training sets that were built from it, with their versions in words.
    """

    name: str
    tables: tuple[str, ...]
    rows: int
    online: str | None
    needed_by: tuple[str, ...]


def find_orphans(project: ModuleType | Project, store: OfflineStore, online: OnlineStore | None = None) -> list[Orphan]:
    """Return what a store keeps of declarations that a project does not have any more, sorted by name.

    Tables that the platform did not write are left out. An object store cannot list its tables: there, the records of
    runs say which assets have ever been run.

    Raises:
        OnlineStoreFailed: the online store cannot be read.
    """
    project = project_of(project)
    tables, declared = known_tables(store), _declared_names(project)
    tables_by_owner: dict[str, list[str]] = {}
    for table in tables:
        owner = owner_of(table)
        if owner is not None and owner not in declared:
            tables_by_owner.setdefault(owner, []).append(table)
    served = {} if online is None else _served_orphans(project, online)
    names = sorted({*tables_by_owner, *served} - declared)
    pins = _pins_by_table(store, tables) if names else {}
    return [_orphan(name, tables_by_owner.get(name, []), store, served.get(name), pins) for name in names]


def plan_drop(
    names: Sequence[str], project: ModuleType | Project, store: OfflineStore, online: OnlineStore | None = None
) -> list[Orphan]:
    """Return what would be dropped, in that order; nothing is dropped.

    Args:
        names: as `find_orphans` gives them.

    Raises:
        InvalidDeclaration: the project still declares it.
        UnknownName: there is nothing of that name.
        StillNeeded: a training set that is not dropped as well was built from it.
    """
    project = project_of(project)
    orphans = {each.name: each for each in find_orphans(project, store, online)}
    for name in names:
        if name in _declared_names(project):
            raise InvalidDeclaration(
                f"`{name}`", f"is declared in project `{project.name}`", "Remove its declaration first."
            )
        if name not in orphans:
            raise UnknownName(f"The store at {store.root}", "table of a removed declaration", name, orphans)
    chosen = [orphans[name] for name in dict.fromkeys(names)]
    for each in chosen:
        keeping = [user for user in each.needed_by if user.split(" ")[0] not in names]
        if keeping:
            raise StillNeeded(each.name, keeping)
    return sorted(chosen, key=lambda orphan: kind_of_table(orphan.name) is not TableKind.TRAINING_SETS)


def drop_orphans(
    names: Sequence[str], project: ModuleType | Project, store: OfflineStore, online: OnlineStore | None = None
) -> list[Orphan]:
    """Remove what is stored of removed declarations: first what is served, then the tables with all versions.

    When it is killed, the rest can be dropped by calling it again. Return what was dropped.

    Raises:
        InvalidDeclaration, UnknownName, StillNeeded: as `plan_drop`; nothing was dropped.
        WriteFailed, OnlineStoreFailed: storage refused; the rest can be dropped by calling it again.
    """
    chosen = plan_drop(names, project, store, online)
    for each in chosen:
        if each.online is not None and online is not None:
            for name in (each.online, *histories_of(each.online, online.views())):
                online.remove(name)
        for table in each.tables:
            store.drop(table)
    return chosen


def _orphan(
    name: str, tables: Sequence[str], store: OfflineStore, online: str | None, pins: Mapping[str, Sequence[str]]
) -> Orphan:
    ordered = tuple(sorted(tables, key=lambda table: (table == name, table)))
    rows = sum(state.rows for state in store.partition_states(name).values()) if name in tables else 0
    return Orphan(name, ordered, rows, online, tuple(pins.get(name, ())))


def _declared_names(project: Project) -> set[str]:
    return {*(each.asset for each in project.assets), *(service_owner(each.name) for each in project.services)}


def _served_orphans(project: Project, online: OnlineStore) -> dict[str, str]:
    """Return what is served of declarations that the project does not have: online names by names of orphans."""
    declared = {each.name for each in project.assets if isinstance(each, FeatureView)}
    learnt = {learnt_table(each.name) for each in project.services}
    prefix = learnt_table("")
    return {
        service_owner(view.removeprefix(prefix)) if view.startswith(prefix) else TableKind.VIEWS.of(view): view
        for view in (view_of_history(name) or name for name in online.views())
        if view not in declared and view not in learnt
    }


def _pins_by_table(store: OfflineStore, tables: Iterable[str]) -> dict[str, list[str]]:
    """Return the training sets that were built from each table, with the versions that they read, in words."""
    pins: dict[str, list[str]] = {}
    for name, table, versions in _training_inputs(store, tables):
        read = ", ".join(map(str, versions))
        pins.setdefault(table, []).append(f"{name} (built from version {read})")
    return pins


def _training_inputs(store: OfflineStore, tables: Iterable[str]) -> Iterator[tuple[str, str, list[int]]]:
    for name in sorted(tables):
        if kind_of_table(name) is TableKind.TRAINING_SETS:
            for table, versions in store.inputs_read(name).items():
                yield name, table, sorted(versions)

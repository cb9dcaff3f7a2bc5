"""Migration: changes the tables of declarations that lost, renamed or retyped columns, by one new version of each.

A plan reads schemas and logs only. Carrying it out makes one new version of each table; older versions keep their
columns, so that what was built from them can be built again. A column that is only added needs no migration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import NoReturn
from uuid import uuid4

import polars as pl

from feature_platform.compute.transforms.enriched import enriched_schema
from feature_platform.compute.transforms.rows import as_events, prepare_rows, table_rows
from feature_platform.compute.transforms.unions import schema_of_read
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Project, asset_upstream, project_of
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureSelection, FeatureView
from feature_platform.ground.clock import EPOCH
from feature_platform.ground.errors import InvalidDeclaration, TableMoved, UnknownName
from feature_platform.ground.progress import count_steps
from feature_platform.ground.working_columns import PARTITION, ROW
from feature_platform.offline import Commit, CommitStamp, OfflineStore
from feature_platform.offline.reshaping import Reshape, prepare_reshaping
from feature_platform.offline.schema import make_storable
from feature_platform.pipelines.candidates.shared import profile_spec_of
from feature_platform.pipelines.profiling import Tap

Declared = Source | FeatureView | Label
_TRIES = 3


@dataclass(frozen=True)
class TableChange:
    """What a migration does to one table.

    Attributes:
        version: of the table as it is.
        rows, partitions: that are written anew.
        removed: columns that the declaration does not have any more.
        renamed: new names by old ones; values are carried over.
        retyped: the type before and after by column; values are carried over, and one that would change is refused.
        recomputed: retyped columns whose values are given up: they are null until their partitions are computed again.
        added: columns that the declaration has and the table not yet; the next runs fill them.
        used_by: what reads the table: assets, services, what is served.
        still_named: declarations that still name a removed column; they have to be changed first.
    """

    table: str
    version: int
    rows: int
    partitions: int
    removed: tuple[str, ...]
    renamed: Mapping[str, str]
    retyped: Mapping[str, tuple[pl.DataType, pl.DataType]]
    recomputed: tuple[str, ...]
    added: tuple[str, ...]
    used_by: tuple[str, ...]
    still_named: tuple[str, ...]

    @property
    def reshape(self) -> Reshape:
        """Return the change as the store takes it."""
        retyped = {name: after for name, (_, after) in self.retyped.items()}
        return Reshape(self.removed, self.renamed, retyped, self.recomputed)


@dataclass(frozen=True)
class Migration:
    """What would happen to the tables of a project; `fp.migrate` does it."""

    project: Project = field(repr=False)
    changes: tuple[TableChange, ...] = ()


def plan_migration(
    project: ModuleType | Project, store: OfflineStore, *, renames: Sequence[str] = (), recompute: Sequence[str] = ()
) -> Migration:
    """Return how tables have to change so that they fit their declarations; nothing is written.

    Args:
        renames: words like `views/spending.old=new`. Without one a column that was renamed looks removed, and another
            added.
        recompute: words like `views/spending.amount`, of columns with a new type whose old values may be given up.

    Raises:
        InvalidDeclaration: a word cannot be read, or does not fit.
        TransformFailed, MissingColumns: a declaration needs a column that its input does not have any more.
        SourceUnreadable: a source cannot be read.
    """
    project = project_of(project)
    new_names = _renames(renames, project)
    given_up = _columns_by_table(recompute, project, "recompute", "views/spending.amount")
    schemas: dict[str, pl.Schema] = {}
    changes: list[TableChange] = []
    for asset in project.assets:
        if isinstance(asset, (Spine, TrainingSet)):  # each of its versions has columns of its own
            continue
        known = _stored_schema(asset.asset, store)
        schemas[asset.asset] = declared = _declared_schema(asset, schemas, known)
        pairs = new_names.pop(asset.asset, {})
        lost = given_up.pop(asset.asset, ())
        if known is None:
            continue
        change = _change_of(asset, project, store, known, declared, pairs, lost)
        if change is not None:
            changes.append(change)
    for table in (*new_names, *given_up):
        _refuse_word(table, "is not in the store", "Give the table of a declared source, view or label.")
    return Migration(project, tuple(changes))


def migrate(migration: Migration, store: OfflineStore, *, run_id: str | None = None) -> list[Commit]:
    """Carry out a migration: write one new version of each table, upstream first, and return the commits in that order.

    One partition is in memory at a time. A migration that is killed leaves each table as it was or as it shall be: plan
    again, and go on. Partitions keep who made them, with which code and from what. So partitions that the changed code
    would compute differently are stale afterwards, as after any change of code.

    Raises:
        InvalidDeclaration: a declaration still names a removed column.
        NotCarriedOver: a value would change in its new type; that table is as it was.
        TableMoved: others kept writing to a table.
    """
    for change in migration.changes:
        if change.still_named:
            raise InvalidDeclaration(
                f"Migration of `{change.table}`",
                f"removes {', '.join(change.removed)}, but {'; '.join(change.still_named)}",
                "Change that declaration first.",
            )
    run = run_id or uuid4().hex
    assets = {each.asset: each for each in migration.project.assets}
    changes = count_steps(migration.changes, "changing tables", len(migration.changes))
    return [_migrate_table(assets[each.table], each, store, run) for each in changes]


def _migrate_table(asset: object, change: TableChange, store: OfflineStore, run_id: str) -> Commit:
    if not isinstance(asset, Declared):
        raise TypeError(f"{change.table} is not what a migration changes")
    for _ in range(_TRIES - 1):
        try:
            return _try_to_migrate(asset, change, store, run_id)
        except TableMoved:
            continue
    return _try_to_migrate(asset, change, store, run_id)


def _try_to_migrate(asset: Declared, change: TableChange, store: OfflineStore, run_id: str) -> Commit:
    """Try once to write the newest version with the new columns, and keep the profiles of its contents."""
    if store.latest_version(asset.asset) != change.version and not _fits(asset.asset, change, store):
        raise TableMoved(asset.asset)
    work = prepare_reshaping(store.location(asset.asset), change.reshape)
    with (
        Tap(store, asset.asset, profile_spec_of(asset)) as tap,
        store.stage(asset.asset, work.parts, work.plan, tap.see) as staged,
    ):
        stamp = CommitStamp(run_id, asset.asset, "", grain=work.plan.grain, origins=work.origins)
        commit = store.publish(staged, stamp=stamp)
        tap.keep(list(tap.profiles(commit.hashes, staged.schema).values()), run_id)
    return commit


def _fits(table: str, change: TableChange, store: OfflineStore) -> bool:
    """Tell whether a table that was written to since the plan still has the columns that a change is about."""
    known = _stored_schema(table, store) or pl.Schema()
    before = {name: dtype for name, (dtype, _) in change.retyped.items()}
    back = {new: old for old, new in change.renamed.items()}
    there = all(name in known for name in (*change.removed, *change.renamed))
    return there and all(known.get(back.get(name, name)) == dtype for name, dtype in before.items())


def _change_of(
    asset: Declared,
    project: Project,
    store: OfflineStore,
    known: pl.Schema,
    declared: pl.Schema,
    renames: Mapping[str, str],
    recompute: Sequence[str],
) -> TableChange | None:
    """Return how one table has to change; None when it can stay as it is."""
    for old, new in renames.items():
        if old not in known:
            raise UnknownName(f"Table `{asset.asset}`", "column to rename", old, known)
        if old in declared or new not in declared or new in known:
            _refuse_word(
                f"{asset.asset}.{old}={new}",
                f"does not fit: the declaration has {', '.join(declared)}, the table {', '.join(known)}",
                "Rename a column that only the table has to one that only the declaration has.",
            )
    renamed = pl.Schema({renames.get(name, name): dtype for name, dtype in known.items()})
    removed = tuple(name for name in known if name not in declared and name not in renames)
    retyped = {
        name: (dtype, declared[name]) for name, dtype in renamed.items() if name in declared and declared[name] != dtype
    }
    for name in recompute:
        if name not in retyped:
            _refuse_word(f"{asset.asset}.{name}", "has no new type", "Name a column that a migration would retype.")
    if not (removed or renames or retyped):
        return None
    states = store.partition_states(asset.asset)
    return TableChange(
        table=asset.asset,
        version=store.latest_version(asset.asset),
        rows=sum(state.rows for state in states.values()),
        partitions=sum(1 for state in states.values() if state.rows),
        removed=removed,
        renamed=dict(renames),
        retyped=retyped,
        recomputed=tuple(recompute),
        added=tuple(name for name in declared if name not in renamed),
        used_by=tuple(dict.fromkeys(_readers(asset, project))),
        still_named=tuple(_still_named(asset, project, {*removed, *renames})),
    )


def _readers(asset: Declared, project: Project) -> Iterator[str]:
    for other in project.assets:
        if asset in asset_upstream(other):
            yield other.asset
    for service in project.services:
        if any(asset.asset in view.tables_read for view in service.views):
            yield f"service {service.name}"
    for view in project.assets:
        if isinstance(view, FeatureView) and asset.asset in view.tables_read:
            yield f"online/{view.name}"


def _still_named(asset: Declared, project: Project, gone: set[str]) -> Iterator[str]:
    """Yield what still names a removed column. Where the names of features come from data, no earlier check saw it."""
    for rule in asset.expectations:
        if named := gone & set(rule.subject):
            yield f"its expectation {rule.check_name} names {', '.join(sorted(named))}"
    for view in (each for each in project.assets if isinstance(each, FeatureView)):
        taken = {name for each in view.enrichments if each.dimension is asset for name in each.reads}
        if gone & taken:
            yield f"{view.asset} is enriched by {', '.join(sorted(gone & taken))}"
    for service in project.services:
        for each in service.selections:
            if isinstance(each, FeatureSelection) and each.view is asset and gone & set(each.features):
                yield f"service {service.name} selects {', '.join(sorted(gone & set(each.features)))}"
        for view, names in service.needs.items():
            if view is asset and gone & set(names):
                yield f"on-demand features of {service.name} read {', '.join(sorted(gone & set(names)))}"


def _declared_schema(asset: Declared, upstream: Mapping[str, pl.Schema], known: pl.Schema | None) -> pl.Schema:
    """Return the columns that the next run of an asset would write; a column of nulls has the type of the table."""
    if isinstance(asset, Source):
        rows = prepare_rows(asset, asset.connector.scan(asset.name))
    else:
        given = schema_of_read(asset.source, upstream) if isinstance(asset, Label) else enriched_schema(asset, upstream)
        events = as_events(asset.source, pl.LazyFrame(schema=given))
        rows = table_rows(asset, events, EPOCH, EPOCH)
    return make_storable(asset.asset, pl.DataFrame(schema=rows.collect_schema()), known).schema


def _stored_schema(table: str, store: OfflineStore) -> pl.Schema | None:
    if not store.exists(table):
        return None
    return pl.Schema(
        {name: dtype for name, dtype in store.read(table).collect_schema().items() if name not in (PARTITION, ROW)}
    )


def _renames(words: Sequence[str], project: Project) -> dict[str, dict[str, str]]:
    new_names: dict[str, dict[str, str]] = {}
    for word in words:
        before, mark, new = word.partition("=")
        if not mark or not new:
            _refuse_word(word, "is not a rename", "Write `views/spending.old=new`.")
        for table, columns in _columns_by_table([before], project, "rename", "views/spending.old=new").items():
            new_names.setdefault(table, {})[columns[0]] = new
    return new_names


def _columns_by_table(words: Sequence[str], project: Project, what: str, example: str) -> dict[str, tuple[str, ...]]:
    """Return columns by table, from words like `views/spending.amount`."""
    tables = sorted((each.asset for each in project.assets), key=len, reverse=True)
    columns: dict[str, tuple[str, ...]] = {}
    for word in words:
        table = next((each for each in tables if word.startswith(f"{each}.")), None)
        if table is None:
            _refuse_word(
                word, f"names no column to {what} of a table of project `{project.name}`", f"Write `{example}`."
            )
        columns[table] = (*columns.get(table, ()), word.removeprefix(f"{table}."))
    return columns


def _refuse_word(word: str, found: str, remedy: str) -> NoReturn:
    raise InvalidDeclaration(f"Migration word `{word}`", found, remedy)

"""The tables that a store has, also when its storage cannot be listed, and those that a view is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from feature_platform.compute.joins.pieces import Table, rows_of_table
from feature_platform.compute.joins.united import unite_pieces
from feature_platform.compute.keys.join_keys import require_columns
from feature_platform.compute.transforms.declared_types import read_features
from feature_platform.compute.transforms.enriched import enrich_events, hold_rows
from feature_platform.compute.transforms.rows import rows_read
from feature_platform.compute.transforms.unions import Read, unite
from feature_platform.declarations.label import Label
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.source import Source
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground.table_names import TableKind, is_asset, table_names_of
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState

STATES_RETENTION = "1d"  # of the files of replaced states of lifetimes, which nobody asks for again


def known_tables(store: OfflineStore, services: Iterable[str] = ()) -> list[str]:
    """Return the names of the tables of a store, sorted.

    A local store lists its tables. An object store cannot: there, the records of runs say which assets have ever been
    run, and the tables of services are known by their names.
    """
    if store.location(TableKind.RUNS.value).folder is not None:
        return store.tables()
    if not store.exists(TableKind.RUNS.value):
        return []
    ran = store.read(TableKind.RUNS.value).select("asset").unique().collect()["asset"].to_list()
    return sorted(name for name in {*table_names_of(filter(is_asset, ran), services)} if store.exists(name))


def read_rows(
    read: Read,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
    *,
    partitions: Sequence[str] | None = None,
    partition_column: bool = False,
) -> pl.LazyFrame:
    """Return the rows of what a declaration reads; those of a union come from the tables of its members.

    Args:
        versions: Delta versions by table name; the newest by default.
        partitions, partition_column: as in `OfflineStore.read`.

    Raises:
        TableNotFound, VersionNotFound: a table is not in the store, or does not keep that version.
        InvalidDeclaration: the members of a union do not fit together.
    """
    pinned = versions or {}
    tables = [
        store.read(each.asset, version=pinned.get(each.asset), partitions=partitions, partition_column=partition_column)
        for each in read.members
    ]
    return unite(read, tables)


def states_of(read: Read, store: OfflineStore, versions: Mapping[str, int]) -> dict[str, PartitionState]:
    """Return the state of each partition of what a declaration reads; of a union its rows are those of all members.

    A partition of a union that somebody else wrote in one member has no hash.
    """
    each_states = [store.partition_states(each.asset, versions[each.asset]) for each in read.members]
    if len(each_states) == 1:
        return each_states[0]
    found: dict[str, PartitionState] = {}
    for key in sorted(set[str]().union(*each_states)):
        own = [states[key] for states in each_states if key in states]
        hashes = [state.hash for state in own]
        joined = None if None in hashes else " ".join(map(str, hashes))
        found[key] = PartitionState(joined, sum(state.rows for state in own), None)
    return found


def key_types(service: FeatureService, store: OfflineStore) -> dict[str, pl.DataType]:
    """Return the types of all join keys of a service, as the tables of its views have them.

    Raises:
        TableNotFound: a view with join keys was never materialized.
    """
    types: dict[str, pl.DataType] = {}
    for view in service.views:
        if view.join_keys:
            schema = rows_read(view, rows_of_table(pieces_of_view(view, store)[:1])).collect_schema()
            types |= {column: schema[key] for column, key in view.own_keys.items() if column not in types}
    return types


def read_dimensions(
    view: FeatureView, store: OfflineStore, versions: Mapping[str, int] | None = None
) -> dict[str, pl.LazyFrame]:
    """Return the rows of the tables that enrich the events of a view, each read once, when it is first needed.

    A windowed view has a row for each key and instant: of each part of the events those of its time are read.

    Args:
        versions: Delta versions by table name; the newest by default.

    Raises:
        TableNotFound, VersionNotFound: a table is not in the store, or does not keep that version.
        MissingColumns: a table lacks a column that is taken of it.
    """
    columns: dict[str, dict[str, None]] = {}
    for each in view.enrichments:
        columns.setdefault(each.asset, {}).update(dict.fromkeys(each.reads))
    pinned = versions or {}
    views = {each.asset: each.dimension for each in view.enrichments if isinstance(each.dimension, FeatureView)}
    rows = {name: store.read(name, version=pinned.get(name)) for name in columns}
    rows = {name: read_features(views[name], each) if name in views else each for name, each in rows.items()}
    for name, reads in columns.items():
        require_columns(rows[name].collect_schema(), reads, f"Feature view `{view.name}`: the table `{name}`")
    taken = {name: rows[name].select(list(reads)) for name, reads in columns.items()}
    return {name: each if is_windowed(views.get(name)) else hold_rows(each) for name, each in taken.items()}


def pieces_of_view(view: FeatureView, store: OfflineStore, versions: Mapping[str, int] | None = None) -> Table:
    """Return the table that the values of a view are read from, as pieces of time; enriched events of an exact view.

    Args:
        versions: Delta versions by table name; the newest by default.

    Raises:
        TableNotFound, VersionNotFound: a table is not in the store, or does not keep that version.
    """
    read = view.read_from
    pieces = pieces_of_read(read, store, versions)
    if isinstance(read, FeatureView) and read.types:
        pieces = tuple(replace(piece, rows=read_features(read, piece.rows)) for piece in pieces)
    if not view.enriches_when_read:
        return pieces
    dimensions = read_dimensions(view, store, versions)
    return tuple(replace(piece, rows=enrich_events(view.original, piece.rows, dimensions)) for piece in pieces)


def origin_of(read: Read, store: OfflineStore) -> str:
    """Return what tells the tables with the rows of what is read from others of their names that are made anew."""
    return " ".join(store.table_id(each.asset) for each in read.members)


def pieces_of_read(
    read: Source | Union | FeatureView | Label, store: OfflineStore, versions: Mapping[str, int] | None = None
) -> Table:
    """Return the rows of what is read as pieces of time; raises as `read_rows`."""
    pinned = versions or {}
    tables = [store.pieces(each.asset, read.event_time, version=pinned.get(each.asset)) for each in read.members]
    return unite_pieces(read, tables) if isinstance(read, Union) else tables[0]


def pieces_of_views(
    views: Iterable[FeatureView], store: OfflineStore, versions: Mapping[str, int] | None = None
) -> dict[str, Table]:
    """Return the tables that the values of views are read from, by `FeatureView.rows_name`, each opened once."""
    named = {view.rows_name: view for view in views}
    return {name: pieces_of_view(named[name], store, versions) for name in sorted(named)}

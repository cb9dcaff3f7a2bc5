"""The tables that a store has, also when its storage cannot be listed, and those that a view is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl

from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.keys.join_keys import require_columns
from feature_platform.compute.transforms.declared_types import read_features
from feature_platform.compute.transforms.enriched import enrich_events, hold_rows
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground.table_names import TableKind, is_asset, table_names_of
from feature_platform.offline import OfflineStore


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
    pieces = store.pieces(read.asset, read.event_time, version=(versions or {}).get(read.asset))
    if isinstance(read, FeatureView) and read.types:
        pieces = tuple(replace(piece, rows=read_features(read, piece.rows)) for piece in pieces)
    if not view.enriches_when_read:
        return pieces
    dimensions = read_dimensions(view, store, versions)
    return tuple(replace(piece, rows=enrich_events(view.original, piece.rows, dimensions)) for piece in pieces)


def pieces_of_views(
    views: Iterable[FeatureView], store: OfflineStore, versions: Mapping[str, int] | None = None
) -> dict[str, Table]:
    """Return the tables that the values of views are read from, by `FeatureView.rows_name`, each opened once."""
    named = {view.rows_name: view for view in views}
    return {name: pieces_of_view(named[name], store, versions) for name in sorted(named)}

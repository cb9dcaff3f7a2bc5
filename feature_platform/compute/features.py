"""The features of a spine: each view joined as its kind asks, then gaps filled from the past.

The spine has the join keys and `event_timestamp`; every spine row comes back once, in order.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.clock import utc
from feature_platform.compute.joins.base import Join
from feature_platform.compute.joins.exact import exact_join
from feature_platform.compute.joins.joined import Joined
from feature_platform.compute.joins.pieces import Table, whole
from feature_platform.compute.point_in_time import row_join
from feature_platform.compute.published import snapshot_join
from feature_platform.compute.rows import feature_names
from feature_platform.declarations.naming import SPINE_TIME as SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.errors import ColumnCollision, MissingColumns, UnknownName

Selected = FeatureView | FeatureSelection


def selections_of(wanted: FeatureService | Selected | Sequence[Selected]) -> FeatureService:
    """A service, a view, a selection or a list of them, as a service."""
    if isinstance(wanted, FeatureService):
        return wanted
    return FeatureService("unnamed", [wanted] if isinstance(wanted, (FeatureView, FeatureSelection)) else list(wanted))


def tables_of(view: FeatureView) -> tuple[str, ...]:
    """The tables that the features of a view are read from: an exact view needs the events."""
    return (view.source.asset,) if _is_exact(view) else (view.asset,)


def read_by(view: FeatureView) -> Mapping[str, str | None]:
    """The tables that the features of a view are read from, and the clock that orders each."""
    return dict.fromkeys(tables_of(view), view.source.event_time if _is_exact(view) else view.event_time)


def joined_features(
    service: FeatureService, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame | Table]
) -> pl.LazyFrame:
    """The spine with the service's features, in the order declared; computed when it is collected.

    Args:
        tables: the rows of each view by asset name; for exact views those of its source.

    Raises:
        MissingColumns: the spine lacks a join key or `event_timestamp`.
        UnknownName: a selected or imputed feature is not in its view.
        ColumnCollision: the spine has a column of a feature's name, or two views do.
    """
    return features_plan(service, spine, tables).lazy()


def features_plan(service: FeatureService, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame | Table]) -> Joined:
    """What `joined_features` will do, checked, and nothing read yet."""
    schema = spine.collect_schema()
    utc(schema, SPINE_TIME, "The spine")
    needed = {key for view in service.views for key in view.join_keys}
    missing = sorted(needed - set(schema))
    if missing:
        raise MissingColumns(f"The spine of `{service.name}`", missing, schema)
    joins: list[Join] = []
    columns = pl.Schema(schema)
    for selected in service.selections:
        name = tables_of(view_of(selected))[0]
        found = tables[name]
        table = whole(found) if isinstance(found, pl.LazyFrame) else found
        join = _join(columns, selected, table, full_names=service.full_names)
        joins.append(join)
        columns = pl.Schema({**columns, **join.added})
    for feature in service.impute:
        if feature not in columns or feature in schema:
            added = [name for name in columns if name not in schema]
            raise UnknownName(f"Feature service `{service.name}`", "feature to impute", feature, added)
    plan = Joined(spine, SPINE_TIME, joins, "The spine", dict(service.impute))
    plan.schema()
    return plan


def _join(spine: pl.Schema, selected: Selected, table: Table, *, full_names: bool) -> Join:
    """What a view adds to a spine that has some columns already."""
    view = view_of(selected)
    schema = table[0].rows.collect_schema()
    known = view.windowing.features if view.windowing else feature_names(view, schema)
    wanted = selected.features if isinstance(selected, FeatureSelection) else known
    for name in wanted:
        if name not in known:
            raise UnknownName(f"Feature view `{view.name}`", "feature", name, known)
    names = {f"{view.name}__{name}" if full_names else name: name for name in wanted}
    owner = f"The spine with feature view `{view.name}`"
    if twice := [name for name in names if name in spine]:
        raise ColumnCollision(
            owner,
            twice,
            "Drop or rename them in the spine, select other features, or pass full_names=True to the service.",
        )
    if view.windowing is None:
        return row_join(
            spine,
            table,
            on=view.join_keys,
            event_time=view.event_time,
            known_at=view.source.known_at,
            limit=view.ttl_us,
            columns=names,
            name=tables_of(view)[0],
            owner=owner,
        )
    if _is_exact(view):
        return exact_join(spine, table, view, names, name=tables_of(view)[0], owner=owner)
    return snapshot_join(
        spine,
        table,
        on=view.join_keys,
        every=view.windowing.cadence.every_us,
        delay=view.windowing.cadence.delay_us,
        limit=view.ttl_us,
        columns=names,
        name=tables_of(view)[0],
        owner=owner,
    )


def _is_exact(view: FeatureView) -> bool:
    return view.windowing is not None and view.windowing.accuracy == "exact"

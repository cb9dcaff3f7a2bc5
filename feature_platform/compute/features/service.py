"""The features of a spine: each view joined by its kind, on-demand features computed, gaps filled from the past.

The spine has the join keys, `event_timestamp` and the request fields; every spine row comes back once, in order.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

import polars as pl

from feature_platform.compute.joins.base import Join
from feature_platform.compute.joins.exact import exact_join
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Table, table_of_frame
from feature_platform.compute.joins.point_in_time import row_join
from feature_platform.compute.joins.published import snapshot_join
from feature_platform.compute.transforms.on_demand import OnDemandColumns, on_demand_types
from feature_platform.compute.transforms.request_fields import check_request
from feature_platform.compute.transforms.rows import feature_names
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.naming import SPINE_TIME as SPINE_TIME
from feature_platform.declarations.on_demand import OnDemandSelection, OnDemandView
from feature_platform.declarations.row import EVENT_TIME
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.service import Selected as Selected
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import utc
from feature_platform.ground.errors import ColumnCollision, MissingColumns, UnknownName
from feature_platform.ground.working_columns import INPUT, refuse_working_names

_ONE = (FeatureView, FeatureSelection, OnDemandView, OnDemandSelection)


def selections_of(wanted: FeatureService | Selected | Sequence[Selected]) -> FeatureService:
    """Return a service, a view, a selection or a list of them as a service."""
    if isinstance(wanted, FeatureService):
        return wanted
    if isinstance(wanted, _ONE):
        return FeatureService("unnamed", [wanted])
    require_kind(
        "wanted", wanted, (list, tuple), "a feature service, a view, a selection of features or a list of those"
    )
    return FeatureService("unnamed", list(wanted))


def join_features(
    service: FeatureService, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame | Table]
) -> pl.LazyFrame:
    """Return the spine with the service's features, in the order declared; computed when it is collected.

    Args:
        tables: the rows of each view by `rows_name`; for exact views those of its source, enriched.

    Raises:
        WrongColumnName: the spine has a column with the name of one that the platform adds.
        MissingColumns: the spine lacks a join key or `event_timestamp`.
        MissingRequestField, WrongColumnType: it lacks a request field, or has it in a type that does not meet.
        UnknownName: a selected, imputed or read feature is not in its view.
        ColumnCollision: the spine has a column of a feature's name, or two views do.
        TransformFailed: an on-demand feature cannot be computed from its inputs.
    """
    return plan_features(service, spine, tables).lazy()


def plan_features(service: FeatureService, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame | Table]) -> JoinPlan:
    """Return the plan of `join_features`, checked; nothing is read yet."""
    schema = spine.collect_schema()
    refuse_working_names("The spine", schema)
    utc(schema, SPINE_TIME, "The spine")
    needed = {key for view in service.views for key in view.join_keys}
    missing = sorted(needed - set(schema))
    if missing:
        raise MissingColumns(f"The spine of `{service.name}`", missing, schema)
    for selection in service.on_demand:
        check_request(selection.view, schema, selection.request, "The spine")
    joins, order, columns = _joins(service, schema, tables)
    on_demand: list[OnDemandColumns] = []
    for selection in service.on_demand:
        computed = _on_demand(service, selection, columns)
        _refuse_collisions(
            pl.Schema(columns), list(computed.added), f"The spine with on-demand view `{selection.view.name}`"
        )
        on_demand.append(computed)
        columns |= computed.added
    for feature in service.impute:
        if feature not in columns or feature in schema or feature.startswith(INPUT):
            added = [name for name in columns if name not in schema and not name.startswith(INPUT)]
            raise UnknownName(f"Feature service `{service.name}`", "feature to impute", feature, added)
    rules = dict(service.impute)
    plan = JoinPlan(spine, SPINE_TIME, joins, "The spine", rules, on_demand=on_demand, order=order)
    plan.schema()
    return plan


def _joins(
    service: FeatureService, spine: pl.Schema, tables: Mapping[str, pl.LazyFrame | Table]
) -> tuple[list[Join], list[str], dict[str, pl.DataType]]:
    """Return the joins of a service; its features in order; the columns that a spine has then, inputs too."""
    needs, columns = dict(service.needs), dict(spine)
    joins: list[Join] = []
    order: list[str] = []

    def add(view: FeatureView, wanted: Sequence[str] | None, *, full_names: bool = False) -> list[str]:
        rows = tables[view.rows_name]
        table = table_of_frame(rows) if isinstance(rows, pl.LazyFrame) else rows
        needed = {name: _reader(service, view, name) for name in needs.pop(view, ())}
        join = _join(pl.Schema(columns), view, wanted, needed, table, full_names=full_names)
        joins.append(join)
        columns.update(join.added)
        return [name for name in join.added if not name.startswith(INPUT)]

    for selection in map(selection_of, service.selections):
        if isinstance(selection, OnDemandSelection):
            order += [service.column(selection, feature) for feature in selection.features]
        else:
            wanted = selection.features if isinstance(selection, FeatureSelection) else None
            view = view_of(selection)
            order += add(view, wanted, full_names=service.full_names or view.aliased is not None)
    for view in list(needs):
        add(view, ())
    return joins, order, columns


def _reader(service: FeatureService, view: FeatureView, feature: str) -> str:
    """Return the name of the first on-demand view that reads a feature."""
    return next(each.view.name for each in service.on_demand if feature in each.needs.get(view, ()))


def _on_demand(
    service: FeatureService, selection: OnDemandSelection, columns: Mapping[str, pl.DataType]
) -> OnDemandColumns:
    """Return what on-demand features add to a spine that has their inputs already."""
    request = selection.request
    read = selection.view.reads(selection.features)
    inputs = {name: name if name in request else _hidden(name) for name in read}
    types = {name: request[name] if name in request else columns[column] for name, column in inputs.items()}
    types_of_features = on_demand_types(selection, types)
    names = {service.column(selection, feature): feature for feature in selection.features}
    added = {name: types_of_features[feature] for name, feature in names.items()}
    return OnDemandColumns(selection.view, inputs, request, service.bounded, names, added)


def _hidden(reference: str) -> str:
    """Return the name of the column of an input that is not shown."""
    return f"{INPUT}{reference}"


def _refuse_collisions(spine: pl.Schema, names: Sequence[str], owner: str) -> None:
    if twice := [name for name in names if name in spine]:
        raise ColumnCollision(
            owner,
            twice,
            "Drop or rename them in the spine, select other features, or pass full_names=True to the service.",
        )


def _join(
    spine: pl.Schema,
    view: FeatureView,
    wanted: Sequence[str] | None,
    needed: Mapping[str, str],
    table: Table,
    *,
    full_names: bool,
) -> Join:
    """Return the join of a view with a spine that has some columns already.

    Args:
        wanted: its features that are shown. Defaults to all.
        needed: those that on-demand features read, `event_time` too, and by which on-demand view.
    """
    known = feature_names(view, table[0].rows.collect_schema())
    wanted = known if wanted is None else wanted
    read = [name for name in needed if name != EVENT_TIME]
    for name in (*wanted, *read):
        if name not in known:
            role = f", an input of on-demand view `{needed[name]}`," if name in needed else ""
            raise UnknownName(f"Feature view `{view.name}`{role}", "feature", name, known)
    names = {f"{view.name}__{name}" if full_names else name: name for name in wanted}
    owner = f"The spine with feature view `{view.name}`"
    _refuse_collisions(spine, list(names), owner)
    names |= {_hidden(f"{view.name}.{name}"): name for name in read}
    event_time_as = _hidden(f"{view.name}.{EVENT_TIME}") if EVENT_TIME in needed else None
    match view.kind:
        case ViewKind.ROW:
            return row_join(
                spine,
                table,
                on=view.join_keys,
                event_time=view.event_time,
                known_at=view.known_at,
                limit=view.ttl_us,
                columns=names,
                event_time_as=event_time_as,
                own_keys=view.own_keys,
                name=view.rows_name,
                owner=owner,
            )
        case ViewKind.SNAPSHOT:
            return snapshot_join(
                spine,
                table,
                on=view.join_keys,
                every=view.windows.cadence.every_us,
                tz=view.windows.cadence.tz,
                delay=view.windows.cadence.delay_us,
                limit=view.ttl_us,
                columns=names,
                event_time_as=event_time_as,
                own_keys=view.own_keys,
                name=view.rows_name,
                owner=owner,
            )
        case ViewKind.EXACT:
            return exact_join(spine, table, view, names, name=view.rows_name, owner=owner)
        case _:
            assert_never(view.kind)

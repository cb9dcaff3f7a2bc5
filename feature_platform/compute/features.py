"""The features of a spine: each view joined as its kind asks, then gaps filled from the past.

The spine has the join keys and `event_timestamp`; every spine row comes back once, in order.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.clock import ALWAYS, UTC, utc
from feature_platform.compute.impute import impute
from feature_platform.compute.point_in_time import point_in_time_join
from feature_platform.compute.rows import as_events, feature_names, feature_rows
from feature_platform.compute.windows import published_join, window_features
from feature_platform.declarations.naming import AS_OF
from feature_platform.declarations.naming import SPINE_TIME as SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.errors import ColumnCollision, MissingColumns, UnknownName
from feature_platform.imputation import Imputation

_ALWAYS = "fp_always"

Selected = FeatureView | FeatureSelection


def selections_of(wanted: FeatureService | Selected | Sequence[Selected]) -> FeatureService:
    """A service, a view, a selection or a list of them, as a service."""
    if isinstance(wanted, FeatureService):
        return wanted
    return FeatureService("unnamed", [wanted] if isinstance(wanted, (FeatureView, FeatureSelection)) else list(wanted))


def joined_features(service: FeatureService, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """The spine with the service's features, in the order declared.

    Args:
        tables: the rows of each view by asset name; for exact views those of its source.

    Raises:
        MissingColumns: the spine lacks a join key or `event_timestamp`.
        UnknownName: a selected or imputed feature is not in its view.
        ColumnCollision: the spine has a column of a feature's name, or two views do.
    """
    schema = spine.collect_schema()
    utc(schema, SPINE_TIME, "The spine")
    needed = {key for view in service.views for key in view.join_keys}
    missing = sorted(needed - set(schema))
    if missing:
        raise MissingColumns(f"The spine of `{service.name}`", missing, schema)
    result = spine
    for selected in service.selections:
        result = _with_view(result, selected, tables, full_names=service.full_names)
    return _imputed(service, result, [name for name in result.collect_schema() if name not in schema])


def tables_of(view: FeatureView) -> tuple[str, ...]:
    """The tables that the features of a view are read from: an exact view needs the events."""
    exact = view.windowing is not None and view.windowing.accuracy == "exact"
    return (view.source.asset,) if exact else (view.asset,)


def _with_view(
    spine: pl.LazyFrame, selected: Selected, tables: Mapping[str, pl.LazyFrame], *, full_names: bool
) -> pl.LazyFrame:
    view = view_of(selected)
    rows = tables[tables_of(view)[0]]
    if view.windowing is not None and view.windowing.accuracy == "exact":
        rows = feature_rows(view, as_events(view.source, rows))
    known = feature_names(view, rows.collect_schema())
    wanted = selected.features if isinstance(selected, FeatureSelection) else known
    for name in wanted:
        if name not in known:
            raise UnknownName(f"Feature view `{view.name}`", "feature", name, known)
    names = {name: f"{view.name}__{name}" if full_names else name for name in wanted}
    columns = spine.collect_schema().names()
    if twice := [name for name in names.values() if name in columns]:
        raise ColumnCollision(
            f"The spine with feature view `{view.name}`",
            twice,
            "Drop or rename them in the spine, select other features, or pass full_names=True to the service.",
        )
    if view.windowing is None:
        found = _row_features(spine, view, rows, list(wanted), names)
    else:
        found = _window_features(spine, view, rows, list(wanted), names)
    return found.select(*columns, *names.values())


def _row_features(
    spine: pl.LazyFrame, view: FeatureView, rows: pl.LazyFrame, wanted: list[str], names: Mapping[str, str]
) -> pl.LazyFrame:
    event_time, known_at = view.event_time, view.source.known_at
    if event_time is None:
        rows, event_time = rows.with_columns(pl.lit(ALWAYS, dtype=UTC).alias(_ALWAYS)), _ALWAYS
    clocks = [event_time] if known_at in (None, event_time) else [event_time, str(known_at)]
    clock_names = {clock: f"fp_{view.name}_{clock}" for clock in clocks}
    return point_in_time_join(
        spine,
        rows.select(*view.join_keys, *clocks, *wanted).rename({**names, **clock_names}),
        on=view.join_keys,
        spine_time=SPINE_TIME,
        event_time=clock_names[event_time],
        known_at=clock_names.get(str(known_at)),
        ttl=view.ttl,
    )


def _window_features(
    spine: pl.LazyFrame, view: FeatureView, rows: pl.LazyFrame, wanted: list[str], names: Mapping[str, str]
) -> pl.LazyFrame:
    windowing = view.windowing
    if windowing is None:
        raise TypeError(f"`{view.name}` is a row view")
    if windowing.accuracy == "exact":
        asked = spine.collect()
        found = window_features(
            asked.select(*view.join_keys, SPINE_TIME),
            rows,
            on=view.join_keys,
            spine_time=SPINE_TIME,
            event_time=str(view.source.event_time),
            known_at=view.source.known_at,
            aggregations=[each for each in windowing.aggregations if set(each.features) & set(wanted)],
        )
        return asked.hstack(found.select(wanted).rename(names).collect()).lazy()
    return published_join(
        spine,
        rows.select(*view.join_keys, AS_OF, *wanted).rename(names),
        on=view.join_keys,
        spine_time=SPINE_TIME,
        every=windowing.cadence.every_us,
        delay=windowing.cadence.delay_us,
        ttl=view.ttl_us,
    )


def _imputed(service: FeatureService, rows: pl.LazyFrame, features: Sequence[str]) -> pl.LazyFrame:
    rules: dict[str, Imputation] = {}
    for feature, rule in service.impute.items():
        if feature not in features:
            raise UnknownName(f"Feature service `{service.name}`", "feature to impute", feature, features)
        rules[feature] = rule
    return impute(rows, rules, time=SPINE_TIME) if rules else rows

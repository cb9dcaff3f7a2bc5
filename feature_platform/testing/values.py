"""The values of a view over literal or made-up frames."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME, join_features, selections_of
from feature_platform.compute.transforms.declared_types import with_arrays
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import as_events, feature_rows, prepare_rows, window_rows
from feature_platform.compute.transforms.unions import unite
from feature_platform.compute.windows import window_features
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.naming import AS_OF
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.declarations.source import Source
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground import cadences, clock
from feature_platform.ground.errors import MissingColumns, UnknownName
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.ground.working_columns import INSTANT, refuse_working_names
from feature_platform.testing.example_rows import END, FIRST, make_up_rows


def values_at(
    view: FeatureView | OnDemandView,
    sources: Mapping[str, pl.DataFrame | pl.LazyFrame],
    spine: AnyFrame,
) -> pl.LazyFrame:
    """Compute what a view, or an on-demand view, says at each spine row, in spine order.

    Args:
        sources: the rows of its source and of what enriches them by name, as they are stored; of an on-demand view
            those of the views that it reads. A frame whose event time is absent, or text, is taken as raw, and the
            source's `prepare` is applied.
        spine: has the join keys, `event_timestamp` and the request fields.

    Returns:
        The spine with the view's features. A windowed view counts as published at every instant of
        its cadence.

    Raises:
        UnknownName: the frame of its source is not given.
        MissingRequestField: the spine lacks a request field.
    """
    require_kind("fp.testing.values_at", view, (FeatureView, OnDemandView), "a feature view or an on-demand view")
    asked = as_polars(spine, "The spine").lazy()
    if isinstance(view, OnDemandView):
        return _on_demand(view, sources, asked)
    events = _view_events(view, sources)
    if view.kind is ViewKind.SNAPSHOT and view.aliased is None:
        return _snapshot(view, events, asked)
    return join_features(selections_of(view), asked, {view.rows_name: _rows_to_join(view, events, asked)})


def example_frame(source_or_view: Source | FeatureView, rows: int = 100, seed: int = 0) -> pl.DataFrame:
    """Make up rows that satisfy the contract of a source or of what a view reads.

    Values follow the types of the prepared columns and these expectations on them: between, in set, null or
    not, (compound) uniqueness, lengths, order, pairs, and bounds of mean, median, minimum and maximum. Others,
    such as regular expressions, may fail. There are no nulls that an expectation does not ask for.
    Event times are distinct, ascending and spread over the 30 days before 2024-01-31 UTC.

    Args:
        rows: of the source; a view's function may return more or fewer.
        seed: the same seed gives the same rows, on every machine.

    Returns:
        Of a source its prepared rows; its connector is asked for the columns, not for values. Of a row view
        its feature rows, of a windowed view the events that it aggregates: what its function makes of the
        example rows of its source.

    Raises:
        InvalidDeclaration: a column cannot have that many different values.
        SourceUnreadable: the connector cannot say which columns there are.
    """
    require_kind("fp.testing.example_frame", source_or_view, (Source, FeatureView), "a source or a feature view")
    if isinstance(source_or_view, Source):
        return make_up_rows(source_or_view, _columns(source_or_view), rows, seed)
    return feature_rows(source_or_view, _example_events(source_or_view, rows, seed)).collect()


def _example_events(view: FeatureView, rows: int, seed: int) -> pl.LazyFrame:
    """Make up the events of a view, each enriched by a row of a made-up table, where that has one for its key."""
    dimensions = {each.asset: _example_table(each.dimension, rows, seed) for each in view.enrichments}
    tables: Sequence[Source | FeatureView] = view.source.members
    members = [make_up_rows_read(view, each, rows, seed + number).lazy() for number, each in enumerate(tables)]
    events = unite(view.source, members)
    return enrich_events(view, events, dimensions)


def make_up_rows_read(view: FeatureView, read: Source | FeatureView, rows: int, seed: int = 0) -> pl.DataFrame:
    """Make up rows of a table that a view reads.

    Lists of its source are as long as the arrays that the view declares for columns of their names.
    """
    if not isinstance(read, Source) or not view.types:
        return _example_rows(read, rows, seed).collect()
    schema = _columns(read)
    arrays = with_arrays(pl.LazyFrame(schema=schema), view.types).collect_schema()
    made_up = make_up_rows(read, arrays, rows, seed)
    return made_up.with_columns(made_up[name].cast(dtype) for name, dtype in schema.items() if arrays[name] != dtype)


def _example_rows(source: Source | FeatureView, rows: int, seed: int) -> pl.LazyFrame:
    table = _example_table(source, rows, seed)
    return as_events(source, table) if is_windowed(source) else table


def _example_table(source: Source | FeatureView, rows: int, seed: int) -> pl.LazyFrame:
    """Make up the table of a source or view; of a windowed one with the default row of each instant."""
    if not is_windowed(source):
        return example_frame(source, rows, seed).lazy()
    events = _example_events(source, rows, seed)
    cadence = source.windows.cadence
    end = cadences.next_instant(END, cadence.every_us, cadence.tz)
    return window_rows(source, events, FIRST, end)


def _columns(source: Source) -> pl.Schema:
    return prepare_rows(source, source.connector.scan(source.name)).collect_schema()


def _snapshot(view: FeatureView, events: pl.LazyFrame, spine: pl.LazyFrame) -> pl.LazyFrame:
    """Compute windows that end, for each spine row, at the newest instant whose values were out by then."""
    cadence = view.windows.cadence
    schema = spine.collect_schema()
    refuse_working_names("The spine", schema)
    asked = clock.utc(schema, SPINE_TIME, "The spine")
    instant = cadences.publication(asked, cadence.every_us, cadence.delay_us, cadence.tz)
    values = window_features(
        spine.with_columns(instant.alias(INSTANT)),
        feature_rows(view, events),
        on=view.join_keys,
        spine_time=INSTANT,
        event_time=str(view.source.event_time),
        known_at=view.event_known_at,
        known_until=view.event_known_until,
        aggregations=view.aggregations,
        derived=view.windows.derived,
        owner=f"Feature view `{view.name}`",
    )
    if view.ttl_us is not None:
        age = asked.to_physical() - pl.col(INSTANT).to_physical()
        values = values.with_columns(pl.when(age <= view.ttl_us).then(pl.col(name)) for name in view.windows.features)
    return values.drop(INSTANT)


def _on_demand(
    view: OnDemandView, sources: Mapping[str, pl.DataFrame | pl.LazyFrame], spine: pl.LazyFrame
) -> pl.LazyFrame:
    service = selections_of(view)
    tables: dict[str, pl.LazyFrame] = {}
    for each in service.views:
        events = _view_events(each, sources)
        rows, name = _rows_to_join(each, events, spine), each.rows_name
        if each.kind is ViewKind.SNAPSHOT and name in tables:  # an alias asks for rows of other keys
            rows = pl.concat([tables[name], rows]).unique(maintain_order=True)  # a join reads it twice, by places
        tables[name] = rows
    return join_features(service, spine, tables)


def _rows_to_join(view: FeatureView, events: pl.LazyFrame, spine: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the table that a view is read from has for a spine."""
    match view.kind:
        case ViewKind.ROW:
            return feature_rows(view.original, events)
        case ViewKind.SNAPSHOT:
            return _published_windows(view, events, spine)
        case ViewKind.EXACT:
            return events
        case _:
            assert_never(view.kind)


def _published_windows(view: FeatureView, events: pl.LazyFrame, spine: pl.LazyFrame) -> pl.LazyFrame:
    """Compute the part of a windowed view's table that a spine asks for: its keys at the instants that were out."""
    cadence, keys = view.windows.cadence, list(view.own_keys.values())
    if missing := [column for column in view.join_keys if column not in spine.collect_schema()]:
        raise MissingColumns("The spine", missing, spine.collect_schema())
    spine = spine.select(*(pl.col(column).alias(key) for column, key in view.own_keys.items()), SPINE_TIME)
    schema = spine.collect_schema()
    asked_at = clock.utc(schema, SPINE_TIME, "The spine")
    instant = cadences.publication(asked_at, cadence.every_us, cadence.delay_us, cadence.tz)
    asked = spine.select(*keys, instant.alias(AS_OF))
    default = asked.with_columns(pl.lit(None, dtype=schema[key]).alias(key) for key in keys)
    return window_features(
        pl.concat([asked, default]).unique(),
        feature_rows(view.original, events),
        on=keys,
        spine_time=AS_OF,
        event_time=str(view.source.event_time),
        known_at=view.event_known_at,
        known_until=view.event_known_until,
        aggregations=view.aggregations,
        derived=view.windows.derived,
        owner=f"Feature view `{view.name}`",
    )


def _view_events(view: FeatureView, sources: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> pl.LazyFrame:
    """Return the events of a view, with what enriches them, as its function gets them."""
    dimensions = {each.asset: _table(each.dimension, sources) for each in view.enrichments}
    return enrich_events(view, _events(view.source, sources), dimensions)


def _events(source: Source | Union | FeatureView, sources: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> pl.LazyFrame:
    """Return the rows of frames as a view reads them; of a windowed view those of keys."""
    rows = unite(source, [_table(each, sources) for each in source.members])
    return as_events(source, rows) if is_windowed(source) else rows


def _table(source: Source | FeatureView, sources: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> pl.LazyFrame:
    """Return the rows of a frame as a table has them; of a windowed view with its default rows."""
    if source.name not in sources:
        raise UnknownName("The frames given to `values_at`", "source", source.name, sources)
    frame = sources[source.name].lazy()
    if isinstance(source, Source):
        dtype = frame.collect_schema().get(source.event_time or "", pl.String())
        raw = source.prepare is not None and source.event_time is not None and dtype == pl.String
        rows = prepare_rows(source, frame) if raw else _with_utc_clocks(source, frame)
        refuse_working_names(f"The frame of source `{source.name}`", rows.collect_schema())
        return rows
    return frame if is_windowed(source) else as_events(source, frame)


def _with_utc_clocks(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    schema = frame.collect_schema()
    owner = f"The frame of source `{source.name}`"
    columns = dict.fromkeys(name for name in (source.event_time, source.known_at) if name)
    return frame.with_columns(clock.utc(schema, name, owner) for name in columns)

"""The rows that a declaration makes: prepared events, feature rows, outcomes.

Pure functions over frames; user code runs here, and its mistakes become one clear error.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_platform.compute.transforms.declared_types import declared_features, read_features
from feature_platform.compute.transforms.version_rows import rows_of_versions
from feature_platform.compute.windows import published_windows
from feature_platform.declarations.about import require_described_features
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import AS_OF, KNOWN_AT
from feature_platform.declarations.project import Asset
from feature_platform.declarations.source import Source, Transform
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import UTC, near_interval, shift_times, utc
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, TransformFailed, join_names
from feature_platform.ground.working_columns import PARTITION, PREFIX, refuse_working_names


def prepare_rows(
    source: Source, raw: pl.LazyFrame, *, between: tuple[datetime, datetime] | None = None
) -> pl.LazyFrame:
    """Return the rows of a source: `prepare` applied and its clocks in UTC microseconds.

    Args:
        between: the range of event times, without its end, to which rows are limited. Defaults to all. Event times are
            first compared as they are stored, in their own unit and zone, so that the filter reaches the files.

    Raises:
        TransformFailed: `prepare` names a column that is not there, or does not return a frame.
        MissingColumns: a declared clock is not there.
        NotUtc: a clock has no time zone.
    """
    owner = f"Source `{source.name}`"
    rows = raw if source.prepare is None else apply_function(source.prepare, raw, owner, "prepare")
    if between is None or source.event_time is None:
        return _with_clocks(rows, (source.event_time, source.known_at), owner)
    near = near_interval(rows.collect_schema(), source.event_time, *between)
    rows = _with_clocks(rows if near is None else rows.filter(near), (source.event_time, source.known_at), owner)
    return rows.filter(pl.col(source.event_time).is_between(*between, closed="left"))


def feature_rows(view: FeatureView, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of a row view, or the events that a windowed view aggregates.

    A row view has one row for a key and instant: of rows that differ in nothing but values only the
    last could ever be seen, so only that one is kept. Where events have versions it has one for each of them.

    Raises:
        TransformFailed: the view's function fails.
        MissingColumns: it dropped a join key or a clock.
    """
    rows = every_feature_row(view, events)
    if is_windowed(view):
        return rows
    if view.has_versions:
        rows = rows_of_versions(view, rows)
    needed = [*view.join_keys, *(clock for clock in view.event_clocks if clock != view.event_known_until)]
    return rows.unique(needed, keep="last", maintain_order=True) if needed else rows.tail(1)


def every_feature_row(view: FeatureView, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of `feature_rows`, and those that another one of the same key and instant replaces."""
    rows = declared_features(view, transform_rows(view, events))
    _require(rows, view.join_keys, f"Feature view `{view.name}`")
    _check_columns(view, rows.collect_schema())
    return rows


def single_feature_row(view: FeatureView, event: pl.DataFrame) -> pl.DataFrame | None:
    """Return what `feature_rows` makes of one row, where it has nothing to convert and nothing to leave out.

    To plan that it has not costs more than the row.

    Returns:
        None where `feature_rows` has to do it, such as to raise why the view's function fails.
    """
    given = event.lazy()
    try:
        result = view.transform(given)
        rows = event if result is given else _collect(result)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    clocks = view.event_clocks
    if rows is None or rows.height > 1 or any(rows.schema.get(clock) != UTC for clock in clocks):
        return None
    if not set(view.join_keys) <= set(rows.schema) or any(name.startswith(PREFIX) for name in rows.columns):
        return None
    _check_columns(view, rows.schema)
    if any(rows.schema.get(name) != dtype for name, dtype in view.types.items()):
        return None
    return rows


def _collect(result: object) -> pl.DataFrame | None:
    return result.lazy().collect() if isinstance(result, (pl.LazyFrame, pl.DataFrame)) else None


def _check_columns(view: FeatureView, schema: pl.Schema) -> None:
    """Refuse rows without what the windows of a view aggregate, and those of a row view without a feature."""
    owner = f"Feature view `{view.name}`"
    if is_windowed(view):
        _check_inputs(view, schema, owner)
        return
    needed = [*view.join_keys, *view.event_clocks]
    require_described_features(owner, view.about, [name for name in schema if name not in (*needed, PARTITION)])
    if set(schema) <= {*needed, PARTITION}:
        raise InvalidDeclaration(
            owner,
            f"has no features: its function returns only {join_names(needed)}",
            "Return a column besides join keys and clocks.",
        )


def transform_rows(asset: FeatureView | Label, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the function of a view or label makes of rows, its clocks in UTC microseconds.

    Raises:
        TransformFailed: the function fails.
        MissingColumns: it dropped a clock.
        WrongColumnName: it made a column with the name of one that the platform adds.
    """
    owner = f"{'Label' if isinstance(asset, Label) else 'Feature view'} `{asset.name}`"
    rows = apply_function(asset.transform, events, owner, "its function")
    added = [name for name in rows.collect_schema() if name.startswith(PREFIX)]
    if added:
        refuse_working_names(f"Table `{asset.asset}`", added, known=events.collect_schema())
    clocks = (asset.source.event_time, asset.known_at) if isinstance(asset, Label) else asset.event_clocks
    return _with_clocks(rows, clocks, owner)


def window_rows(view: FeatureView, events: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the rows of a windowed view for the instants `a` of its cadence with `start < a <= end`.

    Args:
        events: rows of its source that cover `[start - longest window, end)`.
    """
    return make_windows(view, feature_rows(view, events), start, end)


def select_window_inputs(view: FeatureView, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the windows of a view are made from: of `feature_rows` the keys, clocks and aggregated columns."""
    aggregated = (name for aggregation in view.aggregations for name in aggregation.reads)
    return feature_rows(view, events).select(list(dict.fromkeys([*view.join_keys, *view.event_clocks, *aggregated])))


def make_windows(view: FeatureView, rows: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the same as `window_rows`, from what `feature_rows` or `select_window_inputs` makes of the events."""
    return published_windows(
        rows,
        on=view.join_keys,
        event_time=str(view.source.event_time),
        known_at=view.event_known_at,
        known_until=view.event_known_until,
        aggregations=view.aggregations,
        derived=view.windows.derived,
        every=view.windows.cadence.every_us,
        tz=view.windows.cadence.tz,
        start=start,
        end=end,
        owner=f"Feature view `{view.name}`",
    )


def outcome_rows(label: Label, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of a label: join keys, event time, known-at and outcomes.

    Raises:
        TransformFailed: the label's function fails.
        MissingColumns: it dropped a join key or a clock.
    """
    rows = transform_rows(label, events)
    _require(rows, label.join_keys, f"Label `{label.name}`")
    return rows


def table_rows(asset: FeatureView | Label, events: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the rows of the table of a view or label, from events of its source.

    Args:
        start, end: the span of the instants of a windowed view, as in `window_rows`; others have a row for each event.
    """
    if isinstance(asset, Label):
        return outcome_rows(asset, events)
    return window_rows(asset, events, start, end) if is_windowed(asset) else feature_rows(asset, events)


def feature_names(view: FeatureView, schema: pl.Schema) -> tuple[str, ...]:
    """Return the features among the columns of a view's table."""
    if view.declared_features is not None:
        return view.declared_features
    taken = {*view.own_keys.values(), view.event_time, view.known_at}
    return tuple(name for name in schema if name not in taken)


def watched_columns(asset: Asset, schema: pl.Schema) -> tuple[str, ...]:
    """Return the columns of a table to watch: features, outcomes, and all of a source but its clocks."""
    if isinstance(asset, FeatureView):
        return feature_names(asset, schema)
    if isinstance(asset, TrainingSet):
        return tuple(schema)
    keys = asset.join_keys if isinstance(asset, (Label, Spine)) else ()
    return tuple(name for name in schema if name not in {*keys, asset.event_time, asset.known_at})


def drop_default_rows(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the rows of a view's table that have a key: without the default row of each instant."""
    if not is_windowed(view) or not view.join_keys:
        return rows
    return rows.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in view.join_keys))


def apply_function(function: Transform, frame: pl.LazyFrame, owner: str, role: str) -> pl.LazyFrame:
    """Apply a user's function to a frame; the schema of the result is resolved, so that mistakes show here.

    Raises:
        TransformFailed: Polars refuses what it asks for, or it returns no frame.
    """
    try:
        result = function(frame)
        if not isinstance(result, (pl.LazyFrame, pl.DataFrame)):
            raise TransformFailed(owner, role, f"returned {type(result).__name__}", "Return a Polars LazyFrame.")
        lazy = result.lazy()
        lazy.collect_schema()
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise TransformFailed(
            owner,
            role,
            f"failed with {type(error).__name__}: {reason}",
            f"It was given: {', '.join(frame.collect_schema())}.",
        ) from error
    return lazy


def _with_clocks(rows: pl.LazyFrame, clocks: Sequence[str | None], owner: str) -> pl.LazyFrame:
    schema = rows.collect_schema()
    return rows.with_columns(utc(schema, clock, owner) for clock in dict.fromkeys(clocks) if clock)


def _require(rows: pl.LazyFrame, columns: Sequence[str], owner: str) -> None:
    schema = rows.collect_schema()
    missing = [name for name in columns if name not in schema]
    if missing:
        raise MissingColumns(owner, missing, schema)


def _check_inputs(view: FeatureView, schema: pl.Schema, owner: str) -> None:
    for aggregation in view.aggregations:
        missing = [name for name in aggregation.reads if name not in schema]
        if missing:
            raise MissingColumns(f"{owner}, {aggregation!r}", missing, schema)
        aggregation.check(schema, owner)


def as_events(source: Source | Union | FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of a table as a view reads them; of a windowed view those of keys, with their known-at time."""
    if not is_windowed(source):
        return read_features(source, rows) if isinstance(source, FeatureView) else rows
    published = drop_default_rows(source, rows)
    return published.with_columns(shift_times(AS_OF, source.windows.cadence.delay_us).alias(KNOWN_AT))


def rows_read(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the values of a view are read from, of the rows of `view.read_from`: for an exact view its events."""
    return feature_rows(view.original, as_events(view.source, rows)) if view.kind is ViewKind.EXACT else rows

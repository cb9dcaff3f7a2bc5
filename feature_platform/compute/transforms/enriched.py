"""Enriched events: each with the newest row of its key, in another table, at the event's own time.

A row at the time of the event is seen by it. Of rows of one key and time the last known counts, then the last in input
order. A null value of the newest row stays null, and an event without a key, without a time or without a row has nulls.
Of a windowed view it sees the newest instant, and the values of an empty window where its key has no row.
Where rows may be known later than they hold, an event has several versions (`versions.py`).
"""

from collections.abc import Mapping
from functools import cache

import polars as pl

from feature_platform.compute.keys.join_keys import key_names, key_parts, none_is_null, require_columns, shared_types
from feature_platform.compute.transforms.stretches import instants_of
from feature_platform.compute.transforms.unions import rows_of_read
from feature_platform.compute.transforms.versions import versions_of_events
from feature_platform.compute.windows.timeline import NEVER
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.naming import AS_OF, KNOWN_AT
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC, shift_times, ticks, utc
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.working_columns import (
    DEFAULT_ROW,
    EVENT_PLACE,
    EVENT_TICKS,
    HAS_ROW,
    INSTANT,
    KNOWN_TICKS,
    TICKS,
    VERSION_FROM,
    VERSION_PLACE,
    VERSION_UNTIL,
)

_ALWAYS = 0  # the time of facts without a date, and of the events that look at them


def enrich_events(view: FeatureView, events: pl.LazyFrame, dimensions: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return rows of a view's source with the columns that the view takes of other tables, in their order.

    Args:
        dimensions: the rows of each of these tables by name.

    Returns:
        One row for each event; where rows of the tables have a known-at clock one for each version, side by side, with
        the clocks `view.event_known_at` and `view.event_known_until`.

    Raises:
        MissingColumns: an event lacks a key, or a table a column that is taken.
        WrongColumnType: a key has types that do not meet.
        InvalidDeclaration: the source has a column with the name of one that is added.
    """
    if not view.enrichments:
        return events
    owner = f"Feature view `{view.name}`"
    _refuse_taken(view, events.collect_schema(), owner)
    ordered = _in_order_of_time(view, events, owner)
    for each in view.enrichments:
        join = _join_rows if each.cadence is None else _join_instants
        ordered = join(ordered, dimensions[each.asset], each, owner)
    enriched = ordered.sort(EVENT_PLACE, maintain_order=True)
    if view.has_versions:
        until = pl.when(pl.col(VERSION_UNTIL) != NEVER).then(VERSION_UNTIL).cast(UTC)
        clocks = {str(view.event_known_at): pl.col(VERSION_FROM).cast(UTC), str(view.event_known_until): until}
        enriched = enriched.with_columns(**clocks).drop(VERSION_FROM, VERSION_UNTIL)
    return enriched.drop(EVENT_PLACE, EVENT_TICKS)


def enriched_schema(view: FeatureView, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Return the columns of enriched events, from those of the tables that they are made from, by name."""
    no_rows = {name: pl.LazyFrame(schema=schema) for name, schema in schemas.items()}
    return enrich_events(view, rows_of_read(view.source, no_rows), no_rows).collect_schema()


def hold_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the same rows, read once when they are first used and then kept in memory as long as the frame is."""

    @cache
    def read_once() -> pl.DataFrame:
        return rows.collect()

    return pl.defer(read_once, schema=rows.collect_schema())


def _refuse_taken(view: FeatureView, schema: pl.Schema, owner: str) -> None:
    """Refuse columns of a source with the name of one that is added, or of a clock of versions."""
    added = {name: f"`{each.asset}`" for each in view.enrichments for name in each.columns}
    if view.has_versions:
        own = view.source.known_at
        clocks = (name for name in (view.event_known_at, view.event_known_until) if name and name != own)
        added |= dict.fromkeys(clocks, "the versions of its events")
    for name, other in added.items():
        if name in schema:
            remedy = 'Select fewer columns, or `.alias("other", keys={...})`; or rename it in `prepare` of the source.'
            raise InvalidDeclaration(owner, f"gets `{name}` from both its source and {other}", remedy)


def _in_order_of_time(view: FeatureView, events: pl.LazyFrame, owner: str) -> pl.LazyFrame:
    """Return events in order of time, with their places and times, and from when on they count where that matters."""
    schema, time, known_at = events.collect_schema(), view.source.event_time, view.source.known_at
    at = pl.lit(_ALWAYS, pl.Int64) if time is None else ticks(schema, time, owner)
    numbered = events.with_row_index(EVENT_PLACE).with_columns(at.alias(EVENT_TICKS))
    if view.has_versions:
        known = pl.col(EVENT_TICKS)
        if known_at is not None:
            clock = ticks(schema, known_at, owner)
            known = pl.when(clock.is_not_null() & known.is_not_null()).then(pl.max_horizontal(known, clock))
        numbered = numbered.with_columns(known.alias(VERSION_FROM), pl.lit(NEVER, pl.Int64).alias(VERSION_UNTIL))
    return numbered.sort(EVENT_TICKS, nulls_last=False, maintain_order=True)


def _join_rows(events: pl.LazyFrame, dimension: pl.LazyFrame, by: Enrichment, owner: str) -> pl.LazyFrame:
    """Join events in order of time with the newest row of their key up to it."""
    types, rows = _rows_of(events, dimension, by, owner)
    return _join_newest(events, rows.filter(none_is_null(key_names(list(types)))), types, by)


def _join_newest(
    events: pl.LazyFrame, rows: pl.LazyFrame, types: Mapping[str, pl.DataType], by: Enrichment
) -> pl.LazyFrame:
    join = _join_on_time if by.known_at is None else _join_versions
    return join(events, rows, types, by)


def _join_on_time(
    events: pl.LazyFrame, rows: pl.LazyFrame, types: Mapping[str, pl.DataType], by: Enrichment
) -> pl.LazyFrame:
    """Join events in order of time with the newest row of their key up to it; facts without a date hold always."""
    always, keys = pl.lit(_ALWAYS, pl.Int64), key_names(list(types))
    at = always if by.event_time is None else pl.col(EVENT_TICKS)
    asked = events.with_columns(*key_parts(types), at.alias(TICKS))
    ordered = rows.sort(TICKS, maintain_order=True)
    joined = asked.join_asof(ordered, on=TICKS, by=keys, tolerance=by.ttl_us, check_sortedness=False)
    return joined.drop(*keys, TICKS)


def _join_versions(
    events: pl.LazyFrame, rows: pl.LazyFrame, types: Mapping[str, pl.DataType], by: Enrichment
) -> pl.LazyFrame:
    """Join events with the newest known row of their key up to their time, one row for each version."""
    keys, clocks = key_names(list(types)), (EVENT_TICKS, VERSION_FROM, VERSION_UNTIL)
    found_by = (*keys, TICKS, KNOWN_TICKS)
    added = {name: dtype for name, dtype in rows.collect_schema().items() if name not in found_by}
    schema = {VERSION_PLACE: pl.get_index_type(), VERSION_FROM: pl.Int64(), VERSION_UNTIL: pl.Int64(), **added}

    def find_versions(asked: pl.DataFrame) -> pl.DataFrame:
        known = rows.collect()
        found = versions_of_events(asked, known, keys, by.ttl_us)
        place = pl.Series(found.rows).set(pl.Series(found.rows < 0), None)
        there = asked[VERSION_FROM][found.events].is_not_null()
        since = pl.Series(found.since).set(~there, None)
        clocks = {VERSION_PLACE: pl.Series(found.events), VERSION_FROM: since, VERSION_UNTIL: pl.Series(found.until)}
        return pl.DataFrame(clocks).hstack(known.select(pl.col(list(added)).gather(place))).cast(pl.Schema(schema))

    numbered = events.with_row_index(VERSION_PLACE)
    versions = numbered.select(*key_parts(types), *clocks).map_batches(find_versions, schema=schema)
    plain = numbered.drop(VERSION_FROM, VERSION_UNTIL)
    return plain.join(versions, on=VERSION_PLACE, how="inner", maintain_order="right").drop(VERSION_PLACE)


def _join_instants(events: pl.LazyFrame, dimension: pl.LazyFrame, by: Enrichment, owner: str) -> pl.LazyFrame:
    """Join events with the values of their key at the newest instant up to their time, as a snapshot join does.

    An instant is there when it has its default row, which counts where the key has no row at that instant. Of the rows
    of keys only those of instants that events see are read.
    """
    types, rows = _rows_of(events, dimension, by, owner)
    keys, clocks = key_names(list(types)), [TICKS] if by.known_at is None else [TICKS, KNOWN_TICKS]
    published = rows.filter(_is_default(keys)).unique(TICKS, keep="last", maintain_order=True)
    asked = _join_newest(events, published.select(*clocks, pl.col(TICKS).alias(INSTANT)), {}, by)
    numbered = asked.with_row_index(VERSION_PLACE)
    added = {name: dtype for name, dtype in rows.collect_schema().items() if name in by.columns}
    instant = utc(dimension.collect_schema(), AS_OF, owner)

    def find_values(asking: pl.DataFrame) -> pl.DataFrame:
        first, last = (pl.lit(end, pl.Int64).cast(UTC) for end in (asking[INSTANT].min(), asking[INSTANT].max()))
        _, few = _rows_of(events, dimension.filter(instant.is_between(first, last)), by, owner)
        return _values_at_instants(asking, few.rename({TICKS: INSTANT}).collect(), keys, list(added))

    schema = {VERSION_PLACE: pl.get_index_type(), **added}
    values = numbered.select(VERSION_PLACE, INSTANT, *key_parts(types)).map_batches(find_values, schema=schema)
    return numbered.join(values, on=VERSION_PLACE, how="left", maintain_order="left").drop(VERSION_PLACE, INSTANT)


def _values_at_instants(asking: pl.DataFrame, rows: pl.DataFrame, keys: list[str], added: list[str]) -> pl.DataFrame:
    """Return the place of each event and the values of its key at its instant, which is null where there is none."""
    of_key = [*keys, INSTANT]
    own = rows.filter(none_is_null(keys)).unique(of_key, keep="last", maintain_order=True)
    default = rows.filter(_is_default(keys)).unique(INSTANT, keep="last", maintain_order=True)
    found = asking.join(
        own.select(*of_key, *added, pl.lit(value=True).alias(HAS_ROW)), on=of_key, how="left", maintain_order="left"
    )
    found = found.join(
        default.select(INSTANT, pl.col(added).name.suffix(DEFAULT_ROW)), on=INSTANT, how="left", maintain_order="left"
    )
    otherwise = {name: pl.when(none_is_null(keys)).then(f"{name}{DEFAULT_ROW}") for name in added}
    values = (pl.when(HAS_ROW).then(name).otherwise(default).alias(name) for name, default in otherwise.items())
    return found.select(VERSION_PLACE, *values)


def _is_default(keys: list[str]) -> pl.Expr:
    """Tell whether a published row is the default row of its instant, which has no key."""
    return pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in keys))


def _rows_of(
    events: pl.LazyFrame, dimension: pl.LazyFrame, by: Enrichment, owner: str
) -> tuple[dict[str, pl.DataType], pl.LazyFrame]:
    """Return the types of the key, and the rows of a table at which events may look: key, clocks, what is added."""
    role = f"{owner}, enriched by `{by.asset}`"
    left, right = events.collect_schema(), dimension.collect_schema()
    require_columns(right, by.reads, f"{role}: that table")
    types = shared_types(left, right, list(by.on), role, by.on)
    clocks = {TICKS: pl.lit(_ALWAYS, pl.Int64) if by.event_time is None else ticks(right, by.event_time, role)}
    if by.cadence is not None:
        out = shift_times(utc(right, AS_OF, role), by.cadence.delay_us)
        dimension = instants_of(dimension, by.cadence, role).with_columns(out.alias(KNOWN_AT))
        right = dimension.collect_schema()
    if by.known_at is not None:
        clocks[KNOWN_TICKS] = ticks(right, by.known_at, role)
    added = [pl.col(column).alias(name) for name, column in by.columns.items()]
    rows = dimension.select(*key_parts(types, by.on), *added, **clocks)
    return types, rows.filter(none_is_null(clocks))

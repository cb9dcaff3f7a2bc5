"""Enriched events: each with the newest row of its key, in another table, at the event's own time.

A row at the time of the event is seen by it. Of rows of one key and time the last in input order counts. A null value
of the newest row stays null, and an event without a key, without a time or without a row has nulls.
"""

from collections.abc import Mapping
from functools import cache

import polars as pl

from feature_platform.compute.keys.join_keys import key_names, key_parts, none_is_null, require_columns, shared_types
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import ticks
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.working_columns import EVENT_PLACE, EVENT_TICKS, TICKS

_ALWAYS = 0  # the time of facts without a date, and of the events that look at them


def enrich_events(view: FeatureView, events: pl.LazyFrame, dimensions: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return rows of a view's source with the columns that the view takes of other tables, in their order.

    Args:
        dimensions: the rows of each of these tables by name.

    Raises:
        MissingColumns: an event lacks a key, or a table a column that is taken.
        WrongColumnType: a key has types that do not meet.
        InvalidDeclaration: the source has a column with the name of one that is added.
    """
    if not view.enrichments:
        return events
    time, owner = view.source.event_time, f"Feature view `{view.name}`"
    at = pl.lit(_ALWAYS, pl.Int64) if time is None else ticks(events.collect_schema(), time, owner)
    ordered = events.with_row_index(EVENT_PLACE).with_columns(at.alias(EVENT_TICKS))
    ordered = ordered.sort(EVENT_TICKS, nulls_last=False, maintain_order=True)
    for each in view.enrichments:
        ordered = _join(ordered, dimensions[each.asset], each, owner)
    return ordered.sort(EVENT_PLACE).drop(EVENT_PLACE, EVENT_TICKS)


def enriched_schema(view: FeatureView, schemas: Mapping[str, pl.Schema]) -> pl.Schema:
    """Return the columns of enriched events, from those of the tables that they are made from, by name."""
    no_rows = {name: pl.LazyFrame(schema=schema) for name, schema in schemas.items()}
    return enrich_events(view, no_rows[view.source.asset], no_rows).collect_schema()


def hold_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the same rows, read once when they are first used and then kept in memory as long as the frame is."""

    @cache
    def read_once() -> pl.DataFrame:
        return rows.collect()

    return pl.defer(read_once, schema=rows.collect_schema())


def _join(events: pl.LazyFrame, dimension: pl.LazyFrame, by: Enrichment, owner: str) -> pl.LazyFrame:
    """Join events in order of time with the newest row of their key up to it; facts without a date hold always."""
    role = f"{owner}, enriched by `{by.asset}`"
    left, right = events.collect_schema(), dimension.collect_schema()
    require_columns(right, by.reads, f"{role}: that table")
    types = shared_types(left, right, list(by.on), role, by.on)
    if taken := [name for name in by.columns if name in left]:
        raise InvalidDeclaration(
            owner,
            f"gets `{taken[0]}` from both its source and `{by.asset}`",
            'Select fewer columns, or `.alias("other", keys={...})`.',
        )
    keys = key_names(list(types))
    dated = by.event_time is not None
    always = pl.lit(_ALWAYS, pl.Int64)
    since = ticks(right, by.event_time, role) if by.event_time is not None else always
    added = [pl.col(column).alias(name) for name, column in by.columns.items()]
    rows = dimension.select(*key_parts(types, by.on), since.alias(TICKS), *added)
    rows = rows.filter(none_is_null([*keys, TICKS])).sort(TICKS, maintain_order=True)
    asked = events.with_columns(*key_parts(types), (pl.col(EVENT_TICKS) if dated else always).alias(TICKS))
    joined = asked.join_asof(rows, on=TICKS, by=keys, tolerance=by.ttl_us, check_sortedness=False)
    return joined.drop(*keys, TICKS)

"""The rows of other tables that events see: each enriched event says which row it found, and whether there was one."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.lineage import columns_read
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.working_columns import SEEN, SEEN_CLOCK
from feature_platform.verification.tracing.commits import ReadTables


def enrich_and_note(read: ReadTables, events: pl.LazyFrame) -> pl.LazyFrame:
    """Return enriched events that say, besides, which row of each table they see; see `rows_seen`."""
    noting = (_note(each, number) for number, each in enumerate(read.view.enrichments))
    rows = {name: each.with_columns(pl.lit(value=True).alias(SEEN)) for name, each in read.dimensions.items()}
    return enrich_events(replace(read.view, enrichments=tuple(noting)), events, rows)


def without_notes(events: pl.DataFrame) -> pl.DataFrame:
    """Return events without what `enrich_and_note` noted."""
    return events.drop(name for name in events.columns if name.startswith((SEEN, SEEN_CLOCK)))


def has_notes(view: FeatureView, events: pl.DataFrame) -> bool:
    """Tell whether events still have what was noted: a function may have left it out."""
    return all(f"{SEEN}{number}" in events.columns for number in range(len(view.enrichments)))


def rows_seen(view: FeatureView, events: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    """Return by table the rows that some events see, each once: keys, clocks, and what is taken of it."""
    found: dict[str, list[pl.DataFrame]] = {}
    for number, each in enumerate(view.enrichments):
        clocks = (clock for clock in (each.event_time, each.known_at) if clock is not None)
        columns = {own: pl.col(mine) for mine, own in each.on.items() if mine in events.columns}
        columns |= {clock: pl.col(f"{SEEN_CLOCK}{number}_{clock}") for clock in clocks}
        columns |= {own: pl.col(name) for name, own in each.columns.items() if name in events.columns}
        seen = events.filter(pl.col(f"{SEEN}{number}")).select(**columns)
        found.setdefault(each.asset, []).append(seen.unique(maintain_order=True))
    return {table: pl.concat(rows, how="diagonal_relaxed").unique(maintain_order=True) for table, rows in found.items()}


def tables_without_a_row(read: ReadTables, events: pl.DataFrame, column: str) -> list[str]:
    """Return the tables behind a column of events in which none of these events finds a row.

    Args:
        events: with their notes; those in which the column is null.
    """
    view = read.view
    behind = _enrichments_behind(read, column)
    return [
        view.enrichments[number].asset
        for number in behind
        if events.height and not events[f"{SEEN}{number}"].fill_null(value=False).any()
    ]


def _note(by: Enrichment, number: int) -> Enrichment:
    clocks = (clock for clock in (by.event_time, by.known_at) if clock is not None)
    notes = {f"{SEEN}{number}": SEEN, **{f"{SEEN_CLOCK}{number}_{clock}": clock for clock in clocks}}
    return replace(by, columns={**by.columns, **notes})


def _enrichments_behind(tables: ReadTables, column: str) -> list[int]:
    """Return the places of the enrichments that a column is made from, those that only decide which rows stay aside."""
    view = tables.view
    schemas = {name: rows.collect_schema() for name, rows in tables.dimensions.items()}
    no_rows = {name: pl.LazyFrame(schema=schema) for name, schema in schemas.items()}
    given = enrich_events(view, tables.read_all().clear(), no_rows).collect_schema()
    behind = columns_read(view.transform, given)
    kept = [set(behind[name]) for name in (*view.join_keys, *view.event_clocks) if name in behind]
    read = set(behind.get(column, ()))
    own = read - set().union(*kept) | read & {column}
    return [number for number, each in enumerate(view.enrichments) if own & set(each.columns)]

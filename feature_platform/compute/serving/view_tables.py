"""A view as a served table: its columns, and how its rows become keys and entries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

import polars as pl

from feature_platform.compute.serving.entries import entries_of
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.parts import WHOLE_HISTORY, ServedPart
from feature_platform.compute.serving.tables import Instant, ServedTable
from feature_platform.compute.serving.tiles import tile_length, tiles_of
from feature_platform.compute.transforms.rows import feature_names
from feature_platform.compute.transforms.unions import PLACE_DIGITS, places_of_members
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.naming import AS_OF
from feature_platform.declarations.view import FeatureView
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.cadences import publication
from feature_platform.ground.clock import EPOCH, rfc3339, shift_moment, shift_times
from feature_platform.ground.sortable_moments import sortable
from feature_platform.ground.working_columns import ENTRY, KEY, KEYLESS_ROW, MEMBER


def served_code(view: FeatureView) -> str:
    """Return the version of what makes a view's entries: its code, and the clocks that order them.

    Another known-at clock makes other entries of the same stored rows.
    """
    return _served_code(view, code_of(view).version)


def former_served_code(view: FeatureView) -> str:
    """Return what `served_code` was before the code behind a view's own function was followed."""
    return _served_code(view, code_of(view).declared)


def table_of(view: FeatureView, schema: pl.Schema, *, versions: Mapping[str, int], now: datetime) -> ServedTable:
    """Return the table of a view whose rows have a schema: its own, for an exact view that of its events."""
    shape = shape_of(view, schema)
    return replace(shape, versions=versions, code_version=served_code(view), published_at=rfc3339(now))


def shape_of(view: FeatureView, schema: pl.Schema) -> ServedTable:
    """Return the kind, keys, features and tiles of a view's table, and nothing of where its rows are from."""
    is_exact = view.kind is ViewKind.EXACT
    features = event_columns(view, schema) if is_exact else feature_names(view, schema)
    is_history = isinstance(view, ServedPart) and view.is_history
    return ServedTable(
        view.name,
        view.kind,
        {key: schema[key] for key in view.join_keys},
        {name: schema[name] for name in features},
        tile=0 if not is_exact else WHOLE_HISTORY if is_history else tile_length(view.reach_us),
        histories=view.histories if isinstance(view, ServedPart) else {},
    )


def event_columns(view: FeatureView, schema: pl.Schema) -> tuple[str, ...]:
    """Return what the tiles of an exact view hold of an event: its clocks, what the windows aggregate, its member.

    Of a part of an enriched view they hold what it keeps.
    """
    read = view.kept if isinstance(view, ServedPart) else [name for each in view.aggregations for name in each.reads]
    inputs = [name for name in (*read, MEMBER) if name in schema]
    return tuple(dict.fromkeys([*view.event_clocks, *inputs]))


def served_entries(
    view: FeatureView,
    table: ServedTable,
    rows: pl.DataFrame,
    now: datetime,
    *,
    pushed: bool = False,
    tag: str | None = None,
) -> pl.DataFrame:
    """Return the entries of rows of a view, or tiles of events: `fp_key` and `fp_entry`, sorted by key.

    Args:
        tag: the column with the push of each row of a row view, where they are of several.
    """
    key = key_expr(table.keys)
    features = pl.Schema(table.features)
    match table.kind:
        case ViewKind.ROW:
            event, known_at = view.event_time, view.known_at
            if tag is None and not pushed and (places := places_of_members(view, rows.schema)) is not None:
                tag, text = MEMBER, places.cast(pl.String).str.zfill(PLACE_DIGITS).fill_null("")
                rows = rows.with_columns(text.alias(MEMBER))
            return entries_of(
                rows,
                key,
                features,
                event=None if event is None else pl.col(event),
                known=None if known_at is None else pl.col(known_at),
                now=now,
                pushed=pushed,
                tag=tag,
            )
        case ViewKind.SNAPSHOT:
            known = shift_times(AS_OF, view.windows.cadence.delay_us)
            return entries_of(rows, key, features, event=pl.col(AS_OF), known=known, now=now, pushed=pushed)
        case ViewKind.EXACT:
            return tiles_of(rows, key, table.features, str(view.source.event_time), table.tile)
        case _:
            assert_never(table.kind)


def _served_code(view: FeatureView, version: str) -> str:
    return f"{version} {view.source.event_time} {view.source.known_at}"


def servable_instants(view: FeatureView, table: ServedTable, rows: pl.DataFrame, now: datetime) -> Sequence[Instant]:
    """Return the instants of a snapshot view that can be asked for from a moment on, newest first.

    Args:
        rows: the default rows; of a global view all rows.
    """
    cadence = view.windows.cadence
    of_cadence = rows.filter(pl.col(AS_OF) == publication(pl.col(AS_OF), cadence.every_us, tz=cadence.tz))
    defaults = of_cadence.unique(AS_OF, keep="last").sort(AS_OF, descending=True)
    moment = sortable(now).decode()
    texts = _row_texts(view, table, defaults)
    instants: list[Instant] = []
    for as_of, text in zip(defaults[AS_OF], texts, strict=True):
        out = sortable(shift_moment(as_of, cadence.delay_us)).decode()
        instants.append(Instant(sortable(as_of).decode(), out, text if view.join_keys else None))
        if out <= moment:
            break
    return instants


def _row_texts(view: FeatureView, table: ServedTable, rows: pl.DataFrame) -> Sequence[str]:
    """Return each row as `entries` writes it."""
    numbered = rows.with_row_index(KEYLESS_ROW)
    entries = entries_of(
        numbered,
        pl.col(KEYLESS_ROW).cast(pl.String).str.zfill(20).cast(pl.Binary).alias(KEY),
        pl.Schema(table.features),
        event=pl.col(AS_OF),
        known=shift_times(AS_OF, view.windows.cadence.delay_us),
        now=EPOCH,
    )
    return [entry.decode() for entry in entries[ENTRY].to_list()]

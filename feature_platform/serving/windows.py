"""Exact windows at the moment of a request, by the same kernel that computes them offline."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from feature_platform.clock import UTC, rfc3339
from feature_platform.compute.served.entries import ENTRY
from feature_platform.compute.served.found import Found
from feature_platform.compute.served.tables import ServedTable
from feature_platform.compute.served.tiles import ENTITY, TAG, event_count, events_of, tile_keys
from feature_platform.compute.served.values import row_text
from feature_platform.compute.windows import window_features
from feature_platform.declarations.view import FeatureView
from feature_platform.errors import SumTooLarge, TooMuchWork
from feature_platform.online.base import Reader
from feature_platform.sortable_moments import sortable

_NOW = "fp_now"


def found_windows(
    view: FeatureView,
    table: ServedTable,
    keys: Sequence[bytes | None],
    reader: Reader,
    now: datetime,
    *,
    most: int | None = None,
    rows: Sequence[int] | None = None,
) -> tuple[ServedTable, Found]:
    """The windows of an exact view that end at a moment, for each key; a key that is null has none.

    Args:
        most: how many events may be read for it; any number when not said.
        rows: the row of the request that each key is of, for errors; the place of the key when not said.

    Returns:
        With the table that the tiles are of: where that is another one, they have to be asked for again.

    Raises:
        TooMuchWork: there are more events; nothing was computed.
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
    """
    if view.windowing is None:
        raise TypeError(f"`{view.name}` is a row view")
    longest = view.windowing.longest_us
    asked = [tile for key in keys if key is not None for tile in tile_keys(key, now, longest, table.tile)]
    seen, found = reader.get(view.name, asked)
    if seen is not table:
        return seen, Found([])
    entities = [number for number, key in enumerate(keys) if key is not None]
    each = len(asked) // max(len(entities), 1)
    tiles = [(tile, entities[place // each]) for place, tile in enumerate(found) if tile is not None]
    count = event_count([tile for tile, _ in tiles])
    if most is not None and count > most:
        raise TooMuchWork(f"`{view.name}` would be computed from {count} events", most)
    events = events_of([tile for tile, _ in tiles], [entity for _, entity in tiles], table.features)
    spine = pl.DataFrame({ENTITY: range(len(keys))}, schema={ENTITY: pl.Int64}).with_columns(
        pl.lit(now, UTC).alias(_NOW)
    )
    try:
        values = _windows(view, spine, events).collect()
    except SumTooLarge as found:
        place = int(str(found.key[ENTITY]))
        row = {"row of the request": (place if rows is None else rows[place]) + 1}
        raise SumTooLarge(found.owner, found.feature, found.column, row, found.instant) from None
    texts = values.select(row_text({name: values.schema[name] for name in view.windowing.features}).alias(ENTRY))
    nulls = values.select(pl.any_horizontal(pl.col(name).is_null() for name in view.windowing.features)).to_series()
    header = rfc3339(now).encode() + sortable(now) * 2
    pushed = set(events.filter(pl.col(TAG).is_not_null())[ENTITY])
    texts_of_rows = [
        None
        if key is None
        else b"%b%b%b.%b" % (header, b"1" if null else b"0", b"p" if n in pushed else b"d", text.encode())
        for n, (key, null, text) in enumerate(zip(keys, nulls, texts[ENTRY], strict=True))
    ]
    return table, Found(texts_of_rows)


def window_types(view: FeatureView, table: ServedTable) -> Mapping[str, pl.DataType]:
    """The features of an exact view and their types."""
    if view.windowing is None:
        raise TypeError(f"`{view.name}` is a row view")
    spine = pl.DataFrame(schema={ENTITY: pl.Int64(), _NOW: UTC})
    events = pl.DataFrame(schema={ENTITY: pl.Int64(), **table.features})
    schema = _windows(view, spine, events).collect_schema()
    return {name: schema[name] for name in view.windowing.features}


def _windows(view: FeatureView, spine: pl.DataFrame, events: pl.DataFrame) -> pl.LazyFrame:
    return window_features(
        spine,
        events,
        on=[ENTITY],
        spine_time=_NOW,
        event_time=str(view.source.event_time),
        known_at=view.source.known_at,
        aggregations=view.windowing.aggregations if view.windowing else (),
        owner=f"Feature view `{view.name}`",
    )

"""Tiles: the events of an exact view by key and stretch of time, for windows that are computed at request time.

A tile holds the events of one key whose time is in `[n * length, (n + 1) * length)`: clocks, what the windows
aggregate, and for pushed events which push they are of, so that none counts twice. They are kept column by column, so
that many tiles become one frame without a loop over events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

import numpy as np
import polars as pl

from feature_platform.compute.serving.tile_bytes import append_tile, events_of, pack_rows
from feature_platform.ground.clock import microsecond_of, ticks
from feature_platform.ground.sortable_moments import YEAR_ONE
from feature_platform.ground.working_columns import ENTITY, ENTRY, EVENT_TAG, KEY, TILE

TILES = 16  # of the longest window: fewer hold more events that no window needs, more are more look-ups
_BETWEEN = b"\x00\x04"
_TILE_DIGITS = 18
_BYTES_AT_ONCE = 32 * 2**20  # of tiles that are sorted as one frame, which is several times as large
_NUMBER = 10  # characters of a tag: which event of a push it is
IsMerged = Callable[[str, int], bool]
"""Whether a pushed row is part of what is published: from the tag of its push, with a number behind it or not, and its
event time in microseconds since 1970."""


def tile_length(longest: int) -> int:
    """Return the length of the tiles of a view in microseconds, from that of its longest window."""
    return max(longest // TILES, 1)


def tile_names(now: datetime, longest: int, length: int) -> Sequence[bytes]:
    """Return what follows an entity's key in the keys of the tiles that windows ending at a moment can reach."""
    end = microsecond_of(now) - YEAR_ONE
    return _tile_names(max((end - longest) // length, 0), end // length)


@lru_cache(maxsize=64)
def _tile_names(first: int, last: int) -> Sequence[bytes]:
    return tuple(_tile_name(number) for number in range(first, last + 1))


def entity_key(tile: bytes) -> bytes:
    """Return the key of the entity of a tile, from the key of the tile."""
    return tile[: -len(_BETWEEN) - _TILE_DIGITS]


def tile_key(key: bytes, number: int) -> bytes:
    """Return the key of a tile, from the key of its entity and the number of its stretch of time."""
    return key + _tile_name(number)


def _tile_name(number: int) -> bytes:
    return b"%b%018d" % (_BETWEEN, number)


def tiles_of(
    rows: pl.DataFrame, key: pl.Expr, columns: Mapping[str, pl.DataType], event: str, length: int
) -> pl.DataFrame:
    """Return the tiles of some events: columns `fp_key` and `fp_entry`, sorted by key.

    Args:
        rows: with the columns and, where some were pushed, `fp_tag`; events without a whole key or a time are in none.
        columns: the clocks first.
        length: of a tile, in microseconds.
    """
    tag = pl.col(EVENT_TAG) if EVENT_TAG in rows.columns else pl.lit(None, pl.String).alias(EVENT_TAG)
    number = ((ticks(rows.schema, event, "Events") - YEAR_ONE) // length).alias(TILE)
    events = rows.select(key, number, tag, *columns).drop_nulls([KEY, TILE])
    events = events.sort(KEY, TILE, event, maintain_order=True)
    if events.is_empty():
        return pl.DataFrame(schema={KEY: pl.Binary, ENTRY: pl.Binary})
    first = events.select((pl.struct(KEY, TILE) != pl.struct(KEY, TILE).shift(1)).fill_null(value=True))
    starts = np.flatnonzero(first.to_series().to_numpy())
    stretches = pack_rows(events, columns, np.append(starts, events.height))
    keys = events.select(KEY, TILE)[starts]
    return pl.DataFrame(
        {KEY: [tile_key(*each) for each in keys.iter_rows()], ENTRY: stretches},
        schema={KEY: pl.Binary, ENTRY: pl.Binary},
    )


def merge_many_tiles(
    stored: Sequence[bytes | None],
    incoming: Sequence[bytes],
    columns: Mapping[str, pl.DataType],
    once: Sequence[str] = (),
    order: Sequence[str] = (),
) -> list[bytes]:
    """Return tiles with the events of both; a pushed event that is stored already is not added again.

    Tiles that have to be sorted are sorted as one frame.

    Args:
        stored: None where there is no tile yet.
        once: the clocks of which there is one event each, where the view reads one that keeps only the last.
        order: the columns that events are sorted by, before their pushes. Defaults to their time.
    """
    tiles, sorted_in = list(incoming), list[tuple[int, bytes]]()
    for place, (old, new) in enumerate(zip(stored, incoming, strict=True)):
        if old is None:
            continue
        joined = None if once else append_tile(old, new, columns)
        if joined is None:
            sorted_in.append((place, old))
        else:
            tiles[place] = joined
    for portion in _portions(sorted_in):
        places = [place for place, _ in portion]
        entities = range(len(portion))
        parts = [
            events_of([old for _, old in portion], entities, columns),
            events_of([incoming[place] for place in places], entities, columns),
        ]
        for place, tile in zip(places, _sorted_tiles(parts, columns, once, order), strict=True):
            tiles[place] = tile
    return tiles


def _portions(tiles: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    """Yield tiles in portions that bound what is held in memory as a frame."""
    begin, size = 0, 0
    for number, (_, tile) in enumerate(tiles):
        size += len(tile)
        if size > _BYTES_AT_ONCE:
            yield tiles[begin : number + 1]
            begin, size = number + 1, 0
    if begin < len(tiles):
        yield tiles[begin:]


def add_pushed_events(
    published: bytes | None,
    stored: bytes,
    merged: IsMerged,
    columns: Mapping[str, pl.DataType],
    once: Sequence[str] = (),
    order: Sequence[str] = (),
) -> bytes | None:
    """Return a published tile with the stored pushed events that are not published yet; None without any.

    Args:
        merged: whether a pushed event is part of what is published, from its tag and its event time.
    """
    events = events_of([stored], [0], columns).filter(pl.col(EVENT_TAG).is_not_null())
    times = events.select(ticks(events.schema, next(iter(columns)), "Events")).to_series()
    is_new = [not merged(tag, time) for tag, time in zip(events[EVENT_TAG], times, strict=True)]
    pushed = events.filter(pl.Series(is_new, dtype=pl.Boolean))
    if pushed.is_empty():
        return None
    parts = [*([] if published is None else [events_of([published], [0], columns)]), pushed]
    return _one(parts, columns, once, order)


def _one(
    parts: Sequence[pl.DataFrame], columns: Mapping[str, pl.DataType], once: Sequence[str], order: Sequence[str] = ()
) -> bytes:
    """Return all events as one tile."""
    of_one = [part.with_columns(pl.lit(0, pl.Int64).alias(ENTITY)) for part in parts]
    return _sorted_tiles(of_one, columns, once, order)[0]


def _sorted_tiles(
    parts: Sequence[pl.DataFrame], columns: Mapping[str, pl.DataType], once: Sequence[str], order: Sequence[str]
) -> list[bytes]:
    """Return one tile for each entity: of equal times events of tables first, then the pushed ones as they came.

    Args:
        parts: what is stored before what is incoming; every entity is in one of them.
    """
    events = pl.concat(parts)
    again = pl.col(EVENT_TAG).is_not_null() & pl.struct(ENTITY, EVENT_TAG).is_first_distinct().not_()
    push = pl.col(EVENT_TAG).str.head(-_NUMBER)
    by = order or (next(iter(columns)),)
    ordered = events.filter(~again).sort(ENTITY, *by, push, maintain_order=True)
    if once:
        ordered = ordered.unique([ENTITY, *once], keep="last", maintain_order=True)
    counts = ordered.group_by(ENTITY, maintain_order=True).len()["len"].to_numpy()
    return pack_rows(ordered, columns, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

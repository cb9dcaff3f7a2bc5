"""Tiles: the events of an exact view by key and stretch of time, from which its windows are computed when asked.

A tile holds the events of one key whose time is in `[n * length, (n + 1) * length)`: clocks, what the windows
aggregate, and for pushed events which push they are of, so that none counts twice. They are kept column by column, so
that many tiles become one frame without a loop over events.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.clock import microsecond_of, ticks
from feature_platform.compute.served.entries import ENTRY
from feature_platform.compute.served.keys import KEY
from feature_platform.compute.served.values import series_of, texts_of
from feature_platform.sortable_moments import YEAR_ONE

TAG = "fp_tag"  # of a pushed event: `<tag of the push>:<number, 9 digits>`; null for the others
ENTITY = "fp_entity"
TILES = 16  # of the longest window: fewer hold more events that no window needs, more are more look-ups
_COUNT, _TIME = struct.Struct("<I"), struct.Struct("=q")
_WHOLES = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.Boolean)
_TIMES = (pl.Datetime, pl.Date, pl.Duration, pl.Time)
_BETWEEN = b"\x00\x04"
_TILE_DIGITS = 18
_BYTES_AT_ONCE = 32 * 2**20  # of tiles that are sorted as one frame, which is several times as large
_NUMBER = 10  # characters of a tag: which event of a push it is
Merged = Callable[[str, int], bool]
"""Whether a pushed row is part of what is published: from the tag of its push, with a number behind it or not, and its
event time in microseconds since 1970."""


def tile_length(longest: int) -> int:
    """The length of the tiles of a view in microseconds, from that of its longest window."""
    return max(longest // TILES, 1)


def tile_keys(key: bytes, now: datetime, longest: int, length: int) -> list[bytes]:
    """The keys of the tiles that windows ending at a moment can reach, in order of time."""
    end = microsecond_of(now) - YEAR_ONE
    return [_tile_key(key, number) for number in range((end - longest) // length, end // length + 1)]


def entity_key(tile: bytes) -> bytes:
    """The key of the entity that a tile is of, from the key of the tile."""
    return tile[: -len(_BETWEEN) - _TILE_DIGITS]


def _tile_key(key: bytes, number: int) -> bytes:
    return b"%b%b%018d" % (key, _BETWEEN, number)


def tiles_of(
    rows: pl.DataFrame, key: pl.Expr, columns: Mapping[str, pl.DataType], event: str, length: int
) -> pl.DataFrame:
    """The tiles of some events: columns `fp_key` and `fp_entry`, sorted by key.

    Args:
        rows: with the columns and, where some were pushed, `fp_tag`; events without a whole key or a time are in none.
        columns: the clocks first.
        length: of a tile, in microseconds.
    """
    tag = pl.col(TAG) if TAG in rows.columns else pl.lit(None, pl.String).alias(TAG)
    number = ((ticks(rows.schema, event, "Events") - YEAR_ONE) // length).alias("fp_tile")
    found = rows.select(key, number, tag, *columns).drop_nulls([KEY, "fp_tile"])
    found = found.sort(KEY, "fp_tile", event, maintain_order=True)
    if found.is_empty():
        return pl.DataFrame(schema={KEY: pl.Binary, ENTRY: pl.Binary})
    first = found.select((pl.struct(KEY, "fp_tile") != pl.struct(KEY, "fp_tile").shift(1)).fill_null(value=True))
    starts = np.flatnonzero(first.to_series().to_numpy())
    packed = _packed(found, columns, np.append(starts, found.height))
    keys = found.select(KEY, "fp_tile")[starts]
    return pl.DataFrame(
        {KEY: [_tile_key(*each) for each in keys.iter_rows()], ENTRY: packed},
        schema={KEY: pl.Binary, ENTRY: pl.Binary},
    )


def events_of(tiles: Sequence[bytes], entities: Sequence[int], columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The events of some tiles, in their order, with the number of the entity of each tile as `fp_entity`."""
    readers = [_Reader(name, dtype) for name, dtype in {**columns, TAG: pl.String()}.items()]
    counts = [reader_count(tile, readers) for tile in tiles]
    entity = pl.Series(ENTITY, np.repeat(np.asarray(entities, dtype=np.int64), counts))
    return pl.DataFrame([entity, *(reader.series() for reader in readers)])


def event_count(tiles: Sequence[bytes]) -> int:
    """How many events some tiles hold, without reading them."""
    return sum(_COUNT.unpack_from(tile)[0] for tile in tiles)


def reader_count(tile: bytes, readers: "Sequence[_Reader]") -> int:
    """How many events a tile holds; each reader takes its column of it."""
    (count,) = _COUNT.unpack_from(tile)
    at = _COUNT.size
    for reader in readers:
        at = reader.take(tile, at, count)
    return int(count)


def merged_tiles(
    stored: bytes | None, incoming: bytes, columns: Mapping[str, pl.DataType], once: Sequence[str] = ()
) -> bytes:
    """A tile with the events of both; a pushed event that is stored already is not added again.

    Args:
        once: the clocks of which there is one event each, where the view reads one that keeps only the last.
    """
    if stored is None:
        return incoming
    if not once and (joined := _appended(stored, incoming, columns)) is not None:
        return joined
    return _one([events_of([stored], [0], columns), events_of([incoming], [0], columns)], columns, once)


def tiles_merged(
    stored: Sequence[bytes | None],
    incoming: Sequence[bytes],
    columns: Mapping[str, pl.DataType],
    once: Sequence[str] = (),
) -> list[bytes]:
    """Many tiles at once, each as `merged_tiles` makes it: those that have to be sorted are sorted as one frame."""
    found, sorted_in = list(incoming), list[tuple[int, bytes]]()
    for place, (held, new) in enumerate(zip(stored, incoming, strict=True)):
        if held is None:
            continue
        joined = None if once else _appended(held, new, columns)
        if joined is None:
            sorted_in.append((place, held))
        else:
            found[place] = joined
    for some in _portions(sorted_in):
        places = [place for place, _ in some]
        entities = range(len(some))
        parts = [
            events_of([held for _, held in some], entities, columns),
            events_of([incoming[place] for place in places], entities, columns),
        ]
        for place, tile in zip(places, _sorted_tiles(parts, columns, once), strict=True):
            found[place] = tile
    return found


def _portions(tiles: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    """Tiles in portions that bound what is held in memory as a frame."""
    begin, size = 0, 0
    for number, (_, tile) in enumerate(tiles):
        size += len(tile)
        if size > _BYTES_AT_ONCE:
            yield tiles[begin : number + 1]
            begin, size = number + 1, 0
    if begin < len(tiles):
        yield tiles[begin:]


def with_pushed_events(
    published: bytes | None,
    stored: bytes,
    merged: Merged,
    columns: Mapping[str, pl.DataType],
    once: Sequence[str] = (),
) -> bytes | None:
    """A published tile with the stored events that were pushed and are not in what is published; None without any.

    Args:
        merged: whether a pushed event is part of what is published, from its tag and its event time.
    """
    held = events_of([stored], [0], columns).filter(pl.col(TAG).is_not_null())
    times = held.select(ticks(held.schema, next(iter(columns)), "Events")).to_series()
    kept = [not merged(tag, time) for tag, time in zip(held[TAG], times, strict=True)]
    pushed = held.filter(pl.Series(kept, dtype=pl.Boolean))
    if pushed.is_empty():
        return None
    return _one([*([] if published is None else [events_of([published], [0], columns)]), pushed], columns, once)


def _one(parts: Sequence[pl.DataFrame], columns: Mapping[str, pl.DataType], once: Sequence[str]) -> bytes:
    """All events as one tile."""
    return _sorted_tiles([part.with_columns(pl.lit(0, pl.Int64).alias(ENTITY)) for part in parts], columns, once)[0]


def _sorted_tiles(
    parts: Sequence[pl.DataFrame], columns: Mapping[str, pl.DataType], once: Sequence[str]
) -> list[bytes]:
    """The events of each entity as one tile: of equal times those of tables first, then the pushed ones as they came.

    Args:
        parts: what is stored before what is incoming; every entity is in one of them.
    """
    events = pl.concat(parts)
    again = pl.col(TAG).is_not_null() & pl.struct(ENTITY, TAG).is_first_distinct().not_()
    push = pl.col(TAG).str.head(-_NUMBER)
    ordered = events.filter(~again).sort(ENTITY, next(iter(columns)), push, maintain_order=True)
    if once:
        ordered = ordered.unique([ENTITY, *once], keep="last", maintain_order=True)
    counts = ordered.group_by(ENTITY, maintain_order=True).len()["len"].to_numpy()
    return _packed(ordered, columns, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


# ---------------------------------------------------------------- columns as bytes


def _appended(stored: bytes, incoming: bytes, columns: Mapping[str, pl.DataType]) -> bytes | None:
    """Both tiles as one where all that is incoming is later than all that is stored, as most pushes are; else None."""
    (count,), (more,) = _COUNT.unpack_from(stored), _COUNT.unpack_from(incoming)
    clock = _COUNT.size + count  # its marks come first, then its values in order
    if (
        not count
        or not more
        or _TIME.unpack_from(stored, clock + 8 * (count - 1)) >= _TIME.unpack_from(incoming, _COUNT.size + more)
    ):
        return None
    types = [*columns.values(), pl.String()]
    pairs = zip(_stretches(stored, types), _stretches(incoming, types), strict=True)
    return b"".join([_COUNT.pack(count + more), *(part for pair in pairs for part in pair)])


def _stretches(tile: bytes, types: Sequence[pl.DataType]) -> Iterator[bytes]:
    """Of each column of a tile its marks, then its values."""
    (count,) = _COUNT.unpack_from(tile)
    at = _COUNT.size
    for dtype in types:
        fixed = _is_fixed(dtype)
        marks = tile[at : at + (count if fixed else 4 * count)]
        at += len(marks)
        size = 8 * count if fixed else sum(length for length in struct.unpack(f"<{count}i", marks) if length > 0)
        yield marks
        yield tile[at : at + size]
        at += size


def _packed(rows: pl.DataFrame, columns: Mapping[str, pl.DataType], bounds: npt.NDArray[np.int64]) -> list[bytes]:
    """The rows between neighbouring bounds, each stretch as bytes."""
    writers = [_writer(rows[name]) for name in (*columns, TAG)]
    return [
        b"".join([_COUNT.pack(end - start), *(write(start, end) for write in writers)])
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]


def _writer(values: pl.Series) -> "_Write":
    if not _is_fixed(values.dtype):
        there = values.is_not_null().to_numpy()
        texts = [text if kept else b"" for text, kept in zip(texts_of(values), there, strict=True)]
        lengths = np.where(there, np.array([len(text) for text in texts], dtype=np.int32), np.int32(-1))
        return _Write(lengths.astype("<i4"), texts)
    data = values.to_physical().cast(pl.Float64 if values.dtype.is_float() else pl.Int64)
    there = values.is_not_null().to_numpy().astype(np.uint8)
    return _Write(there, data.fill_null(0).to_numpy())


@dataclass(frozen=True)
class _Write:
    """How one column of a stretch of rows is written: first a mark of each value, then the values."""

    marks: npt.NDArray[np.generic]
    data: "npt.NDArray[np.generic] | list[bytes]"

    def __call__(self, start: int, end: int) -> bytes:
        data = self.data[start:end]
        return self.marks[start:end].tobytes() + (b"".join(data) if isinstance(data, list) else data.tobytes())


class _Reader:
    """One column, taken from tile after tile."""

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self._name, self._dtype, self._fixed = name, dtype, _is_fixed(dtype)
        self._marks: list[npt.NDArray[np.generic]] = []
        self._data: list[npt.NDArray[np.generic]] = []
        self._texts: list[bytes | None] = []

    def take(self, tile: bytes, at: int, count: int) -> int:
        """Read the column of a tile that begins at a place; the place behind it."""
        if self._fixed:
            self._marks.append(np.frombuffer(tile, np.uint8, count, at))
            self._data.append(
                np.frombuffer(tile, np.float64 if self._dtype.is_float() else np.int64, count, at + count)
            )
            return at + 9 * count
        marks = np.frombuffer(tile, "<i4", count, at)
        at += 4 * count
        if count and marks.max() < 0:  # as the tags of events that no push brought
            self._texts += [None] * count
            return at
        for length in marks.tolist():
            self._texts.append(None if length < 0 else tile[at : at + length])
            at += max(length, 0)
        return at

    def series(self) -> pl.Series:
        """The column."""
        if not self._fixed:
            return series_of(self._name, self._dtype, self._texts)
        data = np.concatenate(self._data) if self._data else np.zeros(0, dtype=np.int64)
        values = pl.Series(self._name, data)
        marks = np.concatenate(self._marks) if self._marks else np.zeros(0, dtype=np.uint8)
        if not marks.all():
            values = values.set(pl.Series(marks == 0), None)
        return _as(values, self._dtype)


def _as(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Physical values in their own type."""
    if isinstance(dtype, _TIMES):
        return values.cast(pl.Int32).cast(dtype) if dtype == pl.Date else values.cast(dtype)
    return values.cast(dtype)


def _is_fixed(dtype: pl.DataType) -> bool:
    return dtype.is_float() or isinstance(dtype, _TIMES) or dtype in _WHOLES

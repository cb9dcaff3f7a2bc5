"""The bytes of a tile: how many events it has, then column by column a mark for each value and the values.

A value of fixed width has a mark of one byte (0: null) and eight bytes; any other has the length of its text as its
mark (-1: null) and the text: JSON, or a packed vector (`packed.py`). The last column is the tag.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.serving.packed import stored_series_of, tile_texts_of
from feature_platform.ground.working_columns import ENTITY, EVENT_TAG

Whole = npt.NDArray[np.int64]
_COUNT, _TIME = struct.Struct("<I"), struct.Struct("=q")
_WHOLES = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.Boolean)
_TIMES = (pl.Datetime, pl.Date, pl.Duration, pl.Time)
_NO_TEXT = struct.pack("<i", -1)
_EIGHT = np.arange(8)


def events_of(tiles: Sequence[bytes], entities: Sequence[int], columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the events of some tiles, in their order, with the number of the entity of each tile as `fp_entity`."""
    readers = [_Reader(name, dtype) for name, dtype in {**columns, EVENT_TAG: pl.String()}.items()]
    ends = [_take_columns(tile, readers) for tile in tiles]
    entity = pl.Series(ENTITY, _repeat(entities, [count for count, _ in ends]))
    return pl.DataFrame([entity, *(reader.series() for reader in readers)])


def untagged_events_of(
    tiles: Sequence[bytes], entities: Sequence[int] | Whole, columns: Mapping[str, pl.DataType]
) -> tuple[Whole, pl.DataFrame, frozenset[int]]:
    """Return the entity of each event of some tiles, the events, and the entities that an event was pushed to."""
    if all(map(is_fixed, columns.values())):
        return _fixed_events(tiles, np.asarray(entities, dtype=np.int64), columns)
    events = events_of(tiles, list(entities), columns)
    pushed = events.filter(pl.col(EVENT_TAG).is_not_null())[ENTITY].to_list()
    return events[ENTITY].to_numpy(), events.select(list(columns)), frozenset(pushed)


def _fixed_events(
    tiles: Sequence[bytes], entities: Whole, columns: Mapping[str, pl.DataType]
) -> tuple[Whole, pl.DataFrame, frozenset[int]]:
    """Return the same where every value takes as many bytes: all tiles are read as one array."""
    sizes = np.array(list(map(len, tiles)), dtype=np.int64)
    counts = np.array([count for (count,) in map(_COUNT.unpack_from, tiles)], dtype=np.int64)
    untagged = _COUNT.size + counts * (9 * len(columns) + 4)
    events = np.repeat(counts, counts)  # of each event how many its tile has
    place = np.arange(len(events)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = np.repeat(np.cumsum(sizes) - sizes + _COUNT.size, counts) + place
    joined = np.frombuffer(b"".join(tiles), np.uint8)
    series: list[pl.Series] = []
    for name, dtype in columns.items():
        marks = joined[at]
        eights = joined[(at + events + 7 * place)[:, None] + _EIGHT]
        series.append(_series(name, dtype, marks, eights.view(_physical(dtype)).ravel()))
        at = at + 9 * events
    return np.repeat(entities, counts), pl.DataFrame(series), frozenset(entities[sizes != untagged].tolist())


def _repeat(entities: Sequence[int], counts: Sequence[int]) -> Whole:
    return np.repeat(np.asarray(entities, dtype=np.int64), np.asarray(counts, dtype=np.int64))


def event_count(tiles: Sequence[bytes]) -> int:
    """Count the events of some tiles, without reading them."""
    return sum([count for (count,) in map(_COUNT.unpack_from, tiles)])


def _take_columns(tile: bytes, readers: "Sequence[_Reader]") -> tuple[int, int]:
    """Give the columns of a tile to the readers; return how many events it holds, and where the columns end."""
    (count,) = _COUNT.unpack_from(tile)
    at = _COUNT.size
    for reader in readers:
        at = reader.take(tile, at, count)
    return count, at


def append_tile(stored: bytes, incoming: bytes, columns: Mapping[str, pl.DataType]) -> bytes | None:
    """Append a tile whose events are all later than the stored ones, as those of most pushes are; None otherwise."""
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
    """Yield for each column of a tile its marks, then its values."""
    (count,) = _COUNT.unpack_from(tile)
    at = _COUNT.size
    for dtype in types:
        fixed = is_fixed(dtype)
        marks = tile[at : at + (count if fixed else 4 * count)]
        at += len(marks)
        size = 8 * count if fixed else sum(length for length in struct.unpack(f"<{count}i", marks) if length > 0)
        yield marks
        yield tile[at : at + size]
        at += size


def pack_rows(rows: pl.DataFrame, columns: Mapping[str, pl.DataType], bounds: npt.NDArray[np.int64]) -> list[bytes]:
    """Return the rows between neighbouring bounds, each stretch as bytes."""
    writers = [_writer(rows[name]) for name in (*columns, EVENT_TAG)]
    return [
        b"".join([_COUNT.pack(end - start), *(write(start, end) for write in writers)])
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]


def _writer(values: pl.Series) -> "_Write":
    if not is_fixed(values.dtype):
        there = values.is_not_null().to_numpy()
        texts = [text if kept else b"" for text, kept in zip(tile_texts_of(values), there, strict=True)]
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
        self._name, self._dtype, self._fixed = name, dtype, is_fixed(dtype)
        self._marks: list[bytes] = []
        self._data: list[bytes] = []
        self._texts: list[bytes | None] = []

    def take(self, tile: bytes, at: int, count: int) -> int:
        """Read the column of a tile that begins at a place; return the place behind it."""
        if self._fixed:
            self._marks.append(tile[at : at + count])
            self._data.append(tile[at + count : at + 9 * count])
            return at + 9 * count
        marks = tile[at : at + 4 * count]
        at += 4 * count
        if marks == _NO_TEXT * count:  # as the tags of events that no push brought
            self._texts += [None] * count
            return at
        for length in struct.unpack(f"<{count}i", marks):
            self._texts.append(None if length < 0 else tile[at : at + length])
            at += max(length, 0)
        return at

    def series(self) -> pl.Series:
        """Return the column."""
        if not self._fixed:
            return stored_series_of(self._name, self._dtype, self._texts)
        marks, data = b"".join(self._marks), b"".join(self._data)
        numbers = np.frombuffer(data, _physical(self._dtype))
        return _series(self._name, self._dtype, np.frombuffer(marks, np.uint8), numbers)


def _series(name: str, dtype: pl.DataType, marks: npt.NDArray[np.uint8], data: npt.NDArray[np.generic]) -> pl.Series:
    """Return a column of values as they are stored, null where there is no mark."""
    values = pl.Series(name, data)
    if not marks.all():
        values = values.set(pl.Series(marks == 0), None)
    return _as(values, dtype)


def _physical(dtype: pl.DataType) -> type[np.float64] | type[np.int64]:
    return np.float64 if dtype.is_float() else np.int64


def _as(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return physical values in their own type."""
    if values.dtype == dtype:
        return values
    if isinstance(dtype, _TIMES):
        return values.cast(pl.Int32).cast(dtype) if dtype == pl.Date else values.cast(dtype)
    return values.cast(dtype)


def is_fixed(dtype: pl.DataType) -> bool:
    """Return whether each value of a type takes eight bytes of a tile; the others are texts."""
    return dtype.is_float() or isinstance(dtype, _TIMES) or dtype in _WHOLES

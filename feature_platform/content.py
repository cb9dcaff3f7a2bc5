"""Content hashes: one short text that changes when, and only when, the schema or a value of a frame changes.

The bytes that are hashed are defined here, not by Polars, Arrow or Python, so that a hash stays the same
across their releases; a test pins literal hashes. Row order counts (callers sort), column order, chunking and
the batches in which rows arrive do not.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from feature_platform.errors import WrongColumnType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_FORMAT = b"feature_platform.content/2"
_TEXT_AT_ONCE = 1 << 30
_WORTH_A_THREAD = 100_000  # rows; below, starting threads costs more than they save
_THREADS = 2

Place = tuple[str, ...]


def content_hash(frame: pl.DataFrame) -> str:
    """BLAKE2b (128 bits, hexadecimal) over the schema and the rows of a frame.

    Values count by meaning: every NaN is the same NaN, `-0.0` is `0.0`, what lies below a null is ignored,
    categories count as their text, an `Array` as the `List` that Delta stores. Two types never hash alike:
    the integer 1 is not the float 1.0. `WrongColumnType` for a column of Python objects.

    >>> import polars as pl
    >>> content_hash(pl.DataFrame({"a": [1, 2], "b": [0.0, None]}))
    '932723183383fecfcdc7145b0c683b3b'
    >>> content_hash(pl.DataFrame({"b": [-0.0, None], "a": [1, 2]}))
    '932723183383fecfcdc7145b0c683b3b'
    """
    running = RunningHash(frame.schema)
    running.update(frame)
    return running.hexdigest()


class RunningHash:
    """The `content_hash` of rows that arrive in batches; how they are cut does not count.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": ["a", None, "b"]})
    >>> running = RunningHash(frame.schema)
    >>> for batch in frame.iter_slices(2):
    ...     running.update(batch)
    >>> running.hexdigest() == content_hash(frame)
    True
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._schema = dict(schema)
        self._columns = {name: _Streams() for name in schema}
        self._rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        """Take in the next rows; their columns are those of the schema, in any order."""
        _feed(batch.select(list(self._schema)), [(0, batch.height)], [self])

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        digest = hashlib.blake2b(_FORMAT, digest_size=16)
        digest.update(self._rows.to_bytes(8, "little"))
        for name in sorted(self._schema):
            digest.update(f"{len(name.encode())}:{name}={dtype_name(self._schema[name])};".encode())
            digest.update(self._columns[name].digest())
        return digest.hexdigest()

    def feed(self, name: str, encoded: "_Encoded", start: int, stop: int) -> None:
        """Take in a span of a column."""
        encoded.feed(self._columns[name], (), start, stop)

    def count(self, rows: int) -> None:
        """Count rows whose columns are fed."""
        self._rows += rows


def content_hashes(frames: Sequence[pl.DataFrame]) -> list[str]:
    """The `content_hash` of each of some frames with the same columns; of many small ones much quicker than each alone.

    >>> import polars as pl
    >>> frames = [pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2, 3]})]
    >>> content_hashes(frames) == [content_hash(frame) for frame in frames]
    True
    """
    if not frames:
        return []
    stops = list(accumulate(frame.height for frame in frames))
    spans = [(stop - frame.height, stop) for stop, frame in zip(stops, frames, strict=True)]
    rows = pl.concat(frames, rechunk=False)
    hashes = [RunningHash(rows.schema) for _ in frames]
    _feed(rows, spans, hashes)
    return [running.hexdigest() for running in hashes]


def dtype_name(dtype: pl.DataType) -> str:
    """The name under which a type is hashed; ours, so that a rename in Polars changes no hash.

    >>> import polars as pl
    >>> dtype_name(pl.List(pl.Datetime("us", "UTC")))
    'List(Datetime(us, UTC))'
    """
    match dtype:
        case pl.Datetime():
            return f"Datetime({dtype.time_unit}, {dtype.time_zone})"
        case pl.Duration():
            return f"Duration({dtype.time_unit})"
        case pl.Decimal():
            return f"Decimal({dtype.precision}, {dtype.scale})"
        case pl.List() | pl.Array():
            return f"List({dtype_name(_inner(dtype))})"
        case pl.Struct():
            fields = (f"{field.name}: {dtype_name(as_dtype(field.dtype))}" for field in dtype.fields)
            return f"Struct({', '.join(fields)})"
        case pl.Categorical() | pl.Enum():
            return "String"
        case _:
            return type(dtype).__name__


class _Streams:
    """What was fed of one column so far: one hash for each of its buffers, named by its place in the type."""

    def __init__(self) -> None:
        self._buffers: dict[Place, hashlib.blake2b] = {}
        self._rows: dict[Place, int] = {}

    def feed(self, place: Place, buffer: Any) -> None:
        """Add bytes to a buffer; a buffer that never got any does not count."""
        if len(buffer):
            self._buffers.setdefault(place, hashlib.blake2b(digest_size=16)).update(buffer)

    def pass_rows(self, place: Place, rows: int) -> int:
        """Count rows at a place; how many came before."""
        before = self._rows.get(place, 0)
        self._rows[place] = before + rows
        return before

    def digest(self) -> bytes:
        """All buffers as bytes, by place."""
        places = (
            b"".join(f"{len(part.encode())}:{part}".encode() for part in place) + b"=" + self._buffers[place].digest()
            for place in sorted(self._buffers)
        )
        return b";".join(places) + b"."


class _Encoded(Protocol):
    """A column as canonical bytes, any span of which can be fed to a hash."""

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None: ...


@dataclass(frozen=True)
class _Fixed:
    """Values of fixed width, little endian, zero where null."""

    values: "Sequence[Array]"

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None:
        for number, values in enumerate(self.values):
            streams.feed((*place, f"values {number}"), values[start:stop])


@dataclass(frozen=True)
class _Text:
    """Lengths in bytes; the bytes of all values."""

    lengths: "Array"
    offsets: "Array"
    data: bytes

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None:
        streams.feed((*place, "lengths"), self.lengths[start:stop])
        streams.feed((*place, "text"), memoryview(self.data)[self.offsets[start] : self.offsets[stop]])


@dataclass(frozen=True)
class _Lists:
    """Lengths in items; the items of all lists."""

    lengths: "Array"
    offsets: "Array"
    items: _Encoded

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None:
        streams.feed((*place, "lengths"), self.lengths[start:stop])
        self.items.feed(streams, (*place, "items"), int(self.offsets[start]), int(self.offsets[stop]))


@dataclass(frozen=True)
class _Fields:
    """The fields of a struct."""

    fields: Mapping[str, _Encoded]

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None:
        for name, encoded in self.fields.items():
            encoded.feed(streams, (*place, "field", name), start, stop)


@dataclass(frozen=True)
class _Nullable:
    """The positions of nulls, of which none cost nothing; the values."""

    nulls: "Array"
    values: _Encoded

    def feed(self, streams: _Streams, place: Place, start: int, stop: int) -> None:
        before = streams.pass_rows(place, stop - start)
        first, last = self.nulls.searchsorted([start, stop])
        streams.feed((*place, "nulls"), self.nulls[first:last] + (before - start))
        self.values.feed(streams, place, start, stop)


def _feed(frame: pl.DataFrame, spans: Sequence[tuple[int, int]], hashes: Sequence[RunningHash]) -> None:
    """Feed each span of rows to its hash, column by column, so that few are ever held in their encoded form."""

    def feed(name: str) -> None:
        encoded = _encoded(frame.get_column(name))
        for running, (start, stop) in zip(hashes, spans, strict=True):
            running.feed(name, encoded, start, stop)

    if frame.height < _WORTH_A_THREAD:
        for name in frame.columns:
            feed(name)
    else:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(feed, frame.columns))
    for running, (start, stop) in zip(hashes, spans, strict=True):
        running.count(stop - start)


def _encoded(column: pl.Series) -> _Encoded:
    return _Nullable(column.is_null().arg_true().cast(pl.Int64).to_numpy(), _values(column))


def _values(column: pl.Series) -> _Encoded:
    match column.dtype:
        case pl.Null():
            return _Fixed([])
        case pl.Float32() | pl.Float64():
            return _Fixed([_floats(column)])
        case pl.Decimal() | pl.Int128():
            return _Fixed(_halves(column))
        case pl.Boolean():
            return _Fixed([_numbers(column.cast(pl.UInt8))])
        case pl.Categorical() | pl.Enum() | pl.String():
            return _text(column.cast(pl.String))
        case pl.Binary():
            return _text(column.bin.encode("hex"))
        case pl.List() | pl.Array():
            return _lists(column.cast(pl.List(_inner(column.dtype))))
        case pl.Struct():
            there = column.is_not_null()
            fields = column.struct.unnest().iter_columns()
            return _Fields({field.name: _encoded(field.set(~there, None)) for field in fields})
        case dtype if dtype.is_integer() or dtype.is_temporal():
            return _Fixed([_numbers(column.to_physical())])
        case dtype:
            raise WrongColumnType("A content hash", column.name, dtype, "a type that is data", "Cast it first.")


def _numbers(column: pl.Series) -> "Array":
    numbers = column.fill_null(0).to_numpy()
    return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)


def _floats(column: pl.Series) -> "Array":
    import numpy as np

    floats = _numbers(column) + 0.0  # -0.0 + 0.0 is 0.0
    floats[np.isnan(floats)] = np.nan
    return floats


def _halves(column: pl.Series) -> "list[Array]":
    """A 128-bit integer as two columns, because numpy knows none."""
    whole = column.to_physical().cast(pl.Int128)
    base = pl.lit(2**64, dtype=pl.Int128)
    frame = pl.select(high=pl.lit(whole) // base, low=pl.lit(whole) % base)
    return [_numbers(frame["high"].cast(pl.Int64)), _numbers(frame["low"].cast(pl.UInt64))]


def _text(column: pl.Series) -> _Text:
    lengths = _numbers(column.str.len_bytes())
    offsets = _offsets(lengths)
    parts = (column.slice(start, stop - start) for start, stop in _cuts(offsets))
    return _Text(lengths, offsets, b"".join(part.str.join("").cast(pl.Binary).item() for part in parts))


def _lists(column: pl.Series) -> _Lists:
    lengths = _numbers(column.list.len())
    items = column.filter(column.list.len() > 0).explode()
    return _Lists(lengths, _offsets(lengths), _encoded(items))


def _offsets(lengths: "Array") -> "Array":
    import numpy as np

    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _cuts(offsets: "Array") -> Iterator[tuple[int, int]]:
    """Spans of rows whose text is about a gigabyte, because one Polars string holds at most four."""
    start = 0
    while start < len(offsets) - 1:
        stop = int(offsets.searchsorted(offsets[start] + _TEXT_AT_ONCE))
        stop = min(max(stop, start + 1), len(offsets) - 1)
        yield start, stop
        start = stop


def _inner(dtype: pl.DataType) -> pl.DataType:
    return as_dtype(dtype.inner)  # type: ignore[attr-defined]


def as_dtype(dtype: Any) -> pl.DataType:
    """A data type as an instance: Polars lets the inner ones of lists and structs be classes."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[no-any-return]

"""Content hashes: one short text that changes when, and only when, the schema or a value of a frame changes.

The bytes that are hashed are defined here, not by Polars, Arrow or Python, so that a hash stays the same
across their releases; a test pins literal hashes. Row order counts (callers sort), column order and chunking
do not.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from feature_platform.errors import WrongColumnType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_FORMAT = b"feature_platform.content/1"
_TEXT_AT_ONCE = 1 << 30


def content_hash(frame: pl.DataFrame) -> str:
    """BLAKE2b (128 bits, hexadecimal) over the schema and the rows of a frame.

    Values count by meaning: every NaN is the same NaN, `-0.0` is `0.0`, what lies below a null is ignored,
    categories count as their text, an `Array` as the `List` that Delta stores. Two types never hash alike:
    the integer 1 is not the float 1.0. `WrongColumnType` for a column of Python objects.

    >>> import polars as pl
    >>> content_hash(pl.DataFrame({"a": [1, 2], "b": [0.0, None]}))
    'd3842a9d40808eb3e368e466d16507b5'
    >>> content_hash(pl.DataFrame({"b": [-0.0, None], "a": [1, 2]}))
    'd3842a9d40808eb3e368e466d16507b5'
    """
    return _hashes(frame, [(0, frame.height)])[0]


def partition_hashes(frame: pl.DataFrame, partition: str) -> dict[str, str]:
    """The `content_hash` of the rows of each partition, without the partition column.

    Rows of one partition keep their order and need not lie together. Null keys are a caller's error.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"p": ["b", "a", "b"], "x": [1, 2, 3]})
    >>> partition_hashes(frame, "p")["b"] == content_hash(pl.DataFrame({"x": [1, 3]}))
    True
    """
    ordered = frame.sort(partition, maintain_order=True)
    lengths = partition_lengths(ordered, partition)
    stops = list(accumulate(lengths.values()))
    spans = [(stop - length, stop) for stop, length in zip(stops, lengths.values(), strict=True)]
    return dict(zip(lengths, _hashes(ordered.drop(partition), spans), strict=True))


def partition_lengths(ordered: pl.DataFrame, partition: str) -> dict[str, int]:
    """Rows of each partition of a frame sorted by partition, in that order."""
    runs = ordered.get_column(partition).rle().struct.unnest()
    return dict(zip(runs["value"].to_list(), runs["len"].to_list(), strict=True))


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


class _Encoded(Protocol):
    """A column as canonical bytes, any span of which can be fed to a hash."""

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None: ...


@dataclass(frozen=True)
class _Fixed:
    """Values of fixed width, little endian, zero where null."""

    values: "Sequence[Array]"

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None:
        for values in self.values:
            update(values[start:stop])


@dataclass(frozen=True)
class _Text:
    """Lengths in bytes, then the bytes of all values."""

    lengths: "Array"
    offsets: "Array"
    data: bytes

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None:
        update(self.lengths[start:stop])
        update(memoryview(self.data)[self.offsets[start] : self.offsets[stop]])


@dataclass(frozen=True)
class _Lists:
    """Lengths in items, then the items of all lists."""

    lengths: "Array"
    offsets: "Array"
    items: _Encoded

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None:
        update(self.lengths[start:stop])
        self.items.feed(update, int(self.offsets[start]), int(self.offsets[stop]))


@dataclass(frozen=True)
class _Fields:
    """The fields of a struct, one after the other."""

    fields: Sequence[_Encoded]

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None:
        for encoded in self.fields:
            encoded.feed(update, start, stop)


@dataclass(frozen=True)
class _Nullable:
    """Which values are there, then the values; a span without nulls costs one byte."""

    valid: "Array"
    values: _Encoded

    def feed(self, update: Callable[[Any], None], start: int, stop: int) -> None:
        import numpy as np

        valid = self.valid[start:stop]
        update(b"\0" if valid.all() else b"\1" + np.packbits(valid).tobytes())
        self.values.feed(update, start, stop)


def _hashes(frame: pl.DataFrame, spans: Sequence[tuple[int, int]]) -> list[str]:
    """One column at a time, so that only one is ever held in its encoded form."""
    hashers = [hashlib.blake2b(_FORMAT, digest_size=16) for _ in spans]
    for hasher, (start, stop) in zip(hashers, spans, strict=True):
        hasher.update((stop - start).to_bytes(8, "little"))
    for name in sorted(frame.columns):
        column = frame.get_column(name)
        head = f"{len(name.encode())}:{name}={dtype_name(column.dtype)};".encode()
        encoded = _encoded(column)
        for hasher, (start, stop) in zip(hashers, spans, strict=True):
            hasher.update(head)
            encoded.feed(hasher.update, start, stop)
    return [hasher.hexdigest() for hasher in hashers]


def _encoded(column: pl.Series) -> _Encoded:
    return _Nullable(column.is_not_null().to_numpy(), _values(column))


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
            return _Fields([_encoded(field.set(~there, None)) for field in column.struct.unnest().iter_columns()])
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
    lengths = _numbers(column.str.len_bytes().cast(pl.UInt64))
    offsets = _offsets(lengths)
    parts = (column.slice(start, stop - start) for start, stop in _cuts(offsets))
    return _Text(lengths, offsets, b"".join(part.str.join("").cast(pl.Binary).item() for part in parts))


def _lists(column: pl.Series) -> _Lists:
    lengths = _numbers(column.list.len().cast(pl.UInt64))
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

"""Columns as canonical bytes and numbers: what every content hash is computed from.

The form is defined here, not by Polars, Arrow or Python, so that a hash stays the same across their releases. Values
count by meaning: every NaN is the same NaN, `-0.0` is `0.0`, what lies below a null is ignored, categories count as
their text, an `Array` and a `Map` as the `List` that Delta stores, a `Float16` as the `Float32`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_platform.ground.errors import WrongColumnType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_TEXT_AT_ONCE = 1 << 30
_REMEDY = "Turn Python objects into text, numbers or structs."


@dataclass(frozen=True)
class Fixed:
    """Values of fixed width, little endian, zero where null; wide ones are several arrays, one without type none."""

    values: "Sequence[Array]"


@dataclass(frozen=True)
class Text:
    """Lengths in bytes; the bytes of all values, one after the other, and seven more, so that eight can be read."""

    lengths: "Array"
    offsets: "Array"
    data: bytes


@dataclass(frozen=True)
class Lists:
    """Lengths in items; the items of all lists, one after the other."""

    lengths: "Array"
    offsets: "Array"
    items: "Encoded"


@dataclass(frozen=True)
class Fields:
    """The fields of a struct."""

    fields: "Mapping[str, Encoded]"


@dataclass(frozen=True)
class Nullable:
    """The positions of nulls, of which none cost nothing; the values."""

    nulls: "Array"
    values: "Encoded"


Encoded = Fixed | Text | Lists | Fields | Nullable


def encode(column: pl.Series) -> Encoded:
    """Return a column in its canonical form.

    Raises:
        WrongColumnType: it holds Python objects.
    """
    import numpy as np

    if not column.null_count():  # a call of Polars less: tables may have thousands of columns
        return Nullable(np.empty(0, dtype=np.int64), _values(column))
    return Nullable(column.is_null().arg_true().cast(pl.Int64).to_numpy(), _values(column))


def dtype_name(dtype: pl.DataType) -> str:
    """Return the name under which a type is hashed; ours, so that a rename in Polars changes no hash.

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
        case pl.Map():
            return dtype_name(list_of_pairs(dtype))
        case pl.Float16():
            return "Float32"
        case pl.Categorical() | pl.Enum():
            return "String"
        case _:
            return type(dtype).__name__


def _values(column: pl.Series) -> Encoded:
    match column.dtype:
        case pl.Null():
            return Fixed([])
        case pl.Float16():
            return Fixed([_floats(column.cast(pl.Float32))])
        case pl.Map():
            return _values(column.cast(list_of_pairs(column.dtype)))
        case pl.Float32() | pl.Float64():
            return Fixed([_floats(column)])
        case pl.Decimal() | pl.Int128():
            return Fixed(_halves(column))
        case pl.Boolean():
            return Fixed([_numbers(column.cast(pl.UInt8))])
        case pl.Categorical() | pl.Enum() | pl.String():
            return _text(column.cast(pl.String))
        case pl.Binary():
            return _text(column.bin.encode("hex"))
        case pl.List() | pl.Array():
            return _lists(column.cast(pl.List(_inner(column.dtype))))
        case pl.Struct():
            there = column.is_not_null()
            fields = column.struct.unnest().iter_columns()
            return Fields({field.name: encode(field.set(~there, None)) for field in fields})
        case dtype if dtype.is_integer():
            return Fixed([_numbers(column)])
        case dtype if dtype.is_temporal():
            return Fixed([_numbers(column.to_physical())])
        case dtype:
            raise WrongColumnType("A content hash", column.name, dtype, "a type that is data", _REMEDY)


def _numbers(column: pl.Series) -> "Array":
    numbers = (column.fill_null(0) if column.null_count() else column).to_numpy()
    return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)


def _floats(column: pl.Series) -> "Array":
    import numpy as np

    floats = _numbers(column) + 0.0  # -0.0 + 0.0 is 0.0
    floats[np.isnan(floats)] = np.nan
    return floats


def _halves(column: pl.Series) -> "list[Array]":
    """Return a column of 128-bit integers as two columns, because numpy has no such type."""
    whole = column.to_physical().cast(pl.Int128)
    base = pl.lit(2**64, dtype=pl.Int128)
    frame = pl.select(high=pl.lit(whole) // base, low=pl.lit(whole) % base)
    return [_numbers(frame["high"].cast(pl.Int64)), _numbers(frame["low"].cast(pl.UInt64))]


def _text(column: pl.Series) -> Text:
    lengths = _numbers(column.str.len_bytes())
    offsets = _offsets(lengths)
    parts = (column.slice(start, stop - start) for start, stop in _cuts(offsets))
    seven = pl.Series(["\0" * 7])
    texts = (pl.concat([part, seven], rechunk=False).str.join("").cast(pl.Binary).item() for part in parts)
    return Text(lengths, offsets, _join_texts(list(texts)))


def _join_texts(texts: list[bytes]) -> bytes:
    """Return texts one after the other, of which each but the last loses the seven bytes at its end."""
    if len(texts) == 1:
        return texts[0]
    return b"".join([*(text[:-7] for text in texts[:-1]), *(texts[-1:] or [bytes(7)])])


def _lists(column: pl.Series) -> Lists:
    lengths = _numbers(column.list.len())
    items = column.filter(column.list.len() > 0).explode()
    return Lists(lengths, _offsets(lengths), encode(items))


def _offsets(lengths: "Array") -> "Array":
    import numpy as np

    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _cuts(offsets: "Array") -> Iterator[tuple[int, int]]:
    """Yield spans of rows whose text is about a gigabyte, because one Polars string holds at most four."""
    start = 0
    while start < len(offsets) - 1:
        stop = int(offsets.searchsorted(offsets[start] + _TEXT_AT_ONCE))
        stop = min(max(stop, start + 1), len(offsets) - 1)
        yield start, stop
        start = stop


def _inner(dtype: pl.DataType) -> pl.DataType:
    return as_dtype(dtype.inner)  # type: ignore[attr-defined]


def list_of_pairs(dtype: pl.Map) -> pl.List:
    """Return the type that a map is stored and hashed as: its pairs in order.

    >>> list_of_pairs(pl.Map(pl.String, pl.Int64))
    List(Struct({'key': String, 'value': Int64}))
    """
    return pl.List(pl.Struct({"key": as_dtype(dtype.key), "value": as_dtype(dtype.value)}))


def as_dtype(dtype: Any) -> pl.DataType:
    """Return a data type as an instance: Polars lets the inner types of lists and structs be classes."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[no-any-return]

"""Vectors as the online store keeps them: a mark and their numbers in base64, a third of their JSON text.

A value of an array or list of floats with many numbers and no null inside is packed; each value says by its first byte
whether it is, and of which width, so that entries of before are read as they are. Base64 has no byte that separates
values. In rows, which are answered as JSON, lists of `Float64` stay text: expressions seldom compute with them.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.serving.values import BETWEEN, NULL, json_text, series_of, texts_of

MARK, WIDE_MARK = b"=", b"~"  # of 32 and 64 bits; no JSON text begins with one
FEWEST = 16  # numbers; fewer are about as short as text, and text needs nothing when it is answered
_NUMBER, _WIDE = np.dtype("<f4"), np.dtype("<f8")
_MARKS = (MARK, WIDE_MARK)
_ODD = {math.inf: b'"Infinity"', -math.inf: b'"-Infinity"'}


def may_be_packed(dtype: pl.DataType) -> bool:
    """Tell whether values of a type are packed in rows where they have numbers enough.

    >>> may_be_packed(pl.Array(pl.Float64, 64)), may_be_packed(pl.List(pl.Float32)), may_be_packed(pl.List(pl.Float64))
    (True, True, False)
    """
    return is_vector(dtype) and (isinstance(dtype, pl.Array) or dtype == pl.List(pl.Float32))


def is_vector(dtype: pl.DataType) -> bool:
    """Tell whether values of a type are lists or arrays of floats, which are packed in tiles."""
    return isinstance(dtype, (pl.List, pl.Array)) and dtype.inner in (pl.Float32, pl.Float64)


def stored_text(value: pl.Expr, dtype: pl.DataType, owner: str) -> pl.Expr:
    """Write each value as the store keeps it: packed, or as JSON; null, or `null`, where it is null."""
    if not may_be_packed(dtype):
        return json_text(value, dtype, owner)
    return value.map_batches(_stored_column, return_dtype=pl.String, is_elementwise=True)


def row_text(schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Return the values of each row as one text, in the order of the schema.

    Raises:
        WrongColumnType: a column has a type that JSON cannot hold.
    """
    texts = [stored_text(pl.col(name), dtype, name).fill_null("null") for name, dtype in schema.items()]
    return pl.concat_str(texts, separator=BETWEEN.decode()) if texts else pl.lit("")


def stored_texts_of(values: pl.Series) -> Sequence[bytes]:
    """Write each value of a column as rows keep it, `null` where it is null; vectors need no query."""
    return tile_texts_of(values) if may_be_packed(values.dtype) else texts_of(values)


def tile_texts_of(values: pl.Series) -> Sequence[bytes]:
    """Write each value of a column as tiles keep it, `null` where it is null."""
    if not is_vector(values.dtype):
        return texts_of(values)
    packed = pack(values)
    others = values.filter(pl.Series([each is None for each in packed], dtype=pl.Boolean))
    texts = iter(texts_of(others) if len(others) else ())
    return [next(texts) if each is None else each for each in packed]


def pack(values: pl.Series) -> list[bytes | None]:
    """Return each vector packed; None where it is null, short, or has a null inside.

    >>> pack(pl.Series([[0.5] * 16, [0.5], None], dtype=pl.List(pl.Float32)))[1:]
    [None, None]
    """
    mark = MARK if isinstance(values.dtype, (pl.List, pl.Array)) and values.dtype.inner == pl.Float32 else WIDE_MARK
    number = _NUMBER if mark == MARK else _WIDE
    lists = values.arr.to_list() if isinstance(values.dtype, pl.Array) else values
    long = (lists.list.len() >= FEWEST).fill_null(value=False)
    vectors = lists.filter(long)
    numbers = vectors.explode()
    if numbers.null_count():
        long = pl.Series(
            [bool(each) and None not in vector for each, vector in zip(long, lists, strict=True)], dtype=pl.Boolean
        )
        vectors = lists.filter(long)
        numbers = vectors.explode()
    data = memoryview(numbers.to_numpy().astype(number, copy=False).tobytes()) if len(vectors) else memoryview(b"")
    ends = (np.cumsum(vectors.list.len().to_numpy()) * number.itemsize).tolist()
    texts = iter([mark + b64encode(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)])
    return [next(texts) if each else None for each in long]


def _stored_column(values: pl.Series) -> pl.Series:
    return pl.Series(values.name, stored_texts_of(values), dtype=pl.Binary).cast(pl.String)


def unpack(text: bytes) -> bytes:
    """Return a value as JSON, whether it is packed or JSON already.

    >>> unpack(MARK + b64encode(np.array([0.5, 2], "<f4").tobytes())), unpack(b"[1.5]")
    (b'[0.5,2.0]', b'[1.5]')
    """
    if not text.startswith(_MARKS):
        return text
    numbers = _numbers(text).astype(np.float64)
    if np.isfinite(numbers).all():
        return msgspec.json.encode(numbers.tolist())
    texts = [b'"NaN"' if number != number else _ODD.get(number) or b"%r" % number for number in numbers.tolist()]
    return b"[%b]" % b",".join(texts)


def _numbers(text: bytes) -> npt.NDArray[np.float32] | npt.NDArray[np.float64]:
    data = b64decode(text[1:])
    return np.frombuffer(data, _WIDE) if text.startswith(WIDE_MARK) else np.frombuffer(data, _NUMBER)


def stored_series_of(name: str, dtype: pl.DataType, texts: Iterable[bytes | None]) -> pl.Series:
    """Read the values that rows or tiles keep, in their own type; None and `null` are null."""
    if not is_vector(dtype):
        return series_of(name, dtype, texts)
    known = [None if text is None or text == NULL else text for text in texts]
    there = [text for text in known if text is not None]
    if not all(text.startswith(_MARKS) for text in there):
        return series_of(name, dtype, [None if text is None else unpack(text) for text in known])
    vectors = [_numbers(text) for text in there]
    if len({(len(each), each.dtype) for each in vectors}) == 1:
        places = iter(range(len(vectors)))
        found = pl.Series(name, np.stack(vectors).astype(vectors[0].dtype.newbyteorder("="))).gather(
            pl.Series([None if text is None else next(places) for text in known], dtype=pl.UInt32)
        )
        return found.cast(dtype)
    lists = iter(vectors)
    return pl.Series(name, [None if text is None else next(lists).tolist() for text in known], dtype=dtype)

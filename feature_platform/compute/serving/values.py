"""Values as JSON texts: the form in which the online store keeps a row, ready to be joined into an answer.

The texts of a row are joined by a comma and a newline. A raw newline never occurs inside compact JSON, so the joined
text is the inside of a JSON array and splits into its values again without being parsed.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
from polars.datatypes import DataTypeClass

from feature_platform.ground.clock import UTC, rfc3339_text
from feature_platform.ground.errors import WrongColumnType

BETWEEN = b",\n"
NULL = b"null"
_NAMED = {"NaN": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_ODD = {number: f'"{name}"'.encode() for number, name in _NAMED.items()}
_FEW = 1_000  # values up to which Python writes a column sooner than a query begins


def json_text(value: pl.Expr, dtype: pl.DataType, owner: str) -> pl.Expr:
    """Write each value as JSON; null where it is null.

    NaN and the infinities are the strings Feast writes, a 32-bit float is its double, a time is RFC 3339 in UTC (a
    time without a zone has no `Z`), a duration its microseconds, bytes are base64.
    """
    if dtype.is_float():
        text = value.cast(pl.Float64).cast(pl.String)
        odd = {number: name.decode() for number, name in _ODD.items()}
        return pl.when(value.is_finite()).then(text).otherwise(text.replace(odd))
    if dtype.is_integer() or dtype.is_decimal() or dtype == pl.Boolean:
        return value.cast(pl.String)
    if dtype == pl.Null:
        return value.cast(pl.String)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        encoded = pl.struct(value.cast(pl.String).alias("")).struct.json_encode()
        return pl.when(value.is_not_null()).then(encoded.str.strip_prefix('{"":').str.strip_suffix("}"))
    if dtype.is_temporal():
        return _time_text(value, dtype)
    if dtype == pl.Binary:
        return pl.concat_str(pl.lit('"'), value.bin.encode("base64"), pl.lit('"'))
    if isinstance(dtype, pl.List):
        return _list_text(value, _inner(dtype), owner)
    if isinstance(dtype, pl.Array):
        return _list_text(value.arr.to_list(), _inner(dtype), owner)
    if isinstance(dtype, pl.Struct):
        return _struct_text(value, dtype, owner)
    raise WrongColumnType("The online store", owner, dtype, "a type that JSON can hold", "Cast it in the view.")


def _time_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Duration):
        return value.dt.total_microseconds().cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        micros = value.dt.cast_time_unit("us")
        text = micros.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f") if dtype.time_zone is None else rfc3339_text(value.cast(UTC))
    else:
        text = value.dt.strftime("%Y-%m-%d" if dtype == pl.Date else "%H:%M:%S%.6f")
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def _list_text(value: pl.Expr, inner: pl.DataType, owner: str) -> pl.Expr:
    texts = value.list.eval(json_text(pl.element(), inner, owner).fill_null("null"))
    return pl.concat_str(pl.lit("["), texts.list.join(","), pl.lit("]"))


def _struct_text(value: pl.Expr, dtype: pl.Struct, owner: str) -> pl.Expr:
    parts: list[pl.Expr] = []
    for number, field in enumerate(dtype.fields):
        parts.append(pl.lit(f"{',' if number else ''}{json.dumps(field.name)}:"))
        parts.append(json_text(value.struct.field(field.name), _type_of(field.dtype), owner).fill_null("null"))
    return pl.when(value.is_not_null()).then(pl.concat_str(pl.lit("{"), *parts, pl.lit("}")))


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _type_of(dtype.inner)


def _type_of(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """Return a type that may be given by its class."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()


# ---------------------------------------------------------------- and back


_EXACTLY = msgspec.json.Decoder(float_hook=Decimal)  # a float holds fewer digits than a decimal


def series_of(name: str, dtype: pl.DataType, texts: Iterable[bytes | None]) -> pl.Series:
    """Read the values that `json_text` wrote, in their own type; None and `null` are null.

    >>> series_of("x", pl.Float64(), [b"1.5", b'"NaN"', b"null", None]).to_list()
    [1.5, nan, None, None]
    """
    values = [None if text is None or text == NULL else text for text in texts]
    if dtype.is_integer() or dtype.is_decimal():
        return pl.Series(name, values, pl.Binary).cast(pl.String).cast(dtype)
    if dtype.is_float():
        numbers = [None if text is None else float(text.strip(b'"')) for text in values]
        return pl.Series(name, numbers, pl.Float64).cast(dtype)
    if dtype == pl.Boolean:
        return pl.Series(name, [None if text is None else text == b"true" for text in values], pl.Boolean)
    if dtype == pl.Null:
        return pl.Series(name, [None] * len(values), pl.Null)
    parsed: list[Any] = _EXACTLY.decode(b"[%b]" % b",".join(text or NULL for text in values))
    value = _reader(dtype)
    return pl.Series(name, [None if each is None else value(each) for each in parsed], dtype=dtype)


def _reader(dtype: pl.DataType) -> Callable[[Any], object]:
    """Return a function from a parsed JSON value to what Polars takes for a type."""
    if dtype.is_float():
        return float
    if dtype.is_decimal():
        return Decimal
    if isinstance(dtype, pl.Datetime):
        return _moment
    if dtype == pl.Date:
        return date.fromisoformat
    if dtype == pl.Time:
        return time.fromisoformat
    if dtype == pl.Binary:
        return base64.b64decode
    if isinstance(dtype, (pl.List, pl.Array)):
        inner = _reader(_inner(dtype))
        return lambda values: [None if each is None else inner(each) for each in values]
    if isinstance(dtype, pl.Struct):
        fields = {field.name: _reader(_type_of(field.dtype)) for field in dtype.fields}
        return lambda value: {key: None if value[key] is None else read(value[key]) for key, read in fields.items()}
    return _same


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _same(value: object) -> object:
    return value


def texts_of(values: pl.Series) -> Sequence[bytes]:
    """Write each value of a column as JSON, `null` where it is null."""
    if len(values) <= _FEW and (quick := _few_texts(values)) is not None:
        return quick
    text = values.to_frame().select_seq(json_text(pl.col(values.name), values.dtype, values.name).fill_null("null"))
    return text.to_series().cast(pl.Binary).to_list()


def _few_texts(values: pl.Series) -> Sequence[bytes] | None:
    """Write numbers, flags and texts as `json_text` does; None for other types."""
    dtype = values.dtype
    if dtype == pl.String:
        return [msgspec.json.encode(value) for value in values.to_list()]
    if dtype.is_float():
        texts = (values if dtype == pl.Float64 else values.cast(pl.Float64)).cast(pl.String).to_list()
        return [NULL if text is None else _ODD.get(text) or text.encode() for text in texts]
    if dtype.is_integer() or dtype == pl.Boolean:
        return [NULL if text is None else text.encode() for text in values.cast(pl.String).to_list()]
    return None

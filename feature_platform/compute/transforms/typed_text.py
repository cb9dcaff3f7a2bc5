"""Values as text with their type, so that values of many types share one column and can be read back unchanged.

Numbers are written with all their digits, times as whole ticks of their own unit, bytes as hexadecimal, lists and
structs as JSON. Categories come back as the text that they stand for, arrays as lists.
"""

import json

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import WrongColumnType

_PLAIN = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Null),
)
_BY_NAME = {dtype.__name__: dtype for dtype in _PLAIN}
_VALUE = "value"


def type_text(dtype: pl.DataType) -> str:
    """Write a type as text, which `type_of` reads.

    Raises:
        WrongColumnType: Python objects, and bytes inside a list or struct.

    >>> type_text(pl.Int64()), type_text(pl.Datetime("us", "UTC"))
    ('Int64', '{"Datetime": ["us", "UTC"]}')
    """
    described = _description_of(dtype)
    return described if isinstance(described, str) else json.dumps(described)


def type_of(text: str) -> pl.DataType:
    """Read the type that `type_text` wrote.

    >>> type_of(type_text(pl.List(pl.Date())))
    List(Date)
    """
    return _read(json.loads(text) if text.startswith("{") else text)


def as_text(values: pl.Series) -> pl.Series:
    """Write each value as text, a null as null.

    >>> as_text(pl.Series([0.1, float("nan"), None])).to_list()
    ['0.1', 'NaN', None]
    """
    if values.dtype == pl.Binary:
        return values.bin.encode("hex")
    texts = values.cast(_stored_type(values.dtype)).cast(_as_text(values.dtype))
    if not values.dtype.is_nested():
        return texts
    encoded = texts.alias(_VALUE).to_frame().select(pl.struct(_VALUE).struct.json_encode()).to_series()
    return encoded.set(values.is_null(), None).alias(values.name)


def from_text(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Read the values that `as_text` wrote, given their type.

    >>> from_text(as_text(pl.Series([1, None])), pl.Int64()).to_list()
    [1, None]
    """
    if dtype == pl.Binary:
        return texts.str.decode("hex")
    plain = texts
    if dtype.is_nested():
        plain = texts.str.json_decode(pl.Struct({_VALUE: _as_text(dtype)})).struct.field(_VALUE)
    return plain.cast(_stored_type(dtype)).cast(dtype).alias(texts.name)


def _description_of(dtype: pl.DataType) -> object:
    match dtype:
        case pl.Datetime():
            return {"Datetime": [dtype.time_unit, dtype.time_zone]}
        case pl.Duration():
            return {"Duration": [dtype.time_unit]}
        case pl.Decimal():
            return {"Decimal": [dtype.precision, dtype.scale]}
        case pl.List() | pl.Array():
            return {"List": _inside(as_dtype(dtype.inner))}
        case pl.Struct():
            return {"Struct": {field.name: _inside(as_dtype(field.dtype)) for field in dtype.fields}}
        case pl.Categorical() | pl.Enum():
            return "String"
        case _ if type(dtype).__name__ in _BY_NAME:
            return type(dtype).__name__
        case _:
            raise _unwritable(dtype)


def _inside(dtype: pl.DataType) -> object:
    if dtype == pl.Binary:
        raise _unwritable(dtype)
    return _description_of(dtype)


def _unwritable(dtype: pl.DataType) -> WrongColumnType:
    return WrongColumnType("A value as text", _VALUE, dtype, "a type that can be written as text", "Cast it first.")


def _read(described: object) -> pl.DataType:
    match described:
        case {"Datetime": [unit, zone]}:
            return pl.Datetime(unit, zone)
        case {"Duration": [unit]}:
            return pl.Duration(unit)
        case {"Decimal": [precision, scale]}:
            return pl.Decimal(precision, scale)
        case {"List": inner}:
            return pl.List(_read(inner))
        case {"Struct": dict(fields)}:
            return pl.Struct({name: _read(field) for name, field in fields.items()})
        case _:
            return as_dtype(_BY_NAME[str(described)])


def _stored_type(dtype: pl.DataType) -> pl.DataType:
    """Return the type whose text is exact: whole numbers for what is counted, lists for arrays."""
    match dtype:
        case pl.List() | pl.Array():
            return pl.List(_stored_type(as_dtype(dtype.inner)))
        case pl.Struct():
            return pl.Struct({field.name: _stored_type(as_dtype(field.dtype)) for field in dtype.fields})
        case pl.Boolean() | pl.Date():
            return pl.Int32()
        case pl.Categorical() | pl.Enum():
            return pl.String()
        case _ if dtype.is_temporal():
            return pl.Int64()
        case _:
            return dtype


def _as_text(dtype: pl.DataType) -> pl.DataType:
    match dtype:
        case pl.List() | pl.Array():
            return pl.List(_as_text(as_dtype(dtype.inner)))
        case pl.Struct():
            return pl.Struct({field.name: _as_text(as_dtype(field.dtype)) for field in dtype.fields})
        case _:
            return pl.String()

"""Values that a client sends for a request field, as a column: JSON has numbers, texts, lists and objects only."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone

import polars as pl

from feature_platform.compute.transforms.nested_values import fields_of
from feature_platform.ground.clock import UTC
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import NotUtc, WrongColumnType

_NAMED: Mapping[object, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_TIMES = "Write times as 2013-03-01T12:00:00Z."
_Read = Callable[[object], object]


def request_column(owner: str, name: str, dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    """Return the values of a request field as a column, of a type that meets the declared one if they do.

    Times and dates may be texts (RFC 3339), and NaN and the infinities the texts that answers have for them.

    Args:
        owner: what errors call the request.

    Raises:
        NotUtc: a time without a zone.
        WrongColumnType: the values are of several kinds, or inside lists and structs not what is declared.

    >>> request_column("A request", "query", pl.Array(pl.Float32, 2), [[1, 0.5], None]).to_list()
    [[1.0, 0.5], None]
    """
    if isinstance(dtype, (pl.List, pl.Array, pl.Struct)):
        return _nested_column(owner, name, dtype, values)
    if dtype.is_temporal() and any(isinstance(value, str) for value in values):
        values = [_time(owner, name, dtype, value) for value in values]
    if dtype.is_float():
        values = _as_floats(values)
    try:
        return pl.Series(name, values, dtype if all(value is None for value in values) else None, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise WrongColumnType(owner, name, kinds, dtype, "Send one type of value that fits.") from error


def _as_floats(values: Sequence[object]) -> Sequence[object]:
    """Return 8 as 8.0 where other values have a point, which JSON leaves out; a number that has no such float stays."""
    kinds = {type(value) for value in values} - {type(None)}
    if str in kinds:
        values = [_NAMED.get(value, value) if isinstance(value, str) else value for value in values]
        kinds = {type(value) for value in values} - {type(None)}
    if kinds != {int, float}:
        return values
    return [float(value) if type(value) is int and _has_float(value) else value for value in values]


def _has_float(value: int) -> bool:
    return abs(value) <= 2**1023 and int(float(value)) == value


def _time(owner: str, name: str, dtype: pl.DataType, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if dtype == pl.Date:
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        in_utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:  # no time, or one that UTC has no year for
        raise WrongColumnType(
            owner, name, "text", dtype, "Write 2013-03-01." if dtype == pl.Date else _TIMES
        ) from error
    if moment.tzinfo is None:
        raise NotUtc(owner, name, "text without a zone", _TIMES)
    return in_utc


# ---------------------------------------------------------------- lists and structs


def _nested_column(owner: str, name: str, dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    read, converted = _reader(dtype), []
    for row, value in enumerate(values):
        try:
            converted.append(None if value is None else read(value))
        except (TypeError, ValueError, OverflowError):
            found = f"something else in row {row}, counted from 0"
            raise WrongColumnType(owner, name, found, dtype, "Send what is declared.") from None
    try:
        return pl.Series(name, converted, _as_sent(dtype), strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise WrongColumnType(owner, name, "not of one kind", dtype, "Send what is declared.") from error


def _as_sent(dtype: pl.DataType) -> pl.DataType:
    """Return the type that values have when they come: the declared one, lists for arrays, and the widest numbers."""
    if isinstance(dtype, (pl.List, pl.Array)):
        return pl.List(_as_sent(as_dtype(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({name: _as_sent(each) for name, each in fields_of(dtype).items()})
    if dtype.is_float():
        return pl.Float64()
    return pl.Int64() if dtype.is_integer() and dtype != pl.UInt64 else dtype


def _reader(dtype: pl.DataType) -> _Read:
    """Return the function that takes a value as one of a type; it raises where it is none."""
    if isinstance(dtype, (pl.List, pl.Array)):
        return _list_reader(as_dtype(dtype.inner))
    if isinstance(dtype, pl.Struct):
        fields = {name: _reader(each) for name, each in fields_of(dtype).items()}
        return lambda value: _struct(value, fields)
    if dtype.is_float():
        return lambda value: _float(value, small=dtype == pl.Float32)
    if dtype == UTC:
        return _moment
    if dtype == pl.Date:
        return lambda value: date.fromisoformat(value) if isinstance(value, str) else _one_of(value, date)
    if dtype.is_integer():
        least, most = (0, 2**64 - 1) if dtype == pl.UInt64 else (-(2**63), 2**63 - 1)
        return lambda value: _whole(value, least, most)
    kind: type = bool if dtype == pl.Boolean else str
    return lambda value: _one_of(value, kind)


def _list_reader(inner: pl.DataType) -> _Read:
    read, is_float = _reader(inner), inner.is_float()

    def list_of(value: object) -> object:
        if not isinstance(value, list):
            raise TypeError
        if is_float and {float}.issuperset(map(type, value)):  # an embedding, as it nearly always comes
            return value
        return [None if each is None else read(each) for each in value]

    return list_of


def _struct(value: object, fields: Mapping[str, _Read]) -> object:
    if not isinstance(value, dict) or value.keys() != fields.keys():
        raise TypeError
    return {name: None if value[name] is None else read(value[name]) for name, read in fields.items()}


def _one_of(value: object, kind: type) -> object:
    if type(value) is not kind:
        raise TypeError
    return value


def _whole(value: object, least: int, most: int) -> object:
    if type(value) is not int or not least <= value <= most:  # inside lists Polars would make it a null
        raise TypeError
    return value


def _float(value: object, *, small: bool) -> float:
    """Return a float; a whole number has to be one exactly, of four bytes where those are declared."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        number = float(value)
        held = struct.unpack("<f", struct.pack("<f", number))[0] if small else number
        return number if int(held) == value else _refuse()
    return _NAMED[value] if isinstance(value, str) and value in _NAMED else _refuse()


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise TypeError
    return moment.astimezone(timezone.utc)


def _refuse() -> float:
    raise TypeError

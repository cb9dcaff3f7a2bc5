"""Columns of JSON as a frame: each value is what the column's type takes, or the request is refused.

A refusal names the column and the row; it shows no value, and nothing is guessed from other values.
"""

import math
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone

import polars as pl

from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import PushRefused, RequestRefused

_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_RANGES: Mapping[type[pl.DataType], tuple[int, int]] = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**64 - 1),
}
_Read = Callable[[object], object]


def frame_of(
    owner: str, columns: Mapping[str, Sequence[object]], types: Mapping[str, pl.DataType], *, naive_is_utc: bool = False
) -> pl.DataFrame:
    """Convert columns of JSON into a frame with the types of a table.

    Args:
        owner: the source or view that they are for.
        naive_is_utc: a time without a zone is UTC, as Feast has it; it is refused otherwise.

    Raises:
        RequestRefused: the columns are not of one length.
        PushRefused: a column is not one of the table's, or a value is not of its type.

    >>> import polars as pl
    >>> frame_of("orders", {"amount": [1, "NaN", None]}, {"amount": pl.Float64()})["amount"].to_list()
    [1.0, nan, None]
    """
    heights = {name: len(values) for name, values in columns.items()}
    if len(set(heights.values())) > 1:
        (first, height), *others = heights.items()
        name = next(name for name, other in others if other != height)
        raise RequestRefused(f"has columns of different lengths, `{first}` and `{name:.100}`", "Fill gaps with null.")
    series = []
    for name, values in columns.items():
        if name not in types:
            known = ", ".join(f"`{each}`" for each in types)
            raise PushRefused(owner, "is not one of its columns", f"Send {known}.", column=name[:100])
        series.append(_series(owner, name, values, types[name], naive_is_utc=naive_is_utc))
    return pl.DataFrame(series)


def columns_from_rows(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Convert rows into columns.

    Raises:
        RequestRefused: a row lacks a column that another one has.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    for number, row in enumerate(rows):
        if len(row) < len(names):
            missing = next(name for name in names if name not in row)
            raise RequestRefused(
                f"has no `{missing:.100}` in row {number} (the first is row 0)", "Send null where there is no value."
            )
    return {name: [row[name] for row in rows] for name in names}


def _series(owner: str, name: str, values: Sequence[object], dtype: pl.DataType, *, naive_is_utc: bool) -> pl.Series:
    read, converted = _reader(dtype, naive_is_utc=naive_is_utc), []
    for row, value in enumerate(values):
        try:
            converted.append(None if value is None else read(value))
        except (TypeError, ValueError, OverflowError):
            remedy = f"It is stored as {dtype}."
            raise PushRefused(owner, "has another type or range", remedy, column=name, row=row) from None
    if dtype == UTC:
        ticks = [microsecond_of(each) if isinstance(each, datetime) else None for each in converted]
        return pl.Series(name, ticks, dtype=pl.Int64).cast(dtype)  # which asks no query, as moments do
    return pl.Series(name, converted, dtype=dtype)


def _reader(dtype: pl.DataType, *, naive_is_utc: bool) -> _Read:
    """Return the function that converts a JSON value into a value of a type; it raises where that cannot be."""
    if isinstance(dtype, (pl.List, pl.Array)):
        inner = _reader(as_dtype(dtype.inner), naive_is_utc=naive_is_utc)
        return lambda value: _list(value, inner, dtype.size if isinstance(dtype, pl.Array) else None)
    if isinstance(dtype, pl.Struct):
        fields = {each.name: _reader(as_dtype(each.dtype), naive_is_utc=naive_is_utc) for each in dtype.fields}
        return lambda value: _struct(value, fields)
    if isinstance(dtype, pl.Datetime):
        zone = timezone.utc if naive_is_utc and dtype.time_zone is not None else None
        return lambda value: _moment(value, zone, zoned=dtype.time_zone is not None)
    if dtype.is_integer():
        low, high = _RANGES[type(dtype)]
        return lambda value: _whole(value, low, high)
    plain: Mapping[type[pl.DataType], _Read] = {
        pl.Boolean: _flag,
        pl.String: _text,
        pl.Float64: _float,
        pl.Float32: _small_float,
        pl.Date: lambda value: date.fromisoformat(_text(value)),
        pl.Binary: lambda value: b64decode(_text(value), validate=True),
    }
    return plain.get(type(dtype), _nothing)


def _nothing(_: object) -> object:
    raise TypeError


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # raises where it is no Unicode text
    return value


def _whole(value: object, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise TypeError
    return value


def _float(value: object) -> float:
    if isinstance(value, str):
        return _FLOATS[value] if value in _FLOATS else _nothing(value)  # type: ignore[return-value]
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        raise ValueError
    return number


def _small_float(value: object) -> float:
    number = _float(value)
    if math.isfinite(number) and abs(number) > 3.4028235677973366e38:  # more than the largest of four bytes
        raise OverflowError
    return number


def _moment(value: object, zone: timezone | None, *, zoned: bool) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    if (moment.tzinfo is not None) != zoned:
        raise ValueError
    return moment.astimezone(timezone.utc) if zoned else moment


def _list(value: object, inner: _Read, size: int | None) -> list[object]:
    if not isinstance(value, list) or size not in (None, len(value)):
        raise TypeError
    return [None if each is None else inner(each) for each in value]


def _struct(value: object, fields: Mapping[str, _Read]) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != fields.keys():
        raise TypeError
    return {name: None if value[name] is None else read(value[name]) for name, read in fields.items()}

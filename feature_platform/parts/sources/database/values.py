"""Values that a driver gives one by one, as a column of one type: without loss, or refused by name."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import polars as pl

_EXACT = 2**53  # whole numbers up to it are exact as floating ones


class WrongValue(Exception):
    """A value that is not of its column's type."""

    def __init__(self, column: str, value: object, dtype: pl.DataType) -> None:
        text = repr(value)
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        super().__init__(f"column `{column}` holds {shown}, which cannot be read as {dtype} without loss")


def series_of(name: str, values: Sequence[object], dtype: pl.DataType) -> pl.Series:
    """Return values as a column.

    Raises:
        WrongValue: one of them is of another type, or would be changed.
    """
    convert = _CONVERTERS.get(type(dtype))
    converted = list(values)
    if convert is not None:
        for place, value in enumerate(values):
            if value is not None:
                converted[place] = _convert_value(name, value, dtype, convert)
    try:
        return pl.Series(name, converted, dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise WrongValue(name, _culprit(converted, dtype), dtype) from None


def frame_of(rows: Sequence[Sequence[object]], types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return rows as a frame with columns of these types, in this order; without columns, as many empty rows.

    Raises:
        WrongValue: a value is not of its column's type.
    """
    if not types:
        return pl.DataFrame(height=len(rows))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return pl.DataFrame([series_of(name, values, types[name]) for name, values in zip(types, columns, strict=True)])


def _convert_value(
    name: str, value: object, dtype: pl.DataType, convert: Callable[[object, pl.DataType], object]
) -> object:
    try:
        return convert(value, dtype)
    except (ValueError, ArithmeticError, TypeError):
        raise WrongValue(name, value, dtype) from None


def _culprit(values: Sequence[object], dtype: pl.DataType) -> object:
    """Return the first value that is not of a type."""
    for value in values:
        try:
            pl.Series([value], dtype=dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            return value
    return values


def _whole(value: object, _dtype: pl.DataType) -> object:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _truth(value: object, _dtype: pl.DataType) -> bool:
    if isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    raise ValueError


def _floating(value: object, _dtype: pl.DataType) -> float:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    if isinstance(value, int) and abs(value) > _EXACT:
        raise ValueError
    return float(value)


def _decimal(value: object, dtype: pl.DataType) -> Decimal:
    if (
        not isinstance(dtype, pl.Decimal)
        or isinstance(value, bool)
        or not isinstance(value, (int, float, str, Decimal))
    ):
        raise TypeError
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    written = exact.quantize(Decimal(1).scaleb(-dtype.scale))
    if written != exact:
        raise ValueError
    return written


def _text(value: object, _dtype: pl.DataType) -> str:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise TypeError
    return value


def _binary(value: object, _dtype: pl.DataType) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError
    return bytes(value)


def _day(value: object, _dtype: pl.DataType) -> date:
    if isinstance(value, str):
        return date.fromisoformat(_in_one_form(value))
    if isinstance(value, datetime) or not isinstance(value, date):
        raise TypeError
    return value


def _time(value: object, dtype: pl.DataType) -> datetime:
    """Return a time as the column has it: with a zone in UTC, where the column has one, and otherwise without."""
    moment = datetime.fromisoformat(_in_one_form(value)) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or not isinstance(dtype, pl.Datetime):
        raise TypeError
    if (moment.tzinfo is None) != (dtype.time_zone is None):
        raise ValueError
    return moment if moment.tzinfo is None else moment.astimezone(timezone.utc)


def _in_one_form(text: str) -> str:
    """Return a time in the one form of ISO 8601 that begins with its day, so that texts are in the order of time."""
    if text[4:5] != "-" or text[7:8] != "-":
        raise ValueError
    return text


_CONVERTERS: Mapping[type[pl.DataType], Callable[[object, pl.DataType], object]] = {
    **dict.fromkeys((pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64), _whole),
    pl.String: _text,
    pl.Binary: _binary,
    pl.Boolean: _truth,
    pl.Float32: _floating,
    pl.Float64: _floating,
    pl.Decimal: _decimal,
    pl.Date: _day,
    pl.Datetime: _time,
}

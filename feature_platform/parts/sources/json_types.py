"""Types of JSON values: which are read exactly, by way of which other type, and which fields a schema leaves out."""

from collections.abc import Mapping

import polars as pl

from feature_platform.ground.content import as_dtype

_SHORT = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16)
_PLAIN = (pl.Int32, pl.Int64, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date, *_SHORT)
_INSIDE = (pl.Int64, pl.Float64, pl.Boolean, pl.String, pl.Date)
_WITH_ZONE = "%Y-%m-%dT%H:%M:%S%.f%z"


def readable_type(dtype: pl.DataType) -> bool:
    """Tell whether JSON can be read as a type without a value that changes silently.

    >>> [readable_type(each) for each in (pl.Datetime("us", "UTC"), pl.Datetime("us"), pl.Decimal(10, 2))]
    [True, False, False]
    """
    if isinstance(dtype, (pl.List, pl.Struct)):
        return all(_is_readable_inside(inner) for inner in _inner_types(dtype))
    return isinstance(dtype, _PLAIN) or (isinstance(dtype, pl.Datetime) and dtype.time_zone is not None)


def stored_type(dtype: pl.DataType) -> pl.DataType:
    """Return the type in which Polars reads values that `bring_to_type` makes of the wanted one."""
    if isinstance(dtype, pl.Datetime):
        return pl.String()
    return pl.Int64() if isinstance(dtype, _SHORT) else dtype


def bring_to_type(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column of a stored type in the wanted one; a value that does not fit is an error when rows are read.

    A time is text such as `2024-05-01T10:00:00Z` or `2024-05-01 10:00:00.5+02:00`.
    """
    if not isinstance(dtype, pl.Datetime):
        return column.cast(dtype)
    text = column.str.replace("[Zz]$", "+00:00").str.replace("^(.{10})[ t]", "${1}T")
    times = text.str.to_datetime(_WITH_ZONE, time_unit=dtype.time_unit)
    return times.dt.convert_time_zone(str(dtype.time_zone))


def unnamed_fields(found: Mapping[str, pl.DataType], named: Mapping[str, pl.DataType], within: str = "") -> list[str]:
    """Return the fields of objects, at any depth, that a schema does not name.

    >>> unnamed_fields({"a": pl.Struct({"x": pl.Int64, "y": pl.Int64})}, {"a": pl.Struct({"x": pl.Int64})})
    ['a.y']
    """
    names = []
    for name, dtype in found.items():
        if name not in named:
            names.append(f"{within}{name}")
            continue
        fields, known = _fields_of(dtype), _fields_of(as_dtype(named[name]))
        if fields is not None and known is not None:
            names += unnamed_fields(fields, known, f"{within}{name}.")
    return names


def _is_readable_inside(dtype: pl.DataType) -> bool:
    if isinstance(dtype, (pl.List, pl.Struct)):
        return all(_is_readable_inside(inner) for inner in _inner_types(dtype))
    return isinstance(dtype, _INSIDE)


def _inner_types(dtype: pl.List | pl.Struct) -> list[pl.DataType]:
    if isinstance(dtype, pl.List):
        return [as_dtype(dtype.inner)]
    return [as_dtype(field.dtype) for field in dtype.fields]


def _fields_of(dtype: pl.DataType) -> dict[str, pl.DataType] | None:
    """Return the fields of objects that a type holds, itself or in lists; None when it holds none."""
    if isinstance(dtype, pl.List):
        return _fields_of(as_dtype(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return {field.name: as_dtype(field.dtype) for field in dtype.fields}
    return None

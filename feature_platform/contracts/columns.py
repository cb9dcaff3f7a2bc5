"""The types of columns in a contract: how ours are described, and whether a table has those that a contract says."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from feature_platform.ground.content import as_dtype

CLOCK = "featurePlatform.clock"  # a custom property of the column that is the event time, or known at
TYPES = "featurePlatform.types"  # a custom property of a contract whose physical types are those of Polars


def describe_column(name: str, dtype: pl.DataType) -> dict[str, Any]:
    """Return a column as a contract describes it.

    >>> describe_column("day", pl.Date())
    {'name': 'day', 'logicalType': 'date', 'physicalType': 'Date'}
    """
    return {"name": name, **_describe_type(dtype)}


def _describe_type(dtype: pl.DataType) -> dict[str, Any]:
    logical = logical_type(dtype)
    described: dict[str, Any] = {} if logical is None else {"logicalType": logical}
    described["physicalType"] = str(dtype)
    match dtype:
        case pl.Datetime():
            zone = {} if dtype.time_zone is None else {"defaultTimezone": dtype.time_zone}
            described["logicalTypeOptions"] = {"timezone": dtype.time_zone is not None, **zone}
        case pl.List() | pl.Array():
            described["items"] = _describe_type(as_dtype(dtype.inner))
        case pl.Struct():
            described["properties"] = [describe_column(each.name, as_dtype(each.dtype)) for each in dtype.fields]
    return described


def logical_type(dtype: pl.DataType) -> str | None:
    """Return the logical type of the standard for a type, in which bytes are text; None where it has none."""
    match dtype:
        case pl.String() | pl.Categorical() | pl.Enum() | pl.Binary():
            return "string"
        case pl.Boolean():
            return "boolean"
        case pl.Date():
            return "date"
        case pl.Datetime():
            return "timestamp"
        case pl.Time():
            return "time"
        case pl.List() | pl.Array():
            return "array"
        case pl.Struct():
            return "object"
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_numeric() else None


def find_type_fault(column: Mapping[str, Any], dtype: pl.DataType, *, exact: bool) -> str | None:
    """Return how a type differs from that of a contract; None when it is that, or the contract says none.

    Args:
        column: the property of the contract.
        exact: whether its physical types are those of Polars, so that they are compared, too.

    >>> find_type_fault({"logicalType": "integer"}, pl.String(), exact=False)
    'is String, not integer'
    """
    wanted = column.get("logicalType")
    if wanted is not None and not _is_of_type(wanted, dtype):
        return f"is {dtype}, not {wanted}"
    if exact and column.get("physicalType") not in (None, str(dtype)):
        return f"is {dtype}, not {column['physicalType']}"
    zoned = (column.get("logicalTypeOptions") or {}).get("timezone")
    if isinstance(dtype, pl.Datetime) and zoned is not None and zoned != (dtype.time_zone is not None):
        return f"is {dtype}, {'not in a time zone' if zoned else 'not without a time zone'}"
    return _fault_inside(column, dtype, exact=exact)


def _is_of_type(wanted: str, dtype: pl.DataType) -> bool:
    if wanted == "number":  # whole numbers are numbers
        return dtype.is_numeric()
    if wanted in ("map", "vector"):  # tables hold maps and vectors as lists
        return isinstance(dtype, (pl.List, pl.Array, pl.Map))
    return wanted == logical_type(dtype)


def _fault_inside(column: Mapping[str, Any], dtype: pl.DataType, *, exact: bool) -> str | None:
    if isinstance(dtype, (pl.List, pl.Array)) and column.get("items"):
        fault = find_type_fault(column["items"], as_dtype(dtype.inner), exact=exact)
        return None if fault is None else f"has items of which each {fault}"
    if isinstance(dtype, pl.Struct):
        types = {each.name: as_dtype(each.dtype) for each in dtype.fields}
        for inner in column.get("properties") or ():
            name = column_name(inner)
            fault = find_type_fault(inner, types[name], exact=exact) if name in types else "is missing"
            if fault is not None:
                return f"has a field `{name}` that {fault}"
    return None


def column_name(column: Mapping[str, Any]) -> str:
    """Return the name that a column has in the data: the physical one, where it differs."""
    return str(column.get("physicalName") or column["name"])

"""A request: the fields that only the asker knows, such as the amount of a payment that is under way.

Online each asked row brings them, offline the spine has columns of these names; their types are the same in both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from feature_platform.clock import UTC
from feature_platform.content import as_dtype
from feature_platform.declarations.naming import SPINE_TIME, checked_name, shown
from feature_platform.errors import InvalidDeclaration

_PLAIN = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date),
)


@dataclass(frozen=True, init=False, eq=False)
class Request:
    """Fields that come with the request, and their Polars types.

    Types are those that a request can carry: whole numbers of up to 64 bits, floats, `Boolean`, `String`, `Date`,
    times in UTC microseconds, and lists of these.

    Raises:
        InvalidDeclaration: no fields, a wrong name, or a type that a request cannot carry.

    >>> Request({"amount": pl.Float64}).fields
    {'amount': Float64}
    """

    fields: Mapping[str, pl.DataType]

    def __init__(self, fields: Mapping[str, pl.DataType | type[pl.DataType]]) -> None:
        if not isinstance(fields, Mapping) or not fields:
            raise InvalidDeclaration(
                "A request",
                f"has the fields {shown(fields)}",
                'Give names and types: fp.Request({"amount": pl.Float64}).',
            )
        object.__setattr__(self, "fields", {_name(name): _type(name, dtype) for name, dtype in fields.items()})


def merged_fields(owner: str, parts: Iterable[Mapping[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """The fields of several requests together.

    Raises:
        InvalidDeclaration: one field with two types.
    """
    merged: dict[str, pl.DataType] = {}
    for fields in parts:
        for name, dtype in fields.items():
            if merged.setdefault(name, dtype) != dtype:
                raise InvalidDeclaration(
                    owner,
                    f"has the request field `{name}` as {merged[name]} and as {dtype}",
                    "Give it one type, or two names.",
                )
    return merged


def _name(name: object) -> str:
    field = checked_name("Request field", name)
    if field == SPINE_TIME:
        raise InvalidDeclaration(
            f"Request field `{field}`",
            "has the name of the clock of a spine",
            "Give the time that is meant another name.",
        )
    return field


def _type(name: str, dtype: object) -> pl.DataType:
    made = as_dtype(dtype) if isinstance(dtype, pl.DataType) or dtype in _classes() else None
    if isinstance(made, pl.Datetime) and made != UTC:
        raise InvalidDeclaration(
            f"Request field `{name}`", f"has the type {made}", 'Times are pl.Datetime("us", "UTC"), here as everywhere.'
        )
    if made is None or not _can_be_carried(made):
        raise InvalidDeclaration(
            f"Request field `{name}`",
            f"has the type {shown(dtype)}",
            'Give a Polars type that a request can carry, e.g. pl.Float64, pl.String or pl.Datetime("us", "UTC").',
        )
    return made


def _classes() -> tuple[type[pl.DataType], ...]:
    return (*_PLAIN, pl.Datetime)


def _can_be_carried(dtype: pl.DataType) -> bool:
    inner = as_dtype(dtype.inner) if isinstance(dtype, pl.List) else dtype
    return isinstance(inner, _PLAIN) or inner == UTC

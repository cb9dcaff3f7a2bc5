"""A request: the fields that only the client knows, such as the amount of a payment that is under way.

Online each entity of a request brings them, offline the spine has columns of these names; types are the same in both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from feature_platform.declarations.field import Field, request_type
from feature_platform.declarations.naming import SPINE_TIME, describe_value, validate_added_column, validate_name
from feature_platform.ground.errors import InvalidDeclaration

_Value = TypeVar("_Value")


@dataclass(frozen=True, init=False, eq=False)
class Request:
    """Fields that come with the request, and their Polars types.

    Types are those that a request can carry: whole numbers of up to 64 bits, floats, `Boolean`, `String`, `Date`,
    times in UTC microseconds, and lists, arrays and structs of these, at any depth. An `fp.Field` in place of a type
    says between what the values lie.

    Attributes:
        fields: the type of each.
        bounded: the fields whose values have bounds.

    Raises:
        InvalidDeclaration: no fields, a wrong name, or a type that a request cannot carry.

    >>> Request({"amount": pl.Float64}).fields
    {'amount': Float64}
    >>> Request({"amount": Field(pl.Float64, between=(0, 1e6))}).bounded
    {'amount': Field(dtype=Float64, between=(0.0, 1000000.0), outside='refuse')}
    """

    fields: Mapping[str, pl.DataType]
    bounded: Mapping[str, Field]

    def __init__(self, fields: Mapping[str, Field | pl.DataType | type[pl.DataType]]) -> None:
        if not isinstance(fields, Mapping) or not fields:
            raise InvalidDeclaration(
                "A request",
                f"has the fields {describe_value(fields)}",
                'Give names and types: fp.Request({"amount": pl.Float64}).',
            )
        fields_by_name = {_validate_field_name(name): _field_of(name, given) for name, given in fields.items()}
        object.__setattr__(self, "fields", {name: each.dtype for name, each in fields_by_name.items()})
        bounded = {name: each for name, each in fields_by_name.items() if each.between is not None}
        object.__setattr__(self, "bounded", bounded)


def merge_fields(owner: str, parts: Iterable[Mapping[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """Merge the fields of several requests.

    Raises:
        InvalidDeclaration: one field with two types.
    """
    return _merge(owner, parts, "Give it one type, or two names.")


def merge_bounds(owner: str, parts: Iterable[Mapping[str, Field]]) -> dict[str, Field]:
    """Merge the bounds of several requests; a field that has bounds in one has them in all.

    Raises:
        InvalidDeclaration: one field with two pairs of bounds.
    """
    return _merge(owner, parts, "Give it the same bounds everywhere, or two names.")


def _merge(owner: str, parts: Iterable[Mapping[str, _Value]], remedy: str) -> dict[str, _Value]:
    merged: dict[str, _Value] = {}
    for fields in parts:
        for name, value in fields.items():
            if merged.setdefault(name, value) != value:
                raise InvalidDeclaration(
                    owner, f"has the request field `{name}` as {merged[name]} and as {value}", remedy
                )
    return merged


def _validate_field_name(name: object) -> str:
    field = validate_name("Request field", name)
    validate_added_column("A request", field)
    if field == SPINE_TIME:
        raise InvalidDeclaration(
            f"Request field `{field}`",
            "has the name of the clock of a spine",
            "Give the time that is meant another name.",
        )
    return field


def _field_of(name: str, given: object) -> Field:
    return given if isinstance(given, Field) else Field(request_type(f"Request field `{name}`", given))

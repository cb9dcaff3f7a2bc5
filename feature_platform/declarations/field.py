"""A field of a request, and the bounds that its values are held to."""

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import polars as pl

from feature_platform.declarations.naming import describe_value
from feature_platform.ground.clock import UTC
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration

Outside = Literal["refuse", "clip"]
Bound = float | date
Between = tuple[Bound | None, Bound | None]
_PLAIN = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date),
)


@dataclass(frozen=True, init=False)
class Field:
    """A field that comes with the request: its type, and where its values lie.

    Attributes:
        dtype: a type that a request can carry.
        between: the least and the greatest value, both allowed; of a number, a date or a time. One of the two may be
            None: there is no bound on that side. None: anything.
        outside: what happens to a value that lies elsewhere, infinities too: the request is refused, or the nearest
            bound is taken. NaN has no nearest bound and is refused in both cases; a null stays a null.

    Raises:
        InvalidDeclaration: a type that a request cannot carry, bounds that are none, or another word for `outside`.

    >>> Field(pl.Float64, between=(0, 1e6), outside="clip")
    Field(dtype=Float64, between=(0.0, 1000000.0), outside='clip')
    >>> Field(pl.Int64, between=(0, None)).between
    (0, None)
    """

    dtype: pl.DataType
    between: Between | None
    outside: Outside

    def __init__(
        self,
        dtype: pl.DataType | type[pl.DataType],
        *,
        between: Between | None = None,
        outside: Outside = "refuse",
    ) -> None:
        instance = request_type("A request field", dtype)
        if outside not in ("refuse", "clip"):
            raise InvalidDeclaration(
                "A request field", f"has outside={describe_value(outside)}", 'Say "refuse" or "clip".'
            )
        if between is None and outside == "clip":
            raise InvalidDeclaration(
                "A request field", 'has outside="clip" and no bounds', "Give the bounds: between=(0, 1e6)."
            )
        object.__setattr__(self, "dtype", instance)
        object.__setattr__(self, "between", None if between is None else _bounds(instance, between))
        object.__setattr__(self, "outside", outside)


def request_type(culprit: str, dtype: object) -> pl.DataType:
    """Return a type as it was given, or the type that a class stands for.

    Raises:
        InvalidDeclaration: a request cannot carry it.
    """
    instance = as_dtype(dtype) if isinstance(dtype, pl.DataType) or dtype in (*_PLAIN, pl.Datetime) else None
    if isinstance(instance, pl.Datetime) and instance != UTC:
        raise InvalidDeclaration(
            culprit, f"has the type {instance}", 'Times are pl.Datetime("us", "UTC"), here as everywhere.'
        )
    if instance is None or not _can_be_carried(instance):
        raise InvalidDeclaration(
            culprit,
            f"has the type {describe_value(dtype)}",
            'Give a Polars type that a request can carry, e.g. pl.Float64, pl.String or pl.Datetime("us", "UTC").',
        )
    return instance


def _can_be_carried(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Array) and not dtype.size:
        return False
    if isinstance(dtype, (pl.List, pl.Array)):
        return _can_be_carried(as_dtype(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return bool(dtype.fields) and all(_can_be_carried(as_dtype(field.dtype)) for field in dtype.fields)
    return isinstance(dtype, _PLAIN) or dtype == UTC


def _bounds(dtype: pl.DataType, between: object) -> Between:
    """Return both bounds as the type holds them; None where there is none on a side."""
    culprit, found = "A request field", f"of type {dtype} has between={describe_value(between)}"
    if not (dtype.is_numeric() or dtype == pl.Date or dtype == UTC):
        raise InvalidDeclaration(culprit, found, "Only numbers, dates and times have bounds.")
    if not isinstance(between, tuple | list) or len(between) != 2:
        raise InvalidDeclaration(culprit, found, "Give the least and the greatest value: between=(0, 1e6).")
    least, greatest = (None if each is None else _bound(dtype, each) for each in between)
    lost = any(given is not None and held is None for given, held in zip(between, (least, greatest), strict=True))
    if lost or (least is None and greatest is None) or _is_above(least, greatest):
        raise InvalidDeclaration(
            culprit,
            found,
            f"Give two finite values that {dtype} holds, the least first: between=(0, 100). "
            "None in the place of one of them: no bound on that side.",
        )
    return least, greatest


def _is_above(least: Bound | None, greatest: Bound | None) -> bool:
    return least is not None and greatest is not None and least > greatest  # type: ignore[operator]


def _bound(dtype: pl.DataType, value: object) -> Bound | None:
    if dtype.is_numeric():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
    elif dtype == pl.Date:
        if not isinstance(value, date) or isinstance(value, datetime):
            return None
    elif not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        stored = pl.Series([value]).cast(dtype).item()
    except (OverflowError, pl.exceptions.PolarsError):  # a value that the type has no room for
        return None
    exact = dtype.is_float() or stored == value
    return stored if exact and (not dtype.is_float() or math.isfinite(stored)) else None

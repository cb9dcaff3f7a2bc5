"""The types that a view declares for its features, which tables hold as they are, or arrays as lists."""

from collections.abc import Mapping

import polars as pl

from feature_platform.declarations.naming import describe_value, validate_name
from feature_platform.ground.clock import UTC
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration

_PLAIN = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64),
    *(pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Decimal),
)
_EXAMPLE = 'types={"embedding": pl.Array(pl.Float32, 64)}'


def feature_types(culprit: str, types: object, *, windowed: bool) -> dict[str, pl.DataType]:
    """Return the types of features by name, as instances.

    Raises:
        InvalidDeclaration: they are no types by name, of a windowed view, or types that a table cannot hold unchanged.

    >>> feature_types("A view", {"embedding": pl.Array(pl.Float32, 2)}, windowed=False)
    {'embedding': Array(Float32, shape=(2,))}
    """
    if types is None:
        return {}
    if not isinstance(types, Mapping):
        raise InvalidDeclaration(culprit, f"has types={describe_value(types)}", f"Give types by feature: {_EXAMPLE}.")
    if windowed:
        raise InvalidDeclaration(
            culprit, "has types and aggregations, which say the types of its features", "Drop `types`."
        )
    return {validate_name(f"{culprit}: feature", name): _type(culprit, name, dtype) for name, dtype in types.items()}


def _type(culprit: str, name: object, dtype: object) -> pl.DataType:
    instance = as_dtype(dtype) if isinstance(dtype, pl.DataType) or dtype in _PLAIN else None
    if instance is None or not _is_stored(instance):
        raise InvalidDeclaration(
            culprit,
            f"declares `{name}` as {describe_value(dtype)}",
            "Give a type that tables hold: signed whole numbers, floats, flags, texts, dates, times in UTC "
            f"microseconds, and lists, arrays and structs of these, e.g. {_EXAMPLE}.",
        )
    return instance


def _is_stored(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Array) and not dtype.size:
        return False
    if isinstance(dtype, (pl.List, pl.Array)):
        return _is_stored(as_dtype(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return bool(dtype.fields) and all(_is_stored(as_dtype(field.dtype)) for field in dtype.fields)
    return isinstance(dtype, _PLAIN) or dtype == UTC

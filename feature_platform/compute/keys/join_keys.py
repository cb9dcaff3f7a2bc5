"""Join keys: one type on both sides, and a null in any part matches nothing.

NaN counts as null: pandas writes it where there is no value.
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from feature_platform.ground.errors import ColumnCollision, MissingColumns, WrongColumnType
from feature_platform.ground.working_columns import KEY_PART


def require_columns(schema: pl.Schema, columns: Iterable[str | None], owner: str) -> None:
    """Refuse a frame that lacks columns; `None` stands for a column that was not asked for.

    Raises:
        MissingColumns: names all that are missing.
    """
    missing = [name for name in columns if name is not None and name not in schema]
    if missing:
        raise MissingColumns(owner, missing, schema)


def refuse_collisions(schema: pl.Schema, added: Sequence[str | None], owner: str) -> None:
    """Refuse to add a column that is there already, or one name twice.

    Raises:
        ColumnCollision: names all of them.
    """
    names = [name for name in added if name is not None]
    twice = [name for name in dict.fromkeys(names) if name in schema or names.count(name) > 1]
    if twice:
        raise ColumnCollision(owner, twice, "Rename them on one side, or select the columns that are needed.")


def key_names(on: Sequence[str]) -> list[str]:
    """Return the names under which the parts of a key travel through the work."""
    return [f"{KEY_PART}{part}" for part in range(len(on))]


def shared_types(
    left: pl.Schema, right: pl.Schema, on: Sequence[str], owner: str, own: Mapping[str, str] | None = None
) -> dict[str, pl.DataType]:
    """Return for each part of the key the type that holds the values of both sides without loss.

    Whole numbers of any width meet, and so do String, Categorical and Enum, and floats of both widths.

    Args:
        on: the parts, as the left side names them.
        own: what the right side calls them, where that is something else.

    Raises:
        MissingColumns: a side lacks a part of the key.
        WrongColumnType: types that do not meet; names the column and both types.
    """
    require_columns(left, on, f"{owner}: the left frame")
    names = {name: (own or {}).get(name, name) for name in on}
    require_columns(right, names.values(), f"{owner}: the right frame")
    shared = {name: _shared_type(left[name], right[names[name]]) for name in on}
    for name, dtype in shared.items():
        if dtype is None or dtype.is_nested() or dtype == pl.Object:
            raise WrongColumnType(
                owner,
                name,
                f"{left[name]} on the left and {right[names[name]]} on the right",
                "one key type",
                "Cast one side.",
            )
    return {name: dtype for name, dtype in shared.items() if dtype is not None}


def key_parts(types: Mapping[str, pl.DataType], own: Mapping[str, str] | None = None) -> list[pl.Expr]:
    """Return the parts of the key in their shared types, under their travelling names; null where they are NaN.

    Args:
        own: what this side calls the parts, where that is something else.
    """
    names = own or {}
    parts = zip(types.items(), key_names(list(types)), strict=True)
    return [_without_nan(pl.col(names.get(name, name)).cast(dtype), dtype).alias(key) for (name, dtype), key in parts]


def has_whole_key(types: Mapping[str, pl.DataType]) -> pl.Expr:
    """Tell whether no part of the key is null or NaN; true for a key without parts.

    >>> types = {"card": pl.Float64()}
    >>> pl.DataFrame({"card": [1.0, None, float("nan")]}).select(has_whole_key(types)).to_series().to_list()
    [True, False, False]
    """
    parts = [_without_nan(pl.col(name), dtype).is_not_null() for name, dtype in types.items()]
    return pl.all_horizontal(pl.lit(value=True), *parts)


def none_is_null(columns: Iterable[str | None]) -> pl.Expr:
    """Tell whether none of the columns is null; true when there are none."""
    return pl.all_horizontal(pl.lit(value=True), *(pl.col(name).is_not_null() for name in columns if name is not None))


def _without_nan(part: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return part.fill_nan(None) if dtype.is_float() else part


def _shared_type(left: pl.DataType, right: pl.DataType) -> pl.DataType | None:
    if left == pl.Null or right == pl.Null:
        known = left if right == pl.Null else right
        return pl.Int64() if known == pl.Null else _shared_type(known, known)
    if left.is_integer() and right.is_integer():
        wide = {pl.UInt64, pl.Int128, pl.UInt128}
        return pl.Int64() if not {left, right} & wide else left if left == right else pl.Int128()
    texts = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(left, texts) and isinstance(right, texts):
        return pl.String()
    if left.is_float() and right.is_float():
        return pl.Float64()
    return left if left == right else None

"""Columns read in a type that the files do not have: only where no value is lost."""

from collections.abc import Mapping

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable

Types = Mapping[str, type[pl.DataType] | pl.DataType]
_AS_TEXT = (pl.Boolean, pl.Date, pl.Decimal, pl.Categorical, pl.Enum)


def validate_types(kind: str, word: str, types: object) -> dict[str, pl.DataType]:
    """Return the types of columns as instances.

    Raises:
        InvalidDeclaration: it is no mapping of column names to Polars types.
    """
    if isinstance(types, Mapping):
        instances = {name: as_dtype(dtype) for name, dtype in types.items()}
        if all(isinstance(name, str) and isinstance(dtype, pl.DataType) for name, dtype in instances.items()):
            return instances
    raise InvalidDeclaration(
        f"Connector {kind}", f"has {word}={types!r}", f'Give Polars types by column: {word}={{"code": pl.String}}.'
    )


def read_as(frame: pl.LazyFrame, found: pl.Schema, types: Types, file: str, owner: str) -> pl.LazyFrame:
    """Return the frame with columns in the types given for them; a column that is not there is ignored.

    A text that is no number, or a number beyond the range of its type, is an error while rows are read.

    Raises:
        SourceUnreadable: values of the type that was found could be lost or changed.
    """
    wanted = {
        name: as_dtype(dtype) for name, dtype in types.items() if name in found and found[name] != as_dtype(dtype)
    }
    for name, dtype in wanted.items():
        if not holds(dtype, found[name]):
            reason = f"column `{name}` is {found[name]}, which cannot be read as {dtype} without loss"
            raise SourceUnreadable(owner, file, reason, "Say another type in `types`, or convert it in `prepare`.")
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in wanted.items()) if wanted else frame


def holds(wanted: pl.DataType, found: pl.DataType) -> bool:
    """Tell whether a type holds the values of another one, or refuses those that it cannot hold."""
    if isinstance(found, pl.Null):
        return True
    if isinstance(wanted, pl.String):
        return found.is_numeric() or isinstance(found, _AS_TEXT)
    if isinstance(found, pl.String) or found.is_integer():
        return wanted.is_numeric()
    if found.is_float():
        return wanted == pl.Float64
    if isinstance(found, pl.Decimal):
        return wanted.is_float()
    return False

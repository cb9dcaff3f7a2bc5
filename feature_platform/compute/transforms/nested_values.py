"""Values in the type that is declared for them, at any depth of lists and structs: which types meet, and what is lost.

Whole numbers meet floats and whole numbers of other widths, floats meet floats, texts meet `String`; a list meets an
array whose length it has, and structs meet by the names of their fields.
"""

from typing import NamedTuple

import polars as pl

from feature_platform.ground.content import as_dtype

_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_LISTS = (pl.List, pl.Array)


def types_meet(dtype: pl.DataType, wanted: pl.DataType) -> bool:
    """Tell whether values of one type may be taken as another, as far as types tell.

    >>> types_meet(pl.List(pl.Float64), pl.Array(pl.Float32, 64)), types_meet(pl.Float64(), pl.Int64())
    (True, False)
    """
    if dtype in (wanted, pl.Null):
        return True
    if isinstance(wanted, _LISTS):
        if isinstance(dtype, pl.Array) and isinstance(wanted, pl.Array) and dtype.size != wanted.size:
            return False
        return isinstance(dtype, _LISTS) and types_meet(as_dtype(dtype.inner), as_dtype(wanted.inner))
    if isinstance(wanted, pl.Struct):
        fields = fields_of(dtype) if isinstance(dtype, pl.Struct) else {}
        return fields.keys() == fields_of(wanted).keys() and all(
            types_meet(fields[name], each) for name, each in fields_of(wanted).items()
        )
    if dtype.is_integer():
        return wanted.is_numeric()
    return (dtype.is_float() and wanted.is_float()) or (isinstance(dtype, _TEXTS) and wanted == pl.String)


def fields_of(dtype: pl.Struct) -> dict[str, pl.DataType]:
    """Return the fields of a struct, and their types."""
    return {field.name: as_dtype(field.dtype) for field in dtype.fields}


class WrongLength(NamedTuple):
    """The first list that is not as long as its array.

    Attributes:
        row: its place, counted from 0.
        places: of all rows with such a list, each once.
    """

    row: int
    length: int
    places: pl.Series

    @property
    def rows(self) -> int:
        """Count the rows that have such a list."""
        return len(self.places)


def wrong_length(values: pl.Series, wanted: pl.DataType) -> WrongLength | None:
    """Return the first list that is not as long as its array; None where all are.

    >>> wrong = wrong_length(pl.Series([[1.0, 2.0], [1.0]]), pl.Array(pl.Float64, 2))
    >>> wrong.row, wrong.length, wrong.rows
    (1, 1, 1)
    """
    return _wrong_length(pl.int_range(len(values), eager=True), values, wanted)


def _wrong_length(rows: pl.Series, values: pl.Series, wanted: pl.DataType) -> WrongLength | None:
    if values.dtype in (wanted, pl.Null):
        return None
    if isinstance(wanted, pl.Struct):
        fields = [(values.struct.field(name), dtype) for name, dtype in fields_of(wanted).items()]
        return next((wrong for each, dtype in fields if (wrong := _wrong_length(rows, each, dtype))), None)
    if not isinstance(wanted, _LISTS):
        return None
    lists = values.arr.to_list() if isinstance(values.dtype, pl.Array) else values
    if isinstance(wanted, pl.Array):
        lengths = lists.list.len()
        differs = (lengths != wanted.size).fill_null(value=False)
        if differs.any():
            place = int(differs.arg_max() or 0)
            return WrongLength(int(rows[place]), int(lengths[place]), rows.filter(differs).unique(maintain_order=True))
    inner = as_dtype(wanted.inner)
    if not isinstance(inner, (*_LISTS, pl.Struct)):
        return None
    each = pl.DataFrame([rows.alias("row"), lists.alias("value")]).explode("value")
    return _wrong_length(each["row"], each["value"], inner)


def cast_values(values: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Return values in a type that theirs meets; what it cannot hold is null, or infinite: see `is_kept`.

    Lists must have the length of their arrays.

    >>> cast_values(pl.Series([[1, 2], None]), pl.Array(pl.Float32, 2)).to_list()
    [[1.0, 2.0], None]
    """
    if values.dtype == wanted:
        return values
    if not isinstance(wanted, (*_LISTS, pl.Struct)) or values.dtype == pl.Null:
        return values.cast(wanted, strict=False)
    name = values.name
    return values.to_frame().select_seq(_cast(pl.col(name), values.dtype, wanted).alias(name)).to_series()


def _cast(value: pl.Expr, dtype: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Cast by names: Polars itself takes the fields of structs by their places."""
    if dtype == wanted or dtype == pl.Null:
        return value.cast(wanted)
    if isinstance(wanted, _LISTS) and isinstance(dtype, _LISTS):
        inner, own = as_dtype(wanted.inner), as_dtype(dtype.inner)
        if not isinstance(inner, (*_LISTS, pl.Struct)):
            return value.cast(wanted, strict=False)
        lists = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        return lists.list.eval(_cast(pl.element(), own, inner)).cast(wanted)
    if isinstance(wanted, pl.Struct) and isinstance(dtype, pl.Struct):
        types = fields_of(dtype)
        fields = [
            _cast(value.struct.field(name), types[name], each).alias(name) for name, each in fields_of(wanted).items()
        ]
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    return value.cast(wanted, strict=False)


def is_kept(values: pl.Series, cast: pl.Series) -> bool:
    """Tell whether a type holds all values that were cast to it; a float is rounded to the nearest `Float32`.

    >>> is_kept(pl.Series([300]), pl.Series([300]).cast(pl.Int8, strict=False))
    False
    >>> is_kept(pl.Series([0.1]), pl.Series([0.1], dtype=pl.Float32))
    True
    """
    dtype, wanted = values.dtype, cast.dtype
    if dtype in (wanted, pl.Null) or isinstance(dtype, _TEXTS):
        return True
    if isinstance(dtype, pl.Struct):
        return all(is_kept(values.struct.field(name), cast.struct.field(name)) for name in fields_of(dtype))
    if isinstance(dtype, _LISTS):
        return is_kept(*(_items(each) for each in (values, cast)))
    if dtype.is_float():
        return not (values.is_finite() & ~cast.is_finite()).any()
    return cast.cast(dtype, strict=False).eq_missing(values).all()


def _items(lists: pl.Series) -> pl.Series:
    return (lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists).explode(empty_as_null=True)

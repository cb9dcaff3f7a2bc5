"""Features of a declared type, and how large a value of lists, arrays and structs may be.

A table holds arrays as lists; whoever reads the table gets what the view declares.
"""

from collections.abc import Mapping
from functools import partial

import polars as pl

from feature_platform.compute.transforms.nested_values import fields_of, wrong_length
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.content import as_dtype
from feature_platform.ground.errors import (
    MissingColumns,
    TransformFailed,
    ValueTooLarge,
    WrongColumnType,
    WrongListLength,
)

MOST_NUMBERS = 4_096  # of one value: numbers, flags, times and texts alike
MOST_BYTES = 64 * 2**10
_LISTS = (pl.List, pl.Array)
_OTHER_TYPE = "Let its function return that type, or declare the one that it has."


def declared_features(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the function of a view makes with its features in the types that the view declares.

    Raises:
        MissingColumns: it made no such feature.
        WrongColumnType: it made one of another type.
        WrongListLength: it made a list of another length; when the rows are computed.
    """
    if not view.types:
        return rows
    owner, schema = f"Feature view `{view.name}`", rows.collect_schema()
    if missing := [name for name in view.types if name not in schema]:
        raise MissingColumns(owner, missing, schema)
    return typed_columns(rows, view.types, owner, _OTHER_TYPE)


def describe_wrong_length(view: FeatureView, rows: pl.DataFrame) -> str | None:
    """Return a sentence about the first feature with lists that are not as long as the view declares, with their keys.

    Args:
        rows: what the function of the view makes.
    """
    keys = list(view.own_keys.values())
    for name, wanted in view.types.items():
        wrong = wrong_length(rows[name], wanted) if name in rows.columns else None
        if wrong is not None:
            owners = rows.select(keys)[wrong.places]
            held = f"{owners.n_unique():,} key(s)" if keys else f"{wrong.rows:,} row(s)"
            first = ", ".join(f"{key}={value!r}" for key, value in owners.row(0, named=True).items()) if keys else ""
            whose = f", first that of {first}" if first else ""
            return (
                f"Feature view `{view.name}`: `{name}` is a list of {wrong.length}, and of a wrong length in {held}"
                f"{whose}; {wanted} is needed. {_OTHER_TYPE}"
            )
    return None


def read_features(view: FeatureView, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows of a view's table with its features in the types that the view declares.

    Raises:
        WrongColumnType: the table was made of another declaration.
        WrongListLength: it was made of one with lists of another length; when the rows are read.
    """
    schema = rows.collect_schema() if view.types else pl.Schema()
    types = {name: dtype for name, dtype in view.types.items() if name in schema}
    return typed_columns(rows, types, f"Table `{view.asset}`", "Materialize the view as it is declared now.")


def with_arrays(rows: pl.LazyFrame, types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return rows of a table with arrays where the rows that it was written from had them; all else as it is stored.

    >>> stored = pl.LazyFrame({"e": [[1.0, 2.0]], "n": [1]})
    >>> with_arrays(stored, {"e": pl.Array(pl.Float64, 2), "n": pl.Int8()}).collect_schema().dtypes()
    [Array(Float64, shape=(2,)), Int64]
    """
    schema = rows.collect_schema()
    arrays = {
        name: dtype
        for name, dtype in types.items()
        if name in schema and dtype != schema[name] and _with_lists(dtype) == _with_lists(schema[name])
    }
    return typed_columns(rows, arrays, "The table", "Write it again.")


def typed_columns(rows: pl.LazyFrame, types: Mapping[str, pl.DataType], owner: str, remedy: str) -> pl.LazyFrame:
    """Return rows with some columns as arrays that are lists, which a table has in their place.

    Raises:
        WrongColumnType: a column has a type that differs in more.
        WrongListLength: a list has another length than its array; when the rows are computed.

    >>> rows = pl.LazyFrame({"e": [[1.0, 2.0]]})
    >>> typed_columns(rows, {"e": pl.Array(pl.Float64, 2)}, "A table", "Cast it.").collect().schema["e"]
    Array(Float64, shape=(2,))
    """
    schema = rows.collect_schema() if types else pl.Schema()
    columns: list[pl.Expr] = []
    for name, wanted in types.items():
        dtype = schema[name]
        if dtype in (wanted, pl.Null):
            columns += [] if dtype == wanted else [pl.col(name).cast(wanted)]
        elif _with_lists(dtype) == _with_lists(wanted):
            fit = partial(_fit_lists, wanted=wanted, owner=owner, remedy=remedy)
            columns.append(pl.col(name).map_batches(fit, return_dtype=wanted, is_elementwise=True))
        else:
            raise WrongColumnType(owner, name, dtype, wanted, remedy)
    return rows.with_columns(columns) if columns else rows


def _fit_lists(values: pl.Series, *, wanted: pl.DataType, owner: str, remedy: str) -> pl.Series:
    if (wrong := wrong_length(values, wanted)) is not None:
        raise WrongListLength(
            f"{owner}: `{values.name}` is a list of {wrong.length} in row {wrong.row}, counted from 0, and of a wrong "
            f"length in {wrong.rows:,} row(s), but {wanted} is needed. {remedy}"
        )
    return values.cast(wanted)


def _with_lists(dtype: pl.DataType) -> pl.DataType:
    """Return a type with lists in the place of its arrays."""
    if isinstance(dtype, _LISTS):
        return pl.List(_with_lists(as_dtype(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({name: _with_lists(each) for name, each in fields_of(dtype).items()})
    return dtype


# ---------------------------------------------------------------- how large


def require_small_values(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a view's table, if no value of lists, arrays or structs is larger than a feature may be.

    Raises:
        ValueTooLarge: names the view, the feature, and how many keys have such a value.
    """
    keys = list(view.own_keys.values())
    for name, large in _large_values(rows).items():
        found, dtype = rows.filter(large), rows.schema[name]
        numbers, size = found.select(numbers=_count(pl.col(name), dtype), size=_size(pl.col(name), dtype)).row(0)
        owners = found.select(keys)
        key = owners.row(0, named=True) if keys else {}
        held = owners.n_unique() if keys else found.height
        most = f"{MOST_NUMBERS:,} numbers, {MOST_BYTES // 1024} kB"
        raise ValueTooLarge(
            f"Feature view `{view.name}`", name, key, held, f"{numbers:,} numbers, {size:,} bytes", most
        )
    return rows


def require_small_pushes(view: FeatureView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return what a view makes of pushed rows, if no value is larger than a feature may be; none is shown."""
    for name in _large_values(rows):
        failure = f"makes `{name}` larger than {MOST_NUMBERS:,} numbers or {MOST_BYTES // 1024} kB of pushed rows"
        raise TransformFailed(f"Feature view `{view.name}`", "its function", failure, "Push smaller values.")
    return rows


def _large_values(rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Return for each column with values that are too large which these are."""
    found: dict[str, pl.Series] = {}
    for name, dtype in rows.schema.items():
        if isinstance(dtype, (*_LISTS, pl.Struct)) and rows.height:
            value = pl.col(name)
            large = (_count(value, dtype) > MOST_NUMBERS) | (_size(value, dtype) > MOST_BYTES)
            sizes = rows.select_seq(large.fill_null(value=False).alias(name)).to_series()
            if sizes.any():
                found[name] = sizes
    return found


def _count(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Count the numbers and texts in a value; a null counts as one, since it has a place."""
    if isinstance(dtype, _LISTS):
        lists, inner = _lists(value, dtype), as_dtype(dtype.inner)
        if isinstance(inner, (*_LISTS, pl.Struct)):
            return lists.list.eval(_count(pl.element(), inner)).list.sum()
        return lists.list.len()
    if isinstance(dtype, pl.Struct):
        return pl.sum_horizontal(_count(value.struct.field(name), each) for name, each in fields_of(dtype).items())
    return pl.when(value.is_null()).then(1).otherwise(1).cast(pl.UInt32)


def _size(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return about how many bytes a value takes."""
    if isinstance(dtype, _LISTS):
        lists, inner = _lists(value, dtype), as_dtype(dtype.inner)
        if inner.is_numeric() or inner.is_temporal() or inner == pl.Boolean:
            return lists.list.len() * _width(inner)
        return lists.list.eval(_size(pl.element(), inner)).list.sum()
    if isinstance(dtype, pl.Struct):
        return pl.sum_horizontal(_size(value.struct.field(name), each) for name, each in fields_of(dtype).items())
    if dtype == pl.String:
        return value.str.len_bytes().fill_null(0)
    if dtype == pl.Binary:
        return value.bin.size().fill_null(0)
    return pl.when(value.is_null()).then(_width(dtype)).otherwise(_width(dtype)).cast(pl.UInt32)


def _width(dtype: pl.DataType) -> int:
    return 4 if dtype in (pl.Float32, pl.Int32, pl.Date) else 8


def _lists(value: pl.Expr, dtype: pl.List | pl.Array) -> pl.Expr:
    return value.arr.to_list() if isinstance(dtype, pl.Array) else value

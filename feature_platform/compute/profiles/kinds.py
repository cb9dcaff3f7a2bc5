"""The kinds of columns: how their values can be compared.

Numbers, durations and times of day are numbers, and so are lists, by their length; text, booleans and bytes are
categories; of a list the first value is compared besides, as a column of its own; of moments, arrays and structs only
the absence is compared, since moments always move on.
"""

import math
from collections.abc import Mapping

import polars as pl

from feature_platform.ground.content import as_dtype
from feature_platform.parts.drift.base import Kind


def value_kind_of(dtype: pl.DataType) -> Kind:
    """Return how values of this type can be compared.

    >>> value_kind_of(pl.Int32()).value, value_kind_of(pl.Boolean()).value, value_kind_of(pl.Date()).value
    ('number', 'category', 'other')
    """
    if dtype.is_numeric() or dtype in (pl.Duration, pl.Time) or isinstance(dtype, pl.List):
        return Kind.NUMBER
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Binary):
        return Kind.CATEGORY
    return Kind.OTHER


def first_values(schema: Mapping[str, pl.DataType]) -> dict[str, pl.Expr]:
    """Return the first value of each column of lists whose values can be compared, by the name that it is compared as.

    >>> list(first_values({"seen": pl.List(pl.String), "at": pl.List(pl.Date), "n": pl.Int64()}))
    ['seen[0]']
    """
    lists = {
        name_of_first(name): pl.col(name).list.first()
        for name, dtype in schema.items()
        if isinstance(dtype, pl.List)
        and not isinstance(dtype.inner, pl.List)
        and value_kind_of(as_dtype(dtype.inner)) is not Kind.OTHER
    }
    return {name: value for name, value in lists.items() if name not in schema}


def name_of_first(column: str) -> str:
    """Return what the first value of a list is compared as."""
    return f"{column}[0]"


def why_not(dtype: pl.DataType) -> str | None:
    """Return why the values of a column of this type are not compared; None when they are."""
    if value_kind_of(dtype) is not Kind.OTHER:
        return None
    if dtype == pl.Null:
        return "there are no values"
    return "moments always move on" if dtype in (pl.Date, pl.Datetime) else f"{dtype} values have no distribution"


def comparable(values: pl.Series, kind: Kind) -> pl.Series:
    """Return the values as 64-bit floats or as text, null where there is none (a NaN is none); of lists the lengths."""
    dtype = values.dtype
    if isinstance(dtype, pl.List):
        return values.list.len().cast(pl.Float64)
    if kind is Kind.NUMBER:
        plain = values.to_physical() if dtype in (pl.Duration, pl.Time) else values
        floats = plain if dtype == pl.Float64 else plain.cast(pl.Float64)
        return floats.fill_nan(None) if math.isnan(floats.sum()) else floats  # a sum costs less than to look for NaNs
    return values.bin.encode("hex") if dtype == pl.Binary else values.cast(pl.String)


def without_nulls(values: pl.Series) -> pl.Series:
    """Return the values without nulls.

    Polars is not asked where there are none, which counts in tables of many columns.
    """
    return values.drop_nulls() if values.null_count() else values

"""The approximate size of columns in memory."""

import polars as pl

_WIDTHS = {1: (pl.Boolean, pl.Int8, pl.UInt8), 2: (pl.Int16, pl.UInt16), 4: (pl.Int32, pl.UInt32, pl.Float32, pl.Date)}


def width_of(dtype: pl.DataType) -> int:
    """Estimate how many bytes a value of a type takes in memory."""
    for width, dtypes in _WIDTHS.items():
        if isinstance(dtype, dtypes):
            return width
    return 8 if dtype.is_numeric() or dtype.is_temporal() else 24


def row_width(schema: pl.Schema) -> int:
    """Estimate how many bytes a row takes in memory."""
    return sum(map(width_of, schema.dtypes()))

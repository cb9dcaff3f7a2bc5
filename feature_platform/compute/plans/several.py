"""Frames of which Polars computes every row in the same way.

It divides a column by a number with one rounding in a frame of one row, and multiplies by the rounded inverse in any
other; and so with powers. It computes each chunk of a column alone, and a constant column once. So the bits of a row
would depend on the rows beside it.
"""

import polars as pl


def as_several(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows, twice where there is only one, with no column in chunks and none a constant.

    >>> as_several(pl.DataFrame({"x": [3.0]})).height
    2
    """
    return pl.DataFrame([_several_in_one_piece(column) for column in rows])


def _several_in_one_piece(values: pl.Series) -> pl.Series:
    if len(values) == 1:
        values = pl.concat([values, values])
    return values.rechunk() if values.n_chunks() > 1 else values

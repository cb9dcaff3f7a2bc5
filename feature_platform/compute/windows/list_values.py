"""Lists of values that lie end to end, and columns of any type of which some values are replaced."""

import numpy as np
import polars as pl

from feature_platform.compute.windows.timeline import Whole
from feature_platform.ground.working_columns import RANGE

_FEW = 200  # lists that are made one by one sooner than a query begins


def cut_into_lists(values: pl.Series, sizes: Whole) -> pl.Series:
    """Return values that lie end to end as lists of some sizes; null where a size is 0.

    >>> cut_into_lists(pl.Series([5, 6, 7]), np.array([2, 0, 1])).to_list()
    [[5, 6], None, [7]]
    """
    if len(sizes) <= _FEW:
        starts = (np.cumsum(sizes) - sizes).tolist()
        pieces = [
            values.slice(start, size) if size else None for start, size in zip(starts, sizes.tolist(), strict=True)
        ]
        return pl.Series(pieces, dtype=pl.List(values.dtype))
    filled = np.flatnonzero(sizes)
    owner = pl.Series(RANGE, np.repeat(np.arange(len(filled)), sizes[filled])).set_sorted()
    frame = pl.DataFrame([owner, values.alias("values")])
    lists = frame.group_by(RANGE, maintain_order=True).agg("values").get_column("values").alias("")
    if len(filled) == len(sizes):
        return lists
    places = np.cumsum(sizes > 0) - 1
    return lists.gather(pl.Series(places).set(pl.Series(sizes == 0), None))


def replace_at(column: pl.Series, places: Whole, values: pl.Series) -> pl.Series:
    """Return a column of any type with other values at some places.

    >>> replace_at(pl.Series([[1], [2]]), np.array([0]), pl.Series([[3]])).to_list()
    [[3], [2]]
    """
    rows = np.arange(len(column))
    rows[places] = len(column) + np.arange(len(places))
    return pl.concat([column, values]).gather(rows)

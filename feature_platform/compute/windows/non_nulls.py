"""The values of a column without its nulls, and where a range of events lies among them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.timeline import Whole


@dataclass(frozen=True)
class NonNullValues:
    """The values of a column that are not null.

    Attributes:
        values: those that are not null, in the order of their events.
        before: how many of them lie before each event, and before the end; none where nothing is null.
    """

    values: pl.Series
    before: Whole | None

    def among(self, rows: Whole) -> Whole:
        """Return the ends of ranges of events as ends of ranges of values."""
        return rows if self.before is None else self.before[rows]


def non_null_values(column: pl.Series) -> NonNullValues:
    """Return the values of a column that are not null.

    >>> some = non_null_values(pl.Series([1.5, None, 2.5]))
    >>> some.values.to_list(), some.among(np.array([1, 3])).tolist()
    ([1.5, 2.5], [1, 2])
    """
    if not column.null_count():
        return NonNullValues(column, None)
    return NonNullValues(column.drop_nulls(), counts_before(column.is_not_null()))


def counts_before(flags: pl.Series) -> Whole:
    """Count the flags that are set before each row, and before the end."""
    return np.append(0, np.cumsum(flags.to_numpy(), dtype=np.int64))


def has_physical(dtype: pl.DataType) -> bool:
    """Tell whether numpy has a type for the values as they are stored, in which they keep their order."""
    wide = dtype in (pl.Int128, pl.UInt128) or dtype.is_decimal()
    return dtype == pl.Boolean or dtype.is_temporal() or (dtype.is_numeric() and not wide)


def physical(values: pl.Series) -> npt.NDArray[np.generic]:
    """Return values without nulls as they are stored: times as whole numbers."""
    return values.to_physical().to_numpy()

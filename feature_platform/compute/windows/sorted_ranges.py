"""Ranges sorted side by side: those of about one length are the rows of a matrix, sorted at once.

What the values of a range are in order answers quantiles and distinct counts. The cost grows with the length of
ranges: long ones over the same values belong to a wavelet matrix.
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from feature_platform.compute.windows.ragged import chunks
from feature_platform.compute.windows.timeline import Whole

Number = TypeVar("Number", bound=np.generic)

_EACH = 32  # up to this length every length has its own matrix; above, rows are up to an eighth longer than their range


def sorted_rows(
    values: npt.NDArray[Number], low: Whole, high: Whole
) -> Iterator[tuple[Whole, npt.NDArray[Number], Whole]]:
    """Yield the ranges `[low, high)` that are not empty, in chunks of bounded size.

    Yields:
        Positions of ranges, a matrix with their values in order, NaN last, and how many of a row are values.
    """
    sizes = high - low
    widths = _widths(sizes)
    order = np.argsort(widths, kind="stable")
    order = order[np.searchsorted(widths[order], 1) :]
    for group in np.split(order, np.flatnonzero(np.diff(widths[order])) + 1) if len(order) else ():
        for chunk in chunks(widths[group]):
            asked = group[chunk]
            yield asked, _sort_rows(values, low[asked], sizes[asked], int(widths[asked[0]])), sizes[asked]


def _widths(sizes: Whole) -> Whole:
    """Return the lengths, longer ones rounded up to an eighth of the power of two below."""
    step = np.left_shift(1, np.maximum(np.frexp(np.maximum(sizes, 1))[1].astype(np.int64) - 4, 0))
    return np.where(sizes <= _EACH, sizes, -(-sizes // step) * step)


def _sort_rows(values: npt.NDArray[Number], low: Whole, sizes: Whole, width: int) -> npt.NDArray[Number]:
    places = np.arange(width)
    rows: npt.NDArray[Number] = values[np.minimum(low[:, None] + places, len(values) - 1)]
    if (sizes < width).any():
        rows[places >= sizes[:, None]] = _last(rows.dtype)
    rows.sort(axis=1)
    return rows


def _last(dtype: np.dtype[Number]) -> float:
    """Return a value that no value of the type comes after."""
    return np.nan if dtype.kind == "f" else int(np.iinfo(dtype.name).max)

"""A sketch of the different values of a column: the smallest of their hashes.

Up to `SIZE` values the count is exact, beyond it within about 3% (one standard error); sketches of two sets of
rows merge into the sketch of both. Polars may hash otherwise in another release or on another processor: `HASHED_BY`
tells by which hash a sketch was made, and only sketches of one hash may meet.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

Sketch = npt.NDArray[np.uint64]

SIZE = 1024
EMPTY: Sketch = np.empty(0, dtype=np.uint64)
_SEED = 5
_SHORT = 256  # values of a stretch, below which to sort all stretches at once is quicker
HASHED_BY = int(pl.Series(["feature_platform"]).hash(seed=_SEED).item() >> 1)


def sketch_of(values: pl.Series) -> Sketch:
    """Return the sketch of some values; nulls do not count.

    >>> distinct(sketch_of(pl.Series([1.0, 2.0, 2.0, None])))
    2
    """
    hashes = values.drop_nulls().hash(seed=_SEED)
    if len(hashes) > 16 * SIZE:  # nearly always the smallest are among few, when most values differ
        few = _smallest(hashes.filter(hashes < 4 * SIZE * (2**64 // len(hashes))).to_numpy())
        if len(few) == SIZE:
            return few
    return _smallest(hashes.unique().to_numpy())


def sketches_of(values: pl.Series, starts: npt.NDArray[np.intp]) -> list[Sketch]:
    """Return the sketch of each of some neighbouring stretches of values without nulls.

    `starts` says where each begins, and where the last one ends.
    """
    hashes = values.hash(seed=_SEED).to_numpy()
    if len(hashes) > _SHORT * len(starts):
        return [_smallest(hashes[start:end]) for start, end in pairwise(starts.tolist())]
    stretches = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    ordered = hashes[np.lexsort((hashes, stretches))]
    new = _differs(ordered) | _differs(stretches)
    ends = np.searchsorted(stretches[new], np.arange(len(starts))).tolist()
    different = ordered[new]
    return [different[start : min(end, start + SIZE)] for start, end in pairwise(ends)]


def merge_sketches(sketches: Sequence[Sketch]) -> Sketch:
    """Merge sketches into the sketch of the values of all of them."""
    return _smallest(np.concatenate(sketches))


def distinct(sketch: Sketch) -> int:
    """Return about how many different values there are."""
    if len(sketch) < SIZE:
        return len(sketch)
    return round((SIZE - 1) * 2.0**64 / float(sketch[-1]))


def _smallest(hashes: Sketch) -> Sketch:
    """Return the smallest different hashes. Sorting is many times quicker here than NumPy's `unique`."""
    ordered = np.sort(hashes)
    return np.asarray(ordered[_differs(ordered)][:SIZE])


def _differs(ordered: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Tell of each value whether it is another than the one before; the first one is."""
    new = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new

"""Gathered windows: the events of many ranges laid end to end, and any aggregation over each.

Work is cut into chunks of bounded size, so that memory does not grow with the number of windows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from feature_platform.compute.windows.timeline import Scale, Timeline, Whole
from feature_platform.ground.working_columns import RANGE

AT_ONCE = 1_000_000  # events in one chunk; a single window may hold more


def gather_windows(
    line: Timeline, low: Whole, high: Whole, known_by: Whole, aggregations: Sequence[pl.Expr]
) -> pl.DataFrame:
    """Compute aggregations over the rows `[low, high)` of a timeline, for each range that holds an event.

    Args:
        known_by: for each range, the time by which its events must have been known.

    Returns:
        `RANGE`, the position of the range, in ascending order, and a column for each aggregation.
    """
    asked = np.flatnonzero(high > low)
    runs = [asked[:0], *(asked[some] for some in chunks((high - low)[asked]))]  # an empty run first, for the types
    return pl.concat([_aggregate(line, low, high, known_by, each, aggregations) for each in runs])


def spread(starts: Whole, sizes: Whole) -> Whole:
    """Return the whole numbers of many ranges, end to end.

    >>> spread(np.array([5, 9, 2]), np.array([2, 0, 3])).tolist()
    [5, 6, 2, 3, 4]
    """
    return np.arange(sizes.sum()) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)


def chunks(sizes: Whole) -> Iterator[Whole]:
    """Yield the positions of things of some sizes, in runs of about `AT_ONCE` in all.

    >>> [some.tolist() for some in chunks(np.array([600_000, 300_000, 200_000]))]
    [[0, 1], [2]]
    """
    chunk = np.cumsum(sizes) // AT_ONCE
    yield from np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(chunk)) + 1)


def lay_end_to_end(line: Timeline, low: Whole, high: Whole, known_by: Whole) -> tuple[Timeline, tuple[Whole, Whole]]:
    """Lay the known events of ranges `[low, high)` end to end, each range as a key of its own; with its place."""
    rows, asking = _visible(line, low, high, known_by, np.arange(len(low)))
    scale = Scale(rows[:0], 0)
    ends = np.append(0, np.cumsum(np.bincount(asking, minlength=len(low)))).astype(np.int64)
    keys = pl.DataFrame({RANGE: np.arange(len(low))})
    laid = Timeline(line.events[rows], keys=keys, known=None, scale=scale, line=asking * scale.width)
    return laid, (ends[:-1], ends[1:])


def _visible(line: Timeline, low: Whole, high: Whole, known_by: Whole, asked: Whole) -> tuple[Whole, Whole]:
    """Return the rows of some ranges that were known in time, and of which range each is."""
    sizes = (high - low)[asked]
    rows, asking = spread(low[asked], sizes), np.repeat(asked, sizes)
    if line.known is None:
        return rows, asking
    visible = line.known[rows] <= known_by[asking]
    return rows[visible], asking[visible]


def _aggregate(
    line: Timeline, low: Whole, high: Whole, known_by: Whole, asked: Whole, aggregations: Sequence[pl.Expr]
) -> pl.DataFrame:
    rows, asking = _visible(line, low, high, known_by, asked)
    events = pl.DataFrame({RANGE: pl.Series(asking, dtype=pl.Int64).set_sorted()})
    if line.events.width:
        events = events.hstack(line.events[rows])
    return events.group_by(RANGE, maintain_order=True).agg(aggregations)

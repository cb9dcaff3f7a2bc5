"""The past of rows: in order of group and time, all that lies before a row in its group is one range of rows.

Rows of one instant have the same past. A row without a time has no past and is in no other row's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.ground.working_columns import GROUP, SPINE_ROW, TICKS

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_ROWS_AT_ONCE = 4_000_000  # rows of whole groups for which an expression is evaluated at once; one group may hold more


@dataclass(frozen=True)
class Past:
    """The rows that have a time, by group and time; equal times stay in input order.

    Attributes:
        rows: where each of them is in the frame.
        keys: the value of `by` of each group, all null when there are no groups.
        starts: the first ordered row of each group, and the number of rows at the end.
        instants: the first ordered row of each group and instant.
    """

    rows: Whole
    keys: pl.Series
    starts: Whole
    instants: Whole

    def low(self, rows: Whole) -> Whole:
        """Return where the past of each ordered row begins: at the first row of its group."""
        return self.starts[np.searchsorted(self.starts, rows, side="right") - 1]

    def high(self, rows: Whole) -> Whole:
        """Return the row before which the past of each ordered row ends: the first of its group and instant."""
        return self.instants[np.searchsorted(self.instants, rows, side="right") - 1]


def evaluate_in_groups(values: pl.Series, expression: pl.Expr, starts: Whole) -> pl.Series:
    """Evaluate an expression over the column of ordered values, over each group by itself.

    Args:
        starts: the first value of each group, and the number of values at the end.
    """
    if len(starts) == 2:
        return values.to_frame().select(expression).to_series()
    rows = pl.DataFrame({SPINE_ROW: pl.Series(group_codes(starts)).set_sorted(), values.name: values})
    over = expression.over(SPINE_ROW, mapping_strategy="explode")
    return pl.concat([rows[start:end].select(over).to_series() for start, end in _spans(starts)], rechunk=True)


def group_codes(starts: Whole) -> Whole:
    """Return the number of the group of each ordered row."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def _spans(starts: Whole) -> Iterator[tuple[int, int]]:
    """Yield ordered rows cut between groups, at least one span."""
    start, last = 0, int(starts[-1])
    while True:
        one = int(np.searchsorted(starts, start, side="right"))
        many = int(np.searchsorted(starts, start + _ROWS_AT_ONCE, side="right")) - 1
        end = int(starts[min(max(one, many), len(starts) - 1)])
        yield start, end
        if end == last:
            return
        start = end


def past_of(times: pl.Series, by: pl.Series | None) -> Past:
    """Return the past of each row of a frame.

    Args:
        times: in whole microseconds.
        by: the group of each row, a null and a NaN are groups like any other; None puts all into one group.

    >>> past = past_of(pl.Series([5, 1, 1, None]), None)
    >>> past.rows.tolist(), past.high(np.array([0, 1, 2])).tolist()
    ([1, 2, 0], [0, 0, 2])
    """
    order = _by_time(times)
    if by is None:
        keys, rows, sizes = pl.Series([None]), order, np.array([len(order)])
    else:
        groups = (
            pl.DataFrame({GROUP: by.gather(order), SPINE_ROW: order})
            .group_by(GROUP, maintain_order=True)
            .agg(SPINE_ROW)
        )
        keys, rows = groups[GROUP], groups[SPINE_ROW].explode(empty_as_null=False)
        sizes = groups[SPINE_ROW].list.len().to_numpy()
    starts = np.append(0, np.cumsum(sizes, dtype=np.int64))
    ordered = times.gather(rows).to_numpy()
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    first[starts[:-1][sizes > 0]] = True
    return Past(rows.to_numpy().astype(np.int64), keys, starts, np.flatnonzero(first))


def take_rows(values: pl.Series, rows: Whole, there: Flags) -> pl.Series:
    """Return the values of some rows, null where there is none."""
    return values.gather(pl.Series(rows).set(pl.Series(~there), None))


def _by_time(times: pl.Series) -> pl.Series:
    """Return the rows that have a time, in its order."""
    rows = pl.DataFrame({SPINE_ROW: pl.int_range(len(times), dtype=pl.UInt32, eager=True), TICKS: times})
    if times.null_count() or not times.is_sorted():
        rows = rows.drop_nulls().sort(TICKS, maintain_order=True)
    return rows[SPINE_ROW]

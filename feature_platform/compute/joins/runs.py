"""Rows in order of key and time, one run of rows for each key, and the newest of a run at a moment."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_platform.compute.joins.codes import NO_KEY, Codes, KeyCodes, Whole
from feature_platform.compute.windows.ragged import spread
from feature_platform.ground.working_columns import KEY_CODE, KNOWN_TICKS, RUN_PLACE, TICKS

_STEPS_BACK = 16  # rows that are looked at one by one before those not known yet are put in order of `known`
_RUNS_WORTH = 4  # rows a run must have on average for its key to be looked up once


@dataclass(frozen=True)
class Runs:
    """Rows by key, event time, time known and place; a run holds all rows of a key.

    Attributes:
        codes: the key of each run, each once, at least 0.
        starts, ends: the rows `[start, end)` of each run.
        events: the event time of each row, in microseconds.
        known: when each row was known, where that is a clock of its own.
        places: where each row lies in its table.
    """

    codes: Codes
    starts: Whole
    ends: Whole
    events: Whole
    known: Whole | None
    places: Whole

    def visible_from(self) -> Whole:
        """Return when each row can be seen: it has happened, and is known."""
        return self.events if self.known is None else np.maximum(self.events, self.known)

    def newest(self, keys: int, codes: Codes, moments: Whole) -> Whole:
        """Return for each key and moment the last row that can be seen, -1 where there is none."""
        run_of = np.full(keys, -1)
        run_of[self.codes] = np.arange(len(self.codes))
        run = run_of[codes]
        asking = np.flatnonzero(run >= 0)
        low, high, moments = self.starts[run[asking]], self.ends[run[asking]], moments[asking]
        row = last_until(self.events, low, high, moments)
        if self.known is not None:
            row = self._known_by(row, low, moments, self.known)
        result = np.full(len(codes), -1)
        result[asking] = np.where(row >= low, row, -1)
        return result

    def _known_by(self, row: Whole, low: Whole, moments: Whole, known: Whole) -> Whole:
        """Step back from the newest row of each to the newest one that is known."""
        unknown = np.flatnonzero(row >= low)
        for _ in range(_STEPS_BACK):
            unknown = unknown[known[row[unknown]] > moments[unknown]]
            row[unknown] -= 1
            unknown = unknown[row[unknown] >= low[unknown]]
            if not len(unknown):
                return row
        row[unknown] = self._by_availability(low[unknown], row[unknown] + 1, moments[unknown])
        return row

    def _by_availability(self, low: Whole, high: Whole, moments: Whole) -> Whole:
        """Search the same in order of availability, among rows that beat all rows of their run seen before."""
        starts, which = np.unique(low, return_inverse=True)
        ends = np.zeros_like(starts)
        np.maximum.at(ends, which, high)
        rows = spread(starts, ends - starts)
        run = np.repeat(np.arange(len(starts)), ends - starts)
        visible_from = self.visible_from()[rows]
        order = np.lexsort((rows, visible_from, run))
        rows, run, visible_from = rows[order], run[order], visible_from[order]
        best = rows == np.maximum.accumulate(rows)
        rows, run, visible_from = rows[best], run[best], visible_from[best]
        bounds = np.searchsorted(run, np.arange(len(starts) + 1))
        last = last_until(visible_from, bounds[which], bounds[which + 1], moments)
        return np.where(last >= bounds[which], rows[np.maximum(last, 0)], low - 1)


def last_until(times: Whole, low: Whole, high: Whole, moments: Whole) -> Whole:
    """Return the last row of each range `[low, high)` of ascending times that is not after its moment; else `low - 1`.

    >>> last_until(np.array([1, 5, 9]), np.array([0, 0]), np.array([3, 3]), np.array([5, 0])).tolist()
    [1, -1]
    """
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        after = (low < high) & (times[np.minimum(middle, len(times) - 1)] <= moments)
        low, high = np.where(after, middle + 1, low), np.where(after, high, middle)
    return low - 1


def runs_of(rows: pl.DataFrame, codes: KeyCodes, offset: int) -> Runs:
    """Return the rows of a piece whose key has a code, in order; rows without a clock are left out.

    Files that are sorted by key and time, as the platform writes them, are taken as they are; that they are
    sorted is looked at, not believed.

    Args:
        rows: the key under its travelling names, `TICKS` and, if it is a clock of its own, `KNOWN_TICKS`.
        offset: the place of the first row in its table.
    """
    clocks = [name for name in (TICKS, KNOWN_TICKS) if name in rows.columns]
    keys = rows.drop(clocks)
    if any(rows[clock].null_count() for clock in clocks):
        return _sort_rows(rows, codes.of(keys), offset)
    starts = _run_starts(keys, rows.height)
    if len(starts) * _RUNS_WORTH > rows.height:
        return _sort_rows(rows, codes.of(keys), offset)
    ends = np.append(starts[1:], rows.height)[: len(starts)]
    code = codes.of(keys[starts])
    events = rows[TICKS].to_numpy()
    known = rows[KNOWN_TICKS].to_numpy() if KNOWN_TICKS in clocks else None
    if not _is_in_order(code, starts, events, known):
        return _sort_rows(rows, np.repeat(code, ends - starts), offset)
    there = code != NO_KEY
    return Runs(code[there], starts[there], ends[there], events, known, np.arange(offset, offset + rows.height))


def _run_starts(keys: pl.DataFrame, height: int) -> Whole:
    """Return the rows at which another key begins."""
    if not keys.width:
        return np.zeros(min(height, 1), dtype=np.int64)
    changed = keys.select(pl.any_horizontal(pl.all().ne_missing(pl.all().shift()))).to_series()
    if height:
        changed[0] = True
    return changed.arg_true().cast(pl.Int64).to_numpy()


def _is_in_order(codes: Codes, starts: Whole, events: Whole, known: Whole | None) -> bool:
    asked = codes[codes != NO_KEY]
    if np.bincount(asked, minlength=1).max() > 1:
        return False
    later = events[1:] >= events[:-1]
    if known is not None:
        later &= (events[1:] > events[:-1]) | (known[1:] >= known[:-1])
    later[starts[1:] - 1] = True
    return bool(later.all())


def _sort_rows(rows: pl.DataFrame, codes: Codes, offset: int) -> Runs:
    clocks = [name for name in (TICKS, KNOWN_TICKS) if name in rows.columns]
    ordered = (
        rows.select(clocks)
        .with_columns(pl.Series(KEY_CODE, codes), pl.int_range(pl.len(), dtype=pl.Int64).alias(RUN_PLACE))
        .filter(pl.col(KEY_CODE) != NO_KEY, *(pl.col(clock).is_not_null() for clock in clocks))
        .sort(KEY_CODE, *clocks, RUN_PLACE)
    )
    return runs_by_code(
        ordered[KEY_CODE].to_numpy(),
        ordered[TICKS].to_numpy(),
        ordered[KNOWN_TICKS].to_numpy() if KNOWN_TICKS in clocks else None,
        ordered[RUN_PLACE].to_numpy() + offset,
    )


def runs_by_code(codes: Codes, events: Whole, known: Whole | None, places: Whole) -> Runs:
    """Return rows that are in order as runs."""
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    ends = np.append(starts[1:], len(codes))[: len(starts)]
    return Runs(codes[starts], starts, ends, events, known, places)

"""Versions of events: what a late row of another table changes of them, and from when on.

An event sees the newest row of its key with a time not after its own, among those that are known. A row that becomes
known after the event makes another version of it, from that moment on; what was computed for earlier moments stays.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_platform.compute.keys.codes import NO_KEY, Codes, key_codes, sorted_keys
from feature_platform.compute.windows.ragged import spread
from feature_platform.compute.windows.timeline import NEVER, Whole
from feature_platform.ground.working_columns import EVENT_TICKS, KNOWN_TICKS, TICKS, VERSION_FROM, VERSION_UNTIL


@dataclass(frozen=True)
class EventVersions:
    """Versions of events, those of one event side by side in the order in which they become known.

    Attributes:
        events: the place of the event of each.
        rows: the row of the other table that it sees, -1 for none.
        since, until: the moments `[since, until)` at which it counts, in microseconds.
    """

    events: Whole
    rows: Whole
    since: Whole
    until: Whole


def versions_of_events(events: pl.DataFrame, rows: pl.DataFrame, keys: list[str], ttl: int | None) -> EventVersions:
    """Return the versions of events that rows of another table make, at least one of each.

    Args:
        events: parts of the key, `EVENT_TICKS`, and `[VERSION_FROM, VERSION_UNTIL)`, at which they count themselves.
        rows: parts of the key, `TICKS` and `KNOWN_TICKS`, none of them null; of equal ones the last counts.
        ttl: how old a row may be at the time of the event, in microseconds.
    """
    there = events.select(pl.all_horizontal(pl.col(EVENT_TICKS, VERSION_FROM).is_not_null())).to_series()
    at, since = (events[name].fill_null(0).to_numpy() for name in (EVENT_TICKS, VERSION_FROM))
    until = events[VERSION_UNTIL].to_numpy()
    ordered = _Rows.of(rows, keys)
    codes = np.where(there.to_numpy(), key_codes(events, ordered.keys, keys), NO_KEY)
    found = _winners(ordered, codes, at, since, until)
    winners = found.rows
    if ttl is not None and len(ordered.event):
        is_old = at[found.events] - ordered.event[np.maximum(winners, 0)] > ttl
        winners = np.where((winners >= 0) & is_old, -1, winners)
    places = np.where(winners >= 0, ordered.place[np.maximum(winners, 0)], -1) if len(ordered.place) else winners
    return EventVersions(found.events, places, found.since, found.until)


@dataclass(frozen=True)
class _Rows:
    """Rows of a table in order of key, time, time known and input: of some of one key the last one wins."""

    keys: pl.DataFrame
    starts: Whole
    event: Whole
    known: Whole
    place: Whole

    @staticmethod
    def of(rows: pl.DataFrame, names: list[str]) -> "_Rows":
        keys = sorted_keys(rows, names)
        codes = key_codes(rows, keys, names)
        event, known = (rows[name].to_numpy() for name in (TICKS, KNOWN_TICKS))
        order = np.lexsort((known, event, codes))
        starts = np.searchsorted(codes[order], np.arange(max(keys.height, 1) + 2)).astype(np.int64)
        return _Rows(keys, starts, event[order], known[order], order)

    def up_to(self, codes: Codes, times: Whole) -> tuple[Whole, Whole]:
        """Return the rows `[low, high)` of each key that are not after each time."""
        place = np.where(codes == NO_KEY, len(self.starts) - 2, codes)
        low, end = self.starts[place], self.starts[place + 1]
        first, last = low.copy(), end.copy()
        for _ in range(int((end - low).max(initial=0)).bit_length()):
            middle = (first + last) >> 1
            before = (first < last) & (self.event[np.minimum(middle, len(self.event) - 1)] <= times)
            first, last = np.where(before, middle + 1, first), np.where(before, last, middle)
        return low, first


def _winners(rows: _Rows, codes: Codes, at: Whole, since: Whole, until: Whole) -> EventVersions:
    low, high = rows.up_to(codes, at)
    first = _newest_known(rows, low, high, since)
    waiting = high - 1 - first  # rows that would win, had they been known: each may, later
    event, row = np.repeat(np.arange(len(first)), waiting), spread(first + 1, waiting)
    known = rows.known[row]
    order = np.lexsort((row, known, event))
    event, row, known = event[order], row[order], known[order]
    best = np.maximum.accumulate(row + event * (len(rows.event) + 1)) if len(row) else row
    wins = np.append(True, best[1:] > best[:-1])[: len(row)] & (known < until[event])
    return _end_to_end(np.where(first >= low, first, -1), since, until, event[wins], row[wins], known[wins])


def _newest_known(rows: _Rows, low: Whole, high: Whole, since: Whole) -> Whole:
    """Return the newest of some rows that is known when the event is, mostly the last one; before all where none is."""
    newest = high - 1
    waiting = np.flatnonzero(newest >= low)
    while len(waiting):
        waiting = waiting[rows.known[newest[waiting]] > since[waiting]]
        newest[waiting] -= 1
        waiting = waiting[newest[waiting] >= low[waiting]]
    return newest


def _end_to_end(first: Whole, since: Whole, until: Whole, event: Whole, row: Whole, known: Whole) -> EventVersions:
    """Return what is known with each event and then the rows that win later, each until the next one.

    Args:
        event, row, known: the rows that win later, by event and then by when they are known.
    """
    if not len(event):
        return EventVersions(np.arange(len(first)), first, since, until)
    events, rows, begins = (
        np.insert(own, event + 1, later)
        for own, later in ((np.arange(len(first)), event), (first, row), (since, known))
    )
    is_last = np.append(events[1:] != events[:-1], True)
    ends = np.where(is_last, until[events], np.append(begins[1:], NEVER))
    is_seen = begins < ends  # of rows that become known at one moment the newest is
    seen = is_seen | (is_last & (begins >= until[events]))
    return EventVersions(events[seen], rows[seen], begins[seen], ends[seen])

"""Events in order of key and event time, so that every window of a key is one range of rows.

A range is found by binary search in one sorted whole number for key and time together.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.keys.codes import NO_KEY, key_codes, sorted_keys, table_bounds
from feature_platform.compute.keys.join_keys import key_names, key_parts, none_is_null, require_columns
from feature_platform.ground.clock import ticks
from feature_platform.ground.working_columns import KNOWN_TICKS, LINE, TICKS, UNTIL_TICKS

__all__ = ["NEVER", "NO_KEY", "RangeFunction", "Scale", "Timeline", "Whole", "timeline"]

Whole = npt.NDArray[np.int64]
RangeFunction = Callable[[Whole, Whole], pl.Series]  # something over each range `[low, high)` of the rows of a timeline

NEVER = 2**63 - 1  # until when a version counts that none replaces
ROOM = 2**62  # what keys times instants may need of 64 bits
_SAMPLED_KEYS, _SAMPLED_EVENTS = 1_000, 1_000_000  # that are asked whether events come in order of time


class Scale:
    """Times as whole numbers from 0 to `width - 1` in the same order, so that a key fits beside them.

    Only comparisons with the given times are kept: a time before them all is 0, a time after them all
    `width - 1`. Where the span is too long, the numbers are positions among the different times.

    >>> scale = Scale(np.array([10, 12, 99]), keys=1)
    >>> [int(place) for place in scale(np.array([0, 10, 11, 12, 99, 500]))]
    [0, 0, 1, 2, 89, 90]
    """

    def __init__(self, times: Whole, keys: int) -> None:
        self.first, self.last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        self.width = self.last - self.first + 2
        self.grid: Whole | None = None
        if (keys + 1) * self.width >= ROOM:
            self.grid = np.unique(times)
            self.width = len(self.grid) + 1

    def __call__(self, times: Whole) -> Whole:
        if self.grid is not None:
            return np.searchsorted(self.grid, times).astype(np.int64)
        return np.minimum(np.maximum(times, self.first), self.last + 1) - self.first  # quicker than `clip` for few

    def times(self, places: Whole) -> Whole:
        """Return the times of which these are the numbers."""
        return places + self.first if self.grid is None else self.grid[places]


@dataclass(frozen=True)
class Timeline:
    """The events of all keys, by key and time; equal times stay in input order.

    Attributes:
        events: the columns that are aggregated.
        keys: the keys in order; the row of a key is its code.
        known: when each event was known, where that is a clock of its own.
        line: the place of each event by key and time, ascending.
        until: from when on another version of each event counts, `NEVER` for the last; None where each has one version.
    """

    events: pl.DataFrame
    keys: pl.DataFrame
    known: Whole | None
    scale: Scale
    line: Whole
    until: Whole | None = None

    def place(self, codes: Whole, times: Whole) -> Whole:
        """Return keys and times as one whole number, as in `line`."""
        return codes * self.scale.width + self.scale(times)

    def first_at(self, codes: Whole, times: Whole) -> Whole:
        """Return the row of the first event of each key at or after each time; `NO_KEY` is before all rows.

        It is many times quicker for keys and times in order.
        """
        return np.searchsorted(self.line, self.place(codes, times)).astype(np.int64)

    def codes_of(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> Whole:
        """Return the code of the key of each row, `NO_KEY` where it has no events or is null."""
        return key_codes(rows.select(key_parts(types)) if types else rows, self.keys, key_names(list(types)))

    def codes_and_times(self) -> tuple[Whole, Whole]:
        """Return the key and the time of each event."""
        codes, places = np.divmod(self.line, self.scale.width)
        return codes, self.scale.times(places)

    def starts(self) -> Whole:
        """Return the row at which each key begins, and the number of events at the end."""
        return np.searchsorted(self.line, np.arange(max(self.keys.height, 1) + 1) * self.scale.width).astype(np.int64)


def timeline(
    events: pl.LazyFrame | pl.DataFrame,
    types: Mapping[str, pl.DataType],
    *,
    event_time: str,
    known_at: str | None,
    inputs: Iterable[str],
    owner: str,
    known_until: str | None = None,
    between: tuple[int, int] | None = None,
    asked: pl.DataFrame | None = None,
) -> Timeline:
    """Return the events that can be in a window at all: those with a whole key and a value in every clock.

    Args:
        known_until: the column that says from when on another version of an event counts; null for the last one.
        between: events outside `[first, second)`, in microseconds, are left out.
        asked: rows with the keys; events of other keys are left out.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
    """
    names = key_names(list(types))
    read = _whole_rows(events, types, event_time, known_at, known_until, inputs, owner, between)
    if asked is not None and between is not None and (quick_line := _by_place(read, asked, types, between)) is not None:
        return quick_line
    rows = read.collect()
    keys = sorted_keys(rows if asked is None else asked.select(key_parts(types)).drop_nulls(), names)
    codes = key_codes(rows, keys, names)
    rows = rows.drop(names)
    if (codes == NO_KEY).any():
        rows, codes = rows.filter(codes != NO_KEY), codes[codes != NO_KEY]
    times = rows.drop_in_place(TICKS).to_numpy()
    scale = Scale(times, keys.height)
    line = scale(times)
    del times  # several columns of this size are in memory at once
    line += codes * scale.width
    if ascends(line):
        rows = rows.rechunk()
    else:
        order, line = _order_events(codes, line, keys.height)
        del codes
        rows = pl.DataFrame([rows.drop_in_place(name).rechunk().gather(order) for name in rows.columns])
    known, until = (_take_out(rows, name) for name in (KNOWN_TICKS, UNTIL_TICKS))
    return Timeline(events=rows, keys=keys, known=known, scale=scale, line=line, until=until)


def _take_out(rows: pl.DataFrame, name: str) -> Whole | None:
    """Take a clock out of a frame; None where it has none."""
    return rows.drop_in_place(name).to_numpy() if name in rows.columns else None


def _whole_rows(
    events: pl.LazyFrame | pl.DataFrame,
    types: Mapping[str, pl.DataType],
    event_time: str,
    known_at: str | None,
    known_until: str | None,
    inputs: Iterable[str],
    owner: str,
    between: tuple[int, int] | None,
) -> pl.LazyFrame:
    """Return keys, clocks and inputs of the events that have a key and a value in every clock."""
    schema, inputs = events.lazy().collect_schema(), list(dict.fromkeys(inputs))
    require_columns(schema, [event_time, known_at, known_until, *inputs], owner)
    clocks = {TICKS: ticks(schema, event_time, owner)}
    if known_at is not None:
        clocks[KNOWN_TICKS] = ticks(schema, known_at, owner)
    wanted = none_is_null([*key_names(list(types)), *clocks])
    if known_until is not None:
        clocks[UNTIL_TICKS] = ticks(schema, known_until, owner).fill_null(NEVER)
    if between is not None:
        wanted = wanted & pl.col(TICKS).is_between(*between, closed="left")
    return events.lazy().select(*key_parts(types), *inputs, **clocks).filter(wanted)


def _by_place(
    events: pl.LazyFrame, asked: pl.DataFrame, types: Mapping[str, pl.DataType], between: tuple[int, int]
) -> Timeline | None:
    """Return the timeline of whole-number keys that lie close together: Polars makes the line while it reads.

    Each number from the first key asked for to the last is a key, with events or without.
    """
    names = key_names(list(types))
    bounds = table_bounds(asked.select(key_parts(types)), asked.height, names)
    scale = Scale(np.array([between[0], between[1] - 1]), 0)
    if bounds is None or (bounds[1] + 1) * scale.width >= ROOM:
        return None
    first, slots = bounds
    key = pl.col(names[0])
    line = (key - first) * scale.width + (pl.col(TICKS) - scale.first)
    rows = (
        events.filter(key.is_between(first, first + slots, closed="left"))
        .select(line.alias(LINE), pl.exclude(*names, TICKS))
        .collect()
    )
    if not ascends(rows[LINE].to_numpy()):
        rows = rows.sort(LINE, maintain_order=True)
    rows = rows.rechunk()
    places = rows.drop_in_place(LINE).to_numpy()
    known, until = (_take_out(rows, name) for name in (KNOWN_TICKS, UNTIL_TICKS))
    keys = pl.DataFrame({names[0]: np.arange(first, first + slots)})
    return Timeline(events=rows, keys=keys, known=known, scale=scale, line=places, until=until)


def _order_events(codes: Whole, line: Whole, keys: int) -> tuple[pl.Series, Whole]:
    """Return the rows by their place on the line, equal ones in input order, and the line in that order.

    Events of a key mostly come in order of time. Then sorting by key is enough, and several times quicker;
    a few keys are asked first whether it is so.
    """
    few = np.flatnonzero(codes % max(keys // _SAMPLED_KEYS, 1) == 0)[:_SAMPLED_EVENTS]
    if ascends(line[few][_by_key(codes[few]).to_numpy()]):
        order = _by_key(codes)
        ordered = pl.Series(line).gather(order).to_numpy()
        if ascends(ordered):
            return order, ordered
    order = pl.DataFrame({LINE: line}).select(pl.arg_sort_by(LINE, maintain_order=True)).to_series()
    return order, pl.Series(line).gather(order).to_numpy()


def _by_key(codes: Whole) -> pl.Series:
    """Return the rows by code, then by input order: sorted as one whole number, the code above the row."""
    bits = len(codes).bit_length()
    both = codes << bits
    both |= np.arange(len(codes))
    both = pl.Series(both).sort().to_numpy()
    return pl.Series(both & ((1 << bits) - 1)).cast(pl.get_index_type())


def ascends(numbers: Whole) -> bool:
    """Tell whether no number is below the one before."""
    return bool((numbers[1:] >= numbers[:-1]).all())

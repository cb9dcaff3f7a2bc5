"""Events in order of key and event time, so that every window of a key is one range of rows.

A range is found by binary search in one sorted whole number for key and time together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.clock import ticks
from feature_platform.compute.keys import OWN, TIME, key_names, keyed, present, require

Whole = npt.NDArray[np.int64]

NO_KEY = -1
_CODE, _KNOWN = f"{OWN}code", f"{OWN}known"
_ROOM = 2**62  # what keys times instants may need of 64 bits


class Scale:
    """Times as whole numbers from 0 to `width - 1` in the same order, so that a key fits beside them.

    Only comparisons with the given times are kept: whatever is before them all is 0, after them all
    `width - 1`. Where the span is too long, the numbers are positions among the different times.

    >>> scale = Scale(np.array([10, 12, 99]), keys=1)
    >>> [int(place) for place in scale(np.array([0, 10, 11, 12, 99, 500]))]
    [0, 0, 1, 2, 89, 90]
    """

    def __init__(self, times: Whole, keys: int) -> None:
        self.first, self.last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        self.width = self.last - self.first + 2
        self.grid: Whole | None = None
        if (keys + 1) * self.width >= _ROOM:
            self.grid = np.unique(times)
            self.width = len(self.grid) + 1

    def __call__(self, times: Whole) -> Whole:
        if self.grid is not None:
            return np.searchsorted(self.grid, times).astype(np.int64)
        return np.clip(times, self.first, self.last + 1) - self.first


@dataclass(frozen=True)
class Timeline:
    """The events of all keys, by key and time; equal times stay in input order.

    Attributes:
        events: the columns that are aggregated.
        keys: the keys in order; the row of a key is its code.
        codes, times: of each event.
        known: when each event was known, where that is a clock of its own.
    """

    events: pl.DataFrame
    keys: pl.DataFrame
    codes: Whole
    times: Whole
    known: Whole | None
    scale: Scale
    line: Whole

    def first_at(self, codes: Whole, times: Whole) -> Whole:
        """The row of the first event of each key at or after each time; `NO_KEY` is before all rows."""
        return np.searchsorted(self.line, codes * self.scale.width + self.scale(times)).astype(np.int64)

    def codes_of(self, rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> Whole:
        """The code of the key of each row, `NO_KEY` where it has no events or is null."""
        if not types:
            return np.zeros(rows.height, dtype=np.int64)
        found = rows.select(keyed(types)).join(
            self.keys.with_row_index(_CODE), on=key_names(list(types)), how="left", maintain_order="left"
        )
        return found.get_column(_CODE).cast(pl.Int64).fill_null(NO_KEY).to_numpy()


def timeline(
    events: pl.LazyFrame | pl.DataFrame,
    types: Mapping[str, pl.DataType],
    *,
    event_time: str,
    known_at: str | None,
    inputs: Iterable[str],
    owner: str,
) -> Timeline:
    """The events that can be in a window at all: those with a whole key and a value in every clock.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
    """
    schema, names, inputs = (
        events.lazy().collect_schema(),
        key_names(list(types)),
        list(dict.fromkeys(inputs)),
    )
    require(schema, [event_time, known_at, *inputs], owner)
    clocks = {TIME: ticks(schema, event_time, owner)}
    if known_at is not None:
        clocks[_KNOWN] = ticks(schema, known_at, owner)
    rows = events.lazy().select(*keyed(types), *inputs, **clocks).filter(present([*names, *clocks])).collect()
    keys = rows.select(names).unique().sort(names) if names else pl.DataFrame()
    coded = (
        rows.with_columns(pl.lit(0, dtype=pl.Int64).alias(_CODE))
        if not names
        else rows.join(keys.with_row_index(_CODE), on=names, how="left", maintain_order="left")
    )
    ordered = coded.with_columns(pl.col(_CODE).cast(pl.Int64)).sort(_CODE, TIME, maintain_order=True)
    codes, times = ordered.get_column(_CODE).to_numpy(), ordered.get_column(TIME).to_numpy()
    scale = Scale(times, keys.height)
    return Timeline(
        events=ordered.select(inputs),
        keys=keys,
        codes=codes,
        times=times,
        known=None if known_at is None else ordered.get_column(_KNOWN).to_numpy(),
        scale=scale,
        line=codes * scale.width + scale(times),
    )

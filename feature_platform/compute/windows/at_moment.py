"""Windows of a few keys that all end at one moment, from events in memory, without a query.

The values are made by the same code as those of a spine (`window_values`); what is left out is finding out how: what
the columns are, which keys there are, in what order the events come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_platform.compute.windows.asked import AskedWindows
from feature_platform.compute.windows.timeline import NEVER, ROOM, Scale, Timeline, Whole, ascends
from feature_platform.compute.windows.versions import values_as_known
from feature_platform.compute.windows.window_values import WindowQuery
from feature_platform.ground.clock import UTC
from feature_platform.parts.aggregations import Aggregation

_NONE = -(2**63)  # what numpy has in the place of a time that is null


@dataclass(frozen=True)
class AtMoment:
    """Prepared windows that end at a moment.

    Attributes:
        on: the name of the key's number, as errors name it.
        owner: whose windows these are, as errors name it.
    """

    event_time: str
    known_at: str | None
    known_until: str | None
    asked: AskedWindows
    owner: str
    on: str

    @staticmethod
    def of(
        events: Mapping[str, pl.DataType],
        *,
        on: str,
        event_time: str,
        known_at: str | None,
        known_until: str | None = None,
        aggregations: Sequence[Aggregation],
        derived: Mapping[str, pl.Expr] | None = None,
        owner: str,
    ) -> "AtMoment | None":
        """Return the windows over events of some types; None where the events must be looked at or changed first."""
        clocks = [name for name in (event_time, known_at, known_until) if name is not None]
        asked = AskedWindows.of(aggregations, derived)
        if any(events.get(clock) != UTC for clock in clocks) or not set(asked.reads) <= set(events):
            return None
        return AtMoment(event_time, known_at, known_until, asked, owner, on)

    def fits(self, keys: int) -> bool:
        """Tell whether `values` can compute the windows of so many keys."""
        return (keys + 2) * (self.asked.reach + 2) < ROOM

    def values(self, owners: Whole, events: pl.DataFrame, keys: int, moment: int) -> pl.DataFrame:
        """Return the windows that end at a moment, for each of the keys numbered from 0 on.

        Args:
            owners: the number of the key of each event.
            moment: in microseconds since 1970.

        Raises:
            SumTooLarge: a sum of whole numbers does not fit 64 bits.
        """
        line = self._timeline(owners, events, keys, moment)
        codes = np.arange(keys, dtype=np.int64)
        query = WindowQuery(line, codes, np.full(keys, moment, dtype=np.int64), self.owner, [self.on])
        return values_as_known(query, self.asked)

    def _timeline(self, owners: Whole, events: pl.DataFrame, keys: int, moment: int) -> Timeline:
        """Return the events that can be in a window, by key and time; equal times stay in order."""
        times = _ticks(events[self.event_time])
        earliest = moment - self.asked.reach
        chosen = (times >= earliest) & (times < moment)
        known = None if self.known_at is None else _ticks(events[self.known_at])
        until = None if self.known_until is None else _ticks(events[self.known_until])
        if known is not None:
            chosen &= known != _NONE
        scale = Scale(np.array([earliest, moment - 1]), 0)
        places = np.flatnonzero(chosen)
        line = owners[places] * scale.width + (times[places] - scale.first)
        if not ascends(line):
            order = np.argsort(line, kind="stable")
            places, line = places[order], line[order]
        rows = pl.DataFrame([_take(events[name], places) for name in self.asked.reads])
        numbers = pl.DataFrame([pl.Series(self.on, np.arange(keys, dtype=np.int64))])
        line_known = None if known is None else known[places]
        line_until = None if until is None else np.where(until == _NONE, NEVER, until)[places]
        return Timeline(rows, numbers, line_known, scale, line, line_until)


def _ticks(times: pl.Series) -> Whole:
    """Return microseconds since 1970; the least whole number where a time is null."""
    return times.to_numpy().view(np.int64)


def _take(values: pl.Series, places: Whole) -> pl.Series:
    return values if len(places) == len(values) and ascends(places) else values[places]

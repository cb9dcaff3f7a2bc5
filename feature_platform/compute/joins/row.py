"""The newest row known at a moment or, forward, the first row from a moment on."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from feature_platform.compute.joins.base import FindingJoin, FoundRows, no_places
from feature_platform.compute.joins.codes import KeyCodes, Whole
from feature_platform.compute.joins.newest import Newest
from feature_platform.compute.joins.pieces import Table, pieces_between
from feature_platform.compute.joins.prefetch import prefetch
from feature_platform.compute.joins.runs import Runs, runs_of
from feature_platform.compute.joins.spine import SpineRows, rows_by_piece
from feature_platform.ground.working_columns import KNOWN_TICKS, TICKS

_NEVER = 2**63 - 1
_THREADS = 2  # numpy looks places up on one core each
_ROWS_AT_ONCE = 250_000


@dataclass(frozen=True)
class RowJoin(FindingJoin):
    """One row of the table for each moment.

    Forward, time is turned round: the first row from a moment on is the newest of a time that runs backwards.

    Attributes:
        event, known: the clocks in microseconds; `known` only where it is one of its own.
        known_by: of rows to be found forward, only those known by then.
    """

    event: pl.Expr = field(kw_only=True)
    known: pl.Expr | None = field(default=None, kw_only=True)
    forward: bool = False
    known_by: int | None = None

    @property
    def method(self) -> str:
        if self.forward:
            return "first row from the moment on"
        return "newest row known at the moment" if self.known is not None else "newest row at the moment"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        event = self.event
        if self.known_by is not None:
            event = pl.when((event if self.known is None else self.known) <= self.known_by).then(event)
        if self.forward:
            event = -1 - event  # never overflows, as the negative would
        return [event.alias(TICKS)] if self.known is None else [event.alias(TICKS), self.known.alias(KNOWN_TICKS)]

    def reach(self, first: int, last: int) -> Table:
        if self.forward:
            return pieces_between(self.table, first, None if self.limit is None else last + self.limit)
        return pieces_between(self.table, None if self.limit is None else first - self.limit, last)

    def answer(self, spine: SpineRows, names: Sequence[str]) -> FoundRows:
        table, moments = self._in_direction(spine)
        coder, codes = spine.codes(self.types)
        places = no_places(table, len(codes))
        events = np.zeros(len(codes) if self.event_time_as else 0, dtype=np.int64)
        newest = Newest(coder.count, bitemporal=self.known is not None and not self.forward)
        heights: list[int] = []
        following = [*(piece.first for piece in table[1:]), _NEVER]
        pieces = zip(prefetch(self._runs(table, coder)), following, rows_by_piece(table, moments, codes), strict=True)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="feature_platform-places") as threads:
            for (height, runs), horizon, asking in pieces:

                def look(rows: Whole, runs: Runs = runs) -> None:
                    place, event = newest.at(runs, codes[rows], moments[rows])
                    places[rows] = np.where(self.within_limit(moments[rows], event), place, -1)
                    if self.event_time_as:
                        events[rows] = ~event if self.forward else event

                parts = np.array_split(asking, -(-len(asking) // _ROWS_AT_ONCE) or 1)
                list(threads.map(look, parts) if len(parts) > 1 else map(look, parts))
                newest.carry(runs, horizon)
                heights.append(height)
        return self.answer_at(table, heights, places, events)

    def _in_direction(self, spine: SpineRows) -> tuple[Table, Whole]:
        """Return the pieces and the moments, on a time that runs backwards where the join is forward."""
        span = spine.span()
        table = self.reach(*span) if span else self.table[:1]
        if not self.forward:
            return table, spine.moments
        return [replace(piece, first=~piece.last, last=~piece.first) for piece in reversed(table)], ~spine.moments

    def _runs(self, table: Table, coder: KeyCodes) -> Iterator[tuple[int, Runs]]:
        """Yield how many rows each piece has, and its rows in order; forward, `known` breaks ties only."""
        offset = 0
        for frame in self.narrow(table):
            runs = runs_of(frame, coder, offset)
            yield frame.height, replace(runs, known=None) if self.forward else runs
            offset += frame.height

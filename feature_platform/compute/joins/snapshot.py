"""The newest published instant of a windowed view at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from feature_platform.compute.joins.base import FindingJoin, FoundRows, no_places
from feature_platform.compute.joins.codes import Whole
from feature_platform.compute.joins.newest import Newest
from feature_platform.compute.joins.pieces import Table, pieces_between
from feature_platform.compute.joins.prefetch import prefetch
from feature_platform.compute.joins.runs import runs_of
from feature_platform.compute.joins.spine import SpineRows, rows_by_piece
from feature_platform.ground.working_columns import TICKS

_NEVER = 2**63 - 1


@dataclass(frozen=True)
class SnapshotJoin(FindingJoin):
    """The newest published instant for each key; a key without a row there has the values of the default row.

    Attributes:
        as_of: the instant of each row in microseconds; null for rows that are not of the cadence.
        delay: how long after an instant its values are out, in microseconds.
    """

    as_of: pl.Expr = field(kw_only=True)
    delay: int = 0

    @property
    def method(self) -> str:
        return "newest published instant"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        return [self.as_of.alias(TICKS)]

    def reach(self, first: int, last: int) -> Table:
        return pieces_between(self.table, None if self.limit is None else first - self.limit, last - self.delay)

    def answer(self, spine: SpineRows, names: Sequence[str]) -> FoundRows:
        span = spine.span()
        table = self.reach(*span) if span else self.table[:1]
        coder, codes = spine.codes(self.types)
        out = spine.moments - self.delay
        places, instants = no_places(table, len(codes)), np.zeros(len(codes), dtype=np.int64)
        newest, published = Newest(coder.count, bitemporal=False), _Published()
        heights: list[int] = []
        for frame, asking in zip(prefetch(self.narrow(table)), rows_by_piece(table, out, codes), strict=True):
            published = published.extend(frame, sum(heights))
            instant, default = published.at(out[asking])
            runs = runs_of(published.keep_published(frame), coder, sum(heights))
            row, event = newest.at(runs, codes[asking], instant)
            place = np.where((row >= 0) & (event == instant) & (default >= 0), row, default)
            places[asking] = np.where(self.within_limit(spine.moments[asking], instant), place, -1)
            instants[asking] = instant
            newest.carry(runs, _NEVER)
            heights.append(frame.height)
        return self.answer_at(table, heights, places, instants)


class _Published:
    """The instants published so far that can still be asked for, with the places of their default rows."""

    def __init__(self, instants: Whole | None = None, defaults: Whole | None = None) -> None:
        self.instants = np.zeros(0, dtype=np.int64) if instants is None else instants
        self.defaults = np.zeros(0, dtype=np.int64) if defaults is None else defaults

    def extend(self, frame: pl.DataFrame, offset: int) -> "_Published":
        """Return the newest instant so far and those of the next piece."""
        keys = [name for name in frame.columns if name != TICKS]
        default = pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in keys))
        published = (
            frame.lazy()
            .with_row_index("place", offset)
            .filter(default & pl.col(TICKS).is_not_null())
            .unique(TICKS, keep="last", maintain_order=True)
            .sort(TICKS)
            .collect()
        )
        instants, defaults = published[TICKS].to_numpy(), published["place"].cast(pl.Int64).to_numpy()
        return _Published(np.append(self.instants[-1:], instants), np.append(self.defaults[-1:], defaults))

    def at(self, moments: Whole) -> tuple[Whole, Whole]:
        """Return the newest instant at each moment and the place of its default row; -1 where there is none yet."""
        if not len(self.instants):
            return np.zeros_like(moments), np.full(len(moments), -1)
        number = np.searchsorted(self.instants, moments, side="right") - 1
        return self.instants[np.maximum(number, 0)], np.where(number >= 0, self.defaults[number], -1)

    def keep_published(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows of published instants; rows of other instants lose their time."""
        strange = np.setdiff1d(frame[TICKS].drop_nulls().unique().to_numpy(), self.instants)
        if not len(strange):
            return frame
        return frame.with_columns(pl.when(~pl.col(TICKS).is_in(strange.tolist())).then(TICKS))

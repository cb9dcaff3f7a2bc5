"""Exact views online: tiles of the events that windows of some moment from now on can reach."""

from dataclasses import dataclass

import polars as pl

from feature_platform.compute.joins.pieces import pieces_between
from feature_platform.compute.serving.pushed import clocks_kept_once, order_of_events
from feature_platform.compute.serving.tiles import add_pushed_events
from feature_platform.ground.clock import microsecond_of, shift_moment
from feature_platform.ground.table_names import TableKind
from feature_platform.online.base import Carry
from feature_platform.serving.publication.base import OfflineVersion, RowsToServe


@dataclass(frozen=True)
class ExactVersion(OfflineVersion):
    """A version of the table with the events of an exact view."""

    def rows_to_serve(self) -> RowsToServe:
        reach = self.view.reach_us + self.table.tile
        pieces = pieces_between(self.pieces, microsecond_of(self.now) - reach, None)
        in_reach = pl.col(str(self.view.source.event_time)) >= shift_moment(self.now, -reach)
        return RowsToServe(self.rows(pieces).filter(in_reach), pieces)

    @property
    def may_count_twice(self) -> bool:
        return any(self.store.exists(TableKind.PUSHES.of(each.name)) for each in self.merged.sources)

    @property
    def carry(self) -> Carry:
        columns, once, order = self.table.features, clocks_kept_once(self.view), order_of_events(self.view, self.table)
        return lambda published, stored, _: add_pushed_events(published, stored, self.merged, columns, once, order)

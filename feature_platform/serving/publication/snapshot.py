"""Snapshot views online: the rows of the newest instant that is out, and of later ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.serving.tables import Instant
from feature_platform.compute.serving.view_tables import servable_instants
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.sortable_moments import moment_of_sortable, sortable
from feature_platform.serving.publication.base import OfflineVersion, RowsToServe


@dataclass(frozen=True)
class SnapshotVersion(OfflineVersion):
    """A version of the table of a snapshot view."""

    def rows_to_serve(self) -> RowsToServe:
        instants, pieces = self._instants()
        moments = [moment_of_sortable(each.as_of.encode()) for each in instants]
        return RowsToServe(self.rows(pieces).filter(pl.col(AS_OF).is_in(moments)), pieces, instants)

    def _instants(self) -> tuple[Sequence[Instant], Table]:
        """Return the instants to be served and the pieces that hold them, going back to one that is out."""
        defaults = pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in self.view.join_keys))
        defaults_so_far = self.rows(self.pieces[:1]).clear().collect()
        for number in range(len(self.pieces) - 1, -1, -1):
            defaults_of_piece = self.rows([self.pieces[number]]).filter(defaults).collect()
            defaults_so_far = pl.concat([defaults_of_piece, defaults_so_far])
            instants = servable_instants(self.view, self.table, defaults_so_far, self.now)
            if instants and instants[-1].known <= sortable(self.now).decode():
                return instants, self.pieces[number:]
        return servable_instants(self.view, self.table, defaults_so_far, self.now), self.pieces

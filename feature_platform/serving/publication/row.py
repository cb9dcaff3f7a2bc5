"""Row views online: the newest row of each key; where few keys changed, only their entries are written."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.view_tables import served_entries
from feature_platform.ground.errors import VersionNotFound
from feature_platform.ground.working_columns import KEY
from feature_platform.offline.names import WHOLE
from feature_platform.online.base import OnlineStore
from feature_platform.serving.publication.base import OfflineVersion, RowsToServe, newest_time_of
from feature_platform.serving.publication.logged import add_logged_pushes
from feature_platform.serving.publication.outcomes import Publication

MUCH = 0.3  # of the keys: where more may have changed, a new generation is built


@dataclass(frozen=True)
class RowVersion(OfflineVersion):
    """A version of the table of a row view."""

    def rows_to_serve(self) -> RowsToServe:
        return RowsToServe(self.rows(self.pieces), self.pieces)

    def update(self, online: OnlineStore, base: ServedTable, changed: Collection[str]) -> Publication:
        affected_keys = self._affected_keys(base, changed)
        return self.build(online, base) if affected_keys is None else self._change(online, base, affected_keys)

    def _affected_keys(self, base: ServedTable, changed: Collection[str]) -> pl.DataFrame | None:
        """Return the keys whose rows may have changed; None where they are many, or cannot be known."""
        if WHOLE in changed or not self.view.join_keys:
            return None
        keys, partitions = list(self.view.join_keys), sorted(changed)
        try:
            reads = [
                self.store.read(self.view.asset, version=version, partitions=partitions)
                for version in (base.versions[self.view.asset], self.table.versions[self.view.asset])
            ]
        except VersionNotFound:
            return None
        candidates = pl.concat([each.select(keys) for each in reads]).drop_nulls().unique().collect()
        return None if candidates.height > MUCH * base.entries else candidates

    def _change(self, online: OnlineStore, base: ServedTable, affected_keys: pl.DataFrame) -> Publication:
        """Change the entries of some keys, and remove those of keys that have no row any more."""
        rows = self._read_rows(affected_keys)
        reached = affected_keys.select(key_expr(self.table.keys))
        entries = [served_entries(self.view, self.table, rows, self.now)]
        batches = add_logged_pushes(entries, self.view, self.table, self.merged, self.now)
        entries_reached = pl.concat([*batches]).join(reached, on=KEY, how="semi")
        gone = reached.join(entries_reached, on=KEY, how="anti")
        newest = max(filter(None, (base.newest, newest_time_of(rows.lazy(), self.view.event_time))), default=None)
        table = replace(self.table, newest=newest)
        changed = online.change(base, table, [entries_reached], gone[KEY].to_list(), self.carry)
        return Publication(changed, "changed", entries_reached.height + gone.height)

    def _read_rows(self, affected_keys: pl.DataFrame) -> pl.DataFrame:
        """Read the rows of some keys, going back in time until each has a row that is visible."""
        keys, waiting, parts = list(self.view.join_keys), affected_keys, []
        for piece in reversed(self.pieces):
            rows = self.rows([piece]).join(waiting.lazy(), on=keys, how="semi").collect()
            parts.append(rows)
            waiting = waiting.join(rows.filter(self._is_visible()).select(keys), on=keys, how="anti")
            if waiting.is_empty():
                break
        return pl.concat(reversed(parts))

    def _is_visible(self) -> pl.Expr:
        clocks = [name for name in (self.view.event_time, self.view.known_at) if name is not None]
        return pl.all_horizontal(pl.lit(value=True), *(pl.col(name) <= self.now for name in clocks))

"""The version of the offline store that a view is published from; one subclass for each kind of view.

What is the same for every kind is here: building a generation, with the pushed rows that the version does not hold yet.
A subclass says which rows are served, and may know how to change some entries only.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import polars as pl

from feature_platform.compute.joins.pieces import Table, rows_of_table
from feature_platform.compute.joins.prefetch import prefetch
from feature_platform.compute.serving.entries import EVENT, add_pushed_rows
from feature_platform.compute.serving.pushed import is_logged
from feature_platform.compute.serving.tables import Instant, ServedTable
from feature_platform.compute.serving.view_tables import served_entries, table_of
from feature_platform.compute.transforms.rows import rows_read
from feature_platform.compute.transforms.unions import with_members
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import moment_of, rfc3339
from feature_platform.ground.progress import count_steps
from feature_platform.ground.sortable_moments import sortable
from feature_platform.offline import OfflineStore
from feature_platform.online.base import Carry, OnlineStore
from feature_platform.pipelines.pushes.merged import MergedPushes
from feature_platform.pipelines.tables import origin_of, pieces_of_view
from feature_platform.serving.publication.logged import add_logged_pushes
from feature_platform.serving.publication.outcomes import Publication

ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class RowsToServe:
    """The rows of a version that some moment from now on can see.

    Attributes:
        pieces: what the rows are read from, in order of time.
        instants: of a snapshot view, newest first.
    """

    rows: pl.LazyFrame
    pieces: Table
    instants: Sequence[Instant] = ()


@dataclass(frozen=True)
class OfflineVersion(ABC):
    """One version of the table that a view is read from, as it is published at a moment.

    Attributes:
        now: values that no moment from then on can see are left out.
        pieces: that table, in order of time.
        table: the table to be served, without its newest event and its instants.
        merged: which pushed rows that version holds.
    """

    view: FeatureView
    store: OfflineStore
    now: datetime
    pieces: Table
    table: ServedTable
    merged: MergedPushes

    @classmethod
    def open_newest(cls, view: FeatureView, store: OfflineStore, now: datetime) -> Self:
        """Open the newest version."""
        read = view.read_from
        versions = {name: store.latest_version(name) for name in view.tables_read}
        pieces = pieces_of_view(view, store, versions)
        schema = with_members(view, rows_read(view, rows_of_table(pieces[:1]))).collect_schema()
        table = table_of(view, schema, versions=versions, now=now)
        table = replace(table, origin=origin_of(read, store), commits=commits_of(store, table.versions))
        return cls(view, store, now, pieces, table, MergedPushes(read, versions, store))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the tables whose rows are served: one, or those of the members of a union."""
        return tuple(each.asset for each in self.view.read_from.members)

    @property
    def others(self) -> Collection[str]:
        """Return the other tables that its rows are made from, which may have changed where these have not."""
        return [name for name in self.view.tables_read if name not in self.names]

    @abstractmethod
    def rows_to_serve(self) -> RowsToServe:
        """Find the rows that are served."""

    @property
    def may_count_twice(self) -> bool:
        """Tell whether pushed rows may be kept beside the same ones of the table, also where this stays as it is."""
        return False

    @property
    def carry(self) -> Carry:
        """Return the function that keeps what is still needed of pushed rows."""
        moment = sortable(self.now)

        def carry_entry(published: bytes | None, stored: bytes, _: bytes) -> bytes | None:
            newest = published[EVENT] if published else b""

            def is_merged(tag: bytes, event: int) -> bool:
                if is_logged(tag.decode()):
                    return self.merged(tag.decode(), event)
                return sortable(moment_of(event)) <= newest  # a row without a log is needed while it is the newest

            return add_pushed_rows(published, stored, is_merged, moment)

        return carry_entry

    def update(self, online: OnlineStore, base: ServedTable, changed: Collection[str]) -> Publication:
        """Publish what differs from a served table of the same shape, whose partitions changed since."""
        return self.build(online, base)

    def build(self, online: OnlineStore, base: ServedTable | None) -> Publication:
        """Build a new generation of all entries."""
        served = self.rows_to_serve()
        newest = newest_time_of(served.rows, self.view.read_from.event_time)
        table = replace(self.table, newest=newest, instants=tuple(served.instants))
        batches = (served_entries(self.view, table, each, self.now) for each in self._batches(served))
        fits = base is not None and has_same_shape(base, table)
        # Pushes that are not in the log yet wait in a spool, and come again.
        carry = self.carry if fits else carry_nothing
        whole = add_logged_pushes((each for each in batches if each.height), self.view, table, self.merged, self.now)
        built = online.build(base, table, prefetch(whole), carry)
        return Publication(built, "built", built.entries)

    def rows(self, pieces: Table) -> pl.LazyFrame:
        """Return the rows of some pieces as they are served; of an exact view its events."""
        return with_members(self.view, rows_read(self.view, rows_of_table(pieces)))

    def _batches(self, served: RowsToServe) -> Iterator[pl.DataFrame]:
        """Yield the rows by ranges of their first join key, so that all rows of a key are in one."""
        heights = [piece.height for piece in served.pieces]
        height = sum(each or 0 for each in heights)
        parts = 1 if None in heights else -(-height // ROWS_AT_ONCE)
        if parts <= 1 or not self.view.join_keys:
            yield served.rows.collect()
            return
        key = pl.col(self.view.join_keys[0])
        bounds = _bounds(served.rows.select(key).collect().to_series(), parts)
        spans = list(zip([None, *bounds], [*bounds, None], strict=True))
        for low, high in count_steps(spans, f"{self.view.name}: ranges of keys", len(spans)):
            above = pl.lit(value=True) if low is None else key >= low
            below = pl.lit(value=True) if high is None else key < high
            yield served.rows.filter(above & below).collect()


def has_same_shape(base: ServedTable, table: ServedTable) -> bool:
    """Tell whether two tables are of one kind, with the same columns and code, and from the same offline table."""
    facts = ("kind", "keys", "features", "code_version", "tile", "origin", "histories", "given")
    same = all(getattr(base, name) == getattr(table, name) for name in facts)
    return same and list(base.keys) == list(table.keys) and list(base.features) == list(table.features)


def commits_of(store: OfflineStore, versions: Mapping[str, int]) -> dict[str, str]:
    """Return the marks of the commits that made some versions, where they are known."""
    commits = {name: store.commit_id(name, version) for name, version in versions.items()}
    return {name: commit for name, commit in commits.items() if commit is not None}


def carry_nothing(_published: bytes | None, _stored: bytes, _tag: bytes) -> None:
    """Keep no pushed rows."""


def newest_time_of(rows: pl.LazyFrame, clock: str | None) -> str | None:
    """Return the newest time of some rows as RFC 3339."""
    newest = None if clock is None else rows.select(pl.col(clock).max()).collect().item()
    return None if newest is None else rfc3339(newest)


def _bounds(keys: pl.Series, parts: int) -> list[Any]:
    """Return values, of whatever type the column is, that cut it into parts of about one size."""
    ordered = keys.drop_nulls().sort()
    places = [len(ordered) * part // parts for part in range(1, parts)]
    return list(ordered.gather(places).unique(maintain_order=True)) if len(ordered) else []

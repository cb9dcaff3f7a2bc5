"""Enriched exact views online: tiles of the events of their source, and histories of the tables that enrich them.

A history has the rows of a key that some event in reach of some moment from now on can see.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import none_is_null
from feature_platform.compute.serving.parts import ServedPart, ServedParts, histories_of, plan_parts, schema_given
from feature_platform.compute.serving.tile_bytes import events_of, pack_rows
from feature_platform.compute.serving.tiles import tile_length
from feature_platform.compute.serving.view_tables import served_code
from feature_platform.compute.transforms.rows import as_events
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import shift_moment
from feature_platform.ground.working_columns import EVENT_PLACE, EVENT_TAG, PREFIX
from feature_platform.offline import OfflineStore
from feature_platform.online.base import Carry, OnlineStore
from feature_platform.pipelines.tables import read_dimensions, read_rows
from feature_platform.serving.publication.base import OfflineVersion, RowsToServe, commits_of
from feature_platform.serving.publication.exact import ExactVersion
from feature_platform.serving.publication.row import RowVersion

LONGEST_HISTORY = 10_000  # rows of a key; of more the events are published enriched, and pushes wait for a run


class HistoryTooLong(Exception):
    """A key has more rows in reach than are worth reading for each value."""


def find_parts(view: FeatureView, store: OfflineStore) -> ServedParts | None:
    """Return the parts in which a view can be served; None where its events have to be enriched before.

    Raises:
        TableNotFound: its source, or a table that enriches it, was never materialized.
    """
    if not view.enriches_when_read:
        return None
    return plan_parts(view, *_schemas(view, store))


def open_parts(view: FeatureView, parts: ServedParts, store: OfflineStore, now: datetime) -> Iterator[OfflineVersion]:
    """Open the newest version of each part in turn, that of the events last."""
    for part in parts.every:
        if part.histories:
            yield EventsVersion.open_newest(part, store, now)
        elif part.event_time is None:
            yield _with_code(RowVersion.open_newest(part, store, now), view)
        else:
            yield _with_code(HistoryVersion.open_newest(part, store, now), view)


def remove_histories(view: str, online: OnlineStore, kept: Collection[str]) -> None:
    """Remove the histories of a view, but for some that are still read."""
    for name in histories_of(view, online.views()):
        if name not in kept:
            online.remove(name)


@dataclass(frozen=True)
class EventsVersion(ExactVersion):
    """A version of the source of an enriched view; its table names the versions of all tables that values come from."""

    @classmethod
    def open_newest(cls, view: FeatureView, store: OfflineStore, now: datetime) -> Self:
        opened = super().open_newest(view, store, now)
        enriched = view.serves if isinstance(view, ServedPart) and view.serves is not None else view
        others = {name: store.latest_version(name) for name in enriched.tables_read if name not in opened.names}
        versions = {**opened.table.versions, **others}
        source, dimensions = _schemas(enriched, store, versions)
        table = replace(
            opened.table,
            code_version=served_code(enriched),
            versions=versions,
            commits={**opened.table.commits, **commits_of(store, others)},
            given=schema_given(enriched, source, dimensions),
        )
        return replace(opened, table=table)


@dataclass(frozen=True)
class HistoryVersion(ExactVersion):
    """A version of a table that enriches the events of a view."""

    def rows_to_serve(self) -> RowsToServe:
        rows = self._rows_in_reach()
        keys = list(self.view.join_keys)
        longest = rows.group_by(keys).len().select(pl.col("len").max()).collect().item()
        if longest is not None and longest > LONGEST_HISTORY:
            raise HistoryTooLong
        return RowsToServe(rows, self.pieces)

    @property
    def carry(self) -> Carry:
        """Return the function that keeps pushed rows that are not in the table, as long as they can be seen."""
        carry = super().carry

        def carry_in_reach(published: bytes | None, stored: bytes, tag: bytes) -> bytes | None:
            carried = carry(published, stored, tag)
            return None if carried is None else self._keep_in_reach(carried)

        return carry_in_reach

    def _keep_in_reach(self, entry: bytes) -> bytes | None:
        """Return the rows of an entry that can still be seen; None where none of them was pushed."""
        columns = self.table.features
        rows = events_of([entry], [0], columns).with_row_index(EVENT_PLACE)
        event, known = self._clocks
        kept = rows.sort(event, known, maintain_order=True).filter(self._is_in_reach).sort(EVENT_PLACE)
        if kept[EVENT_TAG].null_count() == kept.height:
            return None
        return pack_rows(kept, columns, np.array([0, kept.height]))[0]

    def _rows_in_reach(self) -> pl.LazyFrame:
        """Return the rows since the oldest event in reach, and before it of each key what some moment can still see."""
        keys, (event, known) = list(self.view.join_keys), self._clocks
        rows = self.rows(self.pieces).filter(none_is_null(list(dict.fromkeys([*keys, event, known]))))
        return rows.sort(event, known, maintain_order=True).filter(self._is_in_reach.over(keys))

    @property
    def _clocks(self) -> tuple[str, str]:
        event = str(self.view.source.event_time)
        return event, self.view.source.known_at or event

    @property
    def _is_in_reach(self) -> pl.Expr:
        """Tell which rows of a key, in order of their clocks, an event in reach can see at some moment from now on."""
        event, known = self._clocks
        is_old = pl.col(event) < shift_moment(self.now, -self.view.reach_us - tile_length(self.view.reach_us))
        hides = (is_old & (pl.col(known) <= self.now)).cast(pl.Int64)  # all that hold before it, from now on
        return ~is_old | (hides.cum_sum(reverse=True) == hides)


def _with_code(opened: OfflineVersion, view: FeatureView) -> OfflineVersion:
    return replace(opened, table=replace(opened.table, code_version=served_code(view)))


def _schemas(
    view: FeatureView, store: OfflineStore, versions: Mapping[str, int] | None = None
) -> tuple[pl.Schema, Mapping[str, pl.Schema]]:
    """Return the columns of a view's source as its events have them, and those of the tables that enrich it."""
    rows = as_events(view.source, read_rows(view.source, store, versions))
    source = {name: dtype for name, dtype in rows.collect_schema().items() if not name.startswith(PREFIX)}
    dimensions = read_dimensions(view, store, versions)
    return pl.Schema(source), {name: rows.collect_schema() for name, rows in dimensions.items()}

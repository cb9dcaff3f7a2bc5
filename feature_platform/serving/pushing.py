"""Pushing: fresh rows of a source are online at once, and in the offline store at its next run, exactly once.

A push is taken when it is on the disk of the spool; then it is applied online, see `applying`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal, get_args
from uuid import uuid4

import polars as pl

from feature_platform.compute.serving.parts import name_shown
from feature_platform.compute.serving.pushed import (
    entries_of_push,
    member_tag,
    online_tag,
    pushes_as_read,
    rows_of_push,
)
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import NotServed, OnlineConflict, OnlineStoreFailed, PushRefused
from feature_platform.parts.sources import Frame
from feature_platform.pipelines.pushes.accepting import accept_push
from feature_platform.serving.applying import Target, tag_of_push, write_view

To = Literal["online", "offline", "online_and_offline"]
TARGETS: tuple[To, ...] = get_args(To)


def push(
    source: Source, rows: pl.DataFrame, target: Target, *, now: datetime, to: To = "online_and_offline"
) -> Sequence[str]:
    """Take rows of a source: when this returns they are durable, and readers of the online store see them.

    Sending the same rows again is another push: an event then counts as often as it was sent.

    Args:
        rows: with the columns of the source's table.
        now: when they arrived; with a known-at clock they are known from then on.
        to: `online` alone keeps nothing for training; `offline` alone is not online before it is published.

    Returns:
        The views that were brought up to date. One that was never published will hold the rows when it is, and one
        whose store refused them when `recover` has applied them: they are taken, and to send them again would count
        them twice.

    Raises:
        TableNotFound: the source was never materialized, so that its columns are not known.
        PushRefused: the rows do not fit the source, or break one of its critical expectations; says which column and
            row. Nothing was taken.
        TransformFailed, MissingColumns, WrongColumnType: the function of a view cannot take them. Nothing was taken.
        SpoolFailed: the disk refused; nothing was taken.
        OnlineStoreFailed: the online store cannot be read, or with `online` alone written; nothing was taken.
    """
    require_kind("fp.push", source, Source, "a source, such as a member of a union")
    stored = target.columns(source)
    checked = accept_push(source, stored, rows, now, target.partitions)
    if to == "offline":
        target.spool.append(source.name, checked, now, online=False)
        return ()
    tables = target.fed_by(source)  # before the rows are taken: no table of these can be made with them
    first, done = _NewPush.of(source, tables, checked, target, now), list[str]()
    if to == "online":
        first.write(online_tag(uuid4().hex, now), done)
        return done
    taken = target.spool.append(source.name, checked, now)
    try:
        first.write(tag_of_push(taken), done)
    except (OnlineStoreFailed, OnlineConflict):
        return done
    target.mark_applied(taken.sequence)
    return done


def write_features(view: FeatureView, rows: pl.DataFrame, target: Target, *, now: datetime) -> None:
    """Write feature rows of a row view into the online store only; the newest row of a key wins.

    Raises:
        PushRefused: it is no row view, or the rows do not fit its table. Nothing was written.
        NotServed: the view was never published.
    """
    if is_windowed(view):
        raise PushRefused(view.name, "is a windowed view", "Push events to its source instead.")
    table = target.online.table(view.name)
    if table is None:
        raise NotServed(view.name, target.online.location)
    stored = target.columns(view)
    like = Source(view.name, Frame(pl.DataFrame()), event_time=view.event_time, known_at=view.known_at)
    checked = accept_push(like, stored, rows, now, target.partitions)
    own = replace(view, source=like, transform=_as_it_is, enrichments=())
    write_view(own, table, like, [(online_tag(uuid4().hex, now), checked)], target, now)


@dataclass(frozen=True)
class _NewPush:
    """A push that is applied for the first time: what each view makes of its rows is computed before they are taken.

    Attributes:
        found: the rows of each view that is declared as it was published.
        made: their entries in its table, for the views whose entries do not say which push they are of.
    """

    source: Source
    tables: Mapping[FeatureView, ServedTable]
    rows: pl.DataFrame
    target: Target
    now: datetime
    found: Mapping[FeatureView, pl.DataFrame]
    made: Mapping[FeatureView, Mapping[bytes, bytes]]

    @staticmethod
    def of(
        source: Source,
        tables: Mapping[FeatureView, ServedTable],
        rows: pl.DataFrame,
        target: Target,
        now: datetime,
    ) -> "_NewPush":
        """Compute what each view makes of the rows; raises as `push` where a view cannot take them."""
        read = {view: pushes_as_read(view, source, [("", rows)], target.columns)[0][1] for view in tables}
        every = {view: rows_of_push(view, table, read[view]) for view, table in tables.items()}
        found = {view: some for view, some in every.items() if some is not None}
        made = {view: entries_of_push(view, tables[view], some, "", now) for view, some in found.items()}
        untagged = {view: entries for view, entries in made.items() if tables[view].kind is ViewKind.ROW}
        return _NewPush(source, tables, rows, target, now, found, untagged)

    def write(self, tag: str, done: list[str]) -> None:
        """Update the views, and note which have the rows."""
        write = partial(self._write, tag)
        views = list(self.found)
        written = self.target.each(write, views) if len(views) > 1 else map(write, views)
        waiting = Counter(map(name_shown, self.tables))
        for view, has_rows in zip(views, written, strict=True):
            name = name_shown(view)
            waiting[name] -= has_rows
            if has_rows and not waiting[name]:
                done.append(name)

    def _write(self, tag: str, view: FeatureView) -> bool:
        table, made = self.tables[view], self.made.get(view)
        if made is None:
            own_tag = member_tag(view, self.source, tag)
            made = entries_of_push(view, table, self.found[view], own_tag, self.now)
        return write_view(view, table, self.source, [(tag, self.rows)], self.target, self.now, made)


def _as_it_is(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows that are feature rows of the view already."""
    return rows

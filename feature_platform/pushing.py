"""Pushing: fresh rows of a source are online at once, and in the offline store at its next run, exactly once.

A push is taken when it is on the disk of the spool; then it is applied online. Who is killed in between has it applied
again, and that is idempotent: the newest row wins, an event has the number of its push, and what a published table
holds already is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, get_args
from uuid import uuid4

import polars as pl

from feature_platform.candidates.merged import MergedPushes
from feature_platform.candidates.pushes import accepted_push
from feature_platform.compute.features import read_by
from feature_platform.compute.served.pushed import is_fed_by, merging, online_tag, pushed_entries, tag_of
from feature_platform.compute.served.tables import ServedTable
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.errors import FeaturePlatformError, NotServed, OnlineConflict, OnlineStoreFailed, PushRefused
from feature_platform.offline import OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.online.spool import Pushed, Spool
from feature_platform.sources import Frame

To = Literal["online", "offline", "online_and_offline"]
TARGETS: tuple[To, ...] = get_args(To)
_TRIES = 5


@dataclass(frozen=True)
class Target:
    """Where pushed rows go.

    Attributes:
        views: those of the project; the ones that a source feeds are brought up to date.
        partitions: the project's; with an end they allow events that are still to come.
    """

    views: Sequence[FeatureView]
    spool: Spool
    store: OfflineStore
    online: OnlineStore
    partitions: Partitions = field(default_factory=Partitions)

    def fed_by(self, source: Source) -> Mapping[FeatureView, ServedTable]:
        """The views that a source feeds and that are served, with what is served of each."""
        fed = {view: self.online.table(view.name) for view in self.views if is_fed_by(view, source)}
        return {view: table for view, table in fed.items() if table is not None}


def push(
    source: Source, rows: pl.DataFrame, target: Target, *, now: datetime, to: To = "online_and_offline"
) -> Sequence[str]:
    """Take rows of a source: durable when this returns, and seen online.

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
    stored = target.store.read(source.asset).collect_schema()
    checked = accepted_push(source, stored, rows, now, target.partitions)
    if to == "offline":
        target.spool.append(source.name, checked, now, online=False)
        return ()
    tables = target.fed_by(source)  # before the rows are taken: no table of these can be made with them
    made = {view: pushed_entries(view, table, checked, "", now) for view, table in tables.items()}
    made = {
        view: entries for view, entries in made.items() if tables[view].kind == "row"
    }  # the others have tags inside
    if to == "online":
        tag = online_tag(uuid4().hex, now)
        return [view.name for view in tables if _write(view, tables[view], checked, tag, target, now, made.get(view))]
    taken, done = target.spool.append(source.name, checked, now), list[str]()
    try:
        for view, table in tables.items():
            if _write(view, table, taken.rows, _tag(taken), target, now, made.get(view)):
                done.append(view.name)
    except (OnlineStoreFailed, OnlineConflict):
        return done
    target.spool.mark_applied([taken.sequence])
    return done


def write_features(view: FeatureView, rows: pl.DataFrame, target: Target, *, now: datetime) -> None:
    """Write feature rows of a row view into the online store only; the newest row of a key wins.

    Raises:
        PushRefused: it is no row view, or the rows do not fit its table. Nothing was written.
        NotServed: the view was never published.
    """
    if view.windowing is not None:
        raise PushRefused(view.name, "is a windowed view", "Push events to its source instead.")
    table = target.online.table(view.name)
    if table is None:
        raise NotServed(view.name, target.online.location)
    stored = target.store.read(view.asset).collect_schema()
    like = Source(view.name, Frame(pl.DataFrame()), event_time=view.event_time, known_at=view.source.known_at)
    checked = accepted_push(like, stored, rows, now, target.partitions)
    own = replace(view, source=like, transform=_as_it_is)
    _write(own, table, checked, online_tag(uuid4().hex, now), target, now)


def recover(sources: Iterable[Source], target: Target, *, now: datetime) -> int:
    """Apply the pushes that were taken before a crash and are not known to be online; how many.

    A push of a source that is not declared any more waits in the spool.

    Raises:
        OnlineStoreFailed, TransformFailed, MissingColumns, WrongColumnType: of the first push that could not be
            applied; it stays in the spool. The others were applied all the same.
    """
    known, done, failed = {source.name: source for source in sources}, 0, list[FeaturePlatformError]()
    for taken in target.spool.unapplied():
        if taken.source in known:
            try:
                _apply_again(known[taken.source], taken, target, now)
            except FeaturePlatformError as error:
                failed.append(error)
            else:
                target.spool.mark_applied([taken.sequence])
                done += 1
    if failed:
        raise failed[0]
    return done


def apply_again(source: Source, upto: int, target: Target, *, now: datetime) -> None:
    """Apply what the spool holds of a source, up to a push: to tables that were built anew without it.

    Pushes are carried from one generation of a table to the next, but not where the shape of the view changes. What is
    in the log by then is taken from there; the rest is known to the spool alone, until this is done.
    """
    for taken in target.spool.pending(source=source.name):
        if taken.sequence > upto:
            break
        if taken.online:
            _apply_again(source, taken, target, now)


def _apply_again(source: Source, taken: Pushed, target: Target, now: datetime) -> None:
    for view, table in target.fed_by(source).items():
        _write(view, table, taken.rows, _tag(taken), target, now, again=True)


def _write(
    view: FeatureView,
    table: ServedTable | None,
    rows: pl.DataFrame,
    tag: str,
    target: Target,
    now: datetime,
    made: Mapping[bytes, bytes] | None = None,
    *,
    again: bool = False,
) -> bool:
    """Bring a view up to date; whether it has the rows now.

    Args:
        made: the entries for the table, when they are known.
        again: the table may be made with the rows already. So may one that is built meanwhile.
    """
    for left in reversed(range(_TRIES)):
        if table is None:
            return False
        merged = _merged(view, table, target.store) if again else None
        entries = pushed_entries(view, table, rows, tag, now, merged=merged) if made is None else made
        if entries is None:
            return False
        merge = merging(view, table, tag, now)
        try:
            target.online.write(view.name, entries, merge, tag.encode(), generation=table.generation)
        except OnlineConflict:
            if not left:
                raise
        except NotServed:
            return False  # removed meanwhile
        else:
            return True
        table, made, again = target.online.table(view.name), None, True
    return False


def _merged(view: FeatureView, table: ServedTable, store: OfflineStore) -> MergedPushes:
    """Which pushed rows the version that is served was made with."""
    (name,) = read_by(view)
    return MergedPushes(view.source if table.kind == "exact" else view, table.versions[name], store)


def _tag(taken: Pushed) -> str:
    return tag_of(taken.spool, taken.sequence, taken.arrived_at)


def _as_it_is(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What rows of a view are that are its own already."""
    return rows

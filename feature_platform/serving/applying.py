"""Applying: what pushed rows change in the online store, written view by view; again after a crash, without harm.

To apply a push twice is idempotent: the newest row wins, an event has the number of its push, and rows that a published
table holds already are left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

import polars as pl

from feature_platform.compute.serving.parts import served_parts_of
from feature_platform.compute.serving.pushed import (
    are_messages,
    entries_of_pushes,
    is_fed_by,
    member_tag,
    merge_function,
    pushed_entries,
    pushes_as_read,
    tag_messages,
    tag_of,
)
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.union import title_of
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import FeaturePlatformError, NotServed, OnlineConflict, OnlineStoreFailed
from feature_platform.offline import OfflineStore
from feature_platform.offline.newest import NewestSchemas
from feature_platform.online.base import OnlineStore, Reader
from feature_platform.online.spool import Spool
from feature_platform.online.spool_records import Pushed
from feature_platform.pipelines.pushes.merged import Known, MergedPushes

Each = Callable[[Callable[[FeatureView], bool], Iterable[FeatureView]], Iterable[bool]]
_TRIES = 5
_PUSHES_AT_ONCE, _ROWS_AT_ONCE = 500, 20_000  # of a batch that is applied again: about a second of work
_STORE = (OnlineStoreFailed, OnlineConflict)  # failures that have nothing to do with the pushes


def never() -> bool:
    """Return that there is no need to stop."""
    return False


@dataclass(frozen=True)
class Target:
    """The stores that pushed rows go to.

    Attributes:
        views: those of the project; the ones that a source feeds are brought up to date.
        partitions: the project's; with an end they allow events that are still to come.
        schemas: the known columns of tables; keep one for many pushes.
        reader: a reader of the online store that stays open; by default one is opened for each push.
        applied: called with the number of a push that is online, to tell the spool soon; by default it is told at once.
        each: as `map`, which writes to one view after the other; a pool of threads writes to several at once.
    """

    views: Sequence[FeatureView]
    spool: Spool
    store: OfflineStore
    online: OnlineStore
    partitions: Partitions = field(default_factory=Partitions)
    schemas: NewestSchemas = field(default_factory=NewestSchemas)
    reader: Reader | None = None
    applied: Callable[[int], None] | None = None
    each: Each = map

    @property
    def stored_views(self) -> Sequence[FeatureView]:
        """Return the views whose tables are online, each once: an alias has none of its own."""
        return list(dict.fromkeys(view.original for view in self.views))

    def mark_applied(self, sequence: int) -> None:
        """Say that a push is online."""
        if self.applied is None:
            self.spool.mark_applied([sequence])
        else:
            self.applied(sequence)

    def refresh(self) -> None:
        """Follow generations that were built since, and release others."""
        if self.reader is not None:
            self.reader.refresh()

    def columns(self, asset: Source | FeatureView) -> pl.Schema:
        """Return the columns of the newest version of a table; raises as `OfflineStore.read`."""
        return self.schemas.of(self.store, asset.asset)

    def served_table(self, view: FeatureView) -> ServedTable | None:
        """Return what is served of a view now; None when it was never published."""
        if self.reader is None:
            return self.online.table(view.name)
        try:
            return self.reader.get(view.name, ())[0]
        except NotServed:
            return None

    def fed_by(self, source: Source) -> Mapping[FeatureView, ServedTable]:
        """Return the views that a source feeds and that are served, with what is served of each."""
        self.refresh()
        fed = {part: self.served_table(part) for part in self.served_parts() if is_fed_by(part, source)}
        return {view: table for view, table in fed.items() if table is not None}

    def served_parts(self) -> Iterator[FeatureView]:
        """Yield the views whose tables are online, of an enriched one the parts that it is served in."""
        for view in self.stored_views:
            table = self.served_table(view) if view.enriches_when_read else None
            parts = None if table is None else served_parts_of(view, table)
            yield from (view,) if parts is None else parts.every


def recover(
    sources: Iterable[Source],
    target: Target,
    *,
    now: datetime,
    upto: int | None = None,
    stopping: Callable[[], bool] = never,
) -> int:
    """Apply the pushes that were taken before a crash and are not known to be online; return how many.

    They are applied in batches. A push of a source that is not declared any more waits in the spool.

    Args:
        upto: the number of the last push to look at; later ones may be those of a process that lives.
        stopping: asked between batches whether to leave the rest for another time.

    Raises:
        OnlineStoreFailed, TransformFailed, MissingColumns, WrongColumnType: of the first push that could not be
            applied; it stays in the spool. The others were applied all the same, but for those of its source when the
            online store refused.
    """
    again, known, done = RepeatedPushes(target, now), {source.name: source for source in sources}, 0
    refused: set[str] = set()
    old = takewhile(lambda push: upto is None or push.sequence <= upto, target.spool.unapplied_pushes())
    for batch in _batches(old):
        if stopping():
            break
        name = batch[0].source
        if name in known and name not in refused:
            applied = again.apply(known[name], batch)
            target.spool.mark_applied([push.sequence for push in applied])
            done += len(applied)
            if len(applied) < len(batch) and isinstance(again.failed[-1], _STORE):
                refused.add(name)
    if again.failed:
        raise again.failed[0]
    return done


def apply_again(
    source: Source, upto: int, target: Target, *, now: datetime, stopping: Callable[[], bool] = never
) -> bool:
    """Apply what the spool holds of a source, up to a push: to tables that were built anew without it.

    Pushes are carried from one generation of a table to the next, but not where the shape of the view changes. Those
    that are in the log by then are taken from there; only the spool has the rest, until this is done.

    Returns:
        Whether all are applied; not when it had to stop before.

    Raises:
        OnlineStoreFailed, TransformFailed, MissingColumns, WrongColumnType: of the first push that could not be
            applied.
    """
    again = RepeatedPushes(target, now)
    waiting = takewhile(lambda push: push.sequence <= upto, target.spool.pending(source=source.name))
    for batch in _batches(push for push in waiting if push.online):
        if stopping():
            return False
        again.apply(source, batch)
        if again.failed:
            raise again.failed[0]
    return True


class RepeatedPushes:
    """A run over pushes that may be online already: each view is written once a batch, each log is read once.

    Attributes:
        failed: why pushes could not be applied.
    """

    def __init__(self, target: Target, now: datetime) -> None:
        self._target, self._now = target, now
        self._merged: dict[tuple[str, tuple[int, ...]], MergedPushes] = {}
        self._known: dict[tuple[str, int], Known] = {}
        self.failed: list[FeaturePlatformError] = []

    def apply(self, source: Source, batch: Sequence[Pushed]) -> Sequence[Pushed]:
        """Apply pushes of one source and schema; return those that are applied.

        Where a view cannot take one of them, the others are found by halves.
        """
        pushes = [tag_messages(push.rows) if push.are_messages else (tag_of_push(push), push.rows) for push in batch]
        try:
            for view, table in self._target.fed_by(source).items():
                write_view(view, table, source, pushes, self._target, self._now, again=self.merged_pushes)
        except FeaturePlatformError as error:
            if len(batch) == 1 or isinstance(error, _STORE):
                self.failed.append(error)
                return []
            half = len(batch) // 2
            return [*self.apply(source, batch[:half]), *self.apply(source, batch[half:])]
        return batch

    def merged_pushes(self, view: FeatureView, table: ServedTable) -> MergedPushes:
        """Return which pushed rows the version that is served was made with."""
        read = view.read_from
        versions = {each.asset: table.versions[each.asset] for each in read.members}
        key = (title_of(read), tuple(versions.values()))
        if key not in self._merged:
            self._merged[key] = MergedPushes(read, versions, self._target.store, _known=self._known)
        return self._merged[key]


def _batches(pushes: Iterable[Pushed]) -> Iterator[Sequence[Pushed]]:
    """Yield pushes in batches of one source and schema, those of each source in order."""
    batches: dict[tuple[str, tuple[tuple[str, pl.DataType], ...]], list[Pushed]] = {}
    count, rows = 0, 0
    for push in pushes:
        key = (push.source, tuple(push.rows.schema.items()))
        batches.setdefault(key, []).append(push)
        count, rows = count + 1, rows + push.rows.height
        if count >= _PUSHES_AT_ONCE or rows >= _ROWS_AT_ONCE:
            yield from batches.values()
            batches, count, rows = {}, 0, 0
    yield from batches.values()


def write_view(
    view: FeatureView,
    table: ServedTable | None,
    source: Source,
    pushes: Sequence[tuple[str, pl.DataFrame]],
    target: Target,
    now: datetime,
    made: Mapping[bytes, bytes] | None = None,
    *,
    again: Callable[[FeatureView, ServedTable], MergedPushes] | None = None,
) -> bool:
    """Update a view; return whether it has the rows now.

    Args:
        source: whose pushes they are.
        pushes: their tags and rows.
        made: the entries for the table, when they are known.
        again: given where the table may be made with the rows already: returns which ones. A table that is built
            meanwhile may be, too.
    """
    tag = member_tag(view, source, max(tag for tag, _ in pushes))
    for left in reversed(range(_TRIES)):
        if table is None:
            return False
        entries = made
        if entries is None:
            read = pushes_as_read(view, source, pushes, target.columns)
            entries = _entries(view, table, read, now, None if again is None else again(view, table))
        if entries is None:
            return False
        is_one_push = len(pushes) == 1 and not are_messages(pushes)
        merge = merge_function(view, table, tag if is_one_push else "", now)
        try:
            target.online.write(view.name, entries, merge, tag.encode(), generation=table.generation)
        except OnlineConflict:
            if not left:
                raise
        except NotServed:
            return False  # removed meanwhile
        else:
            return True
        table, made, again = target.online.table(view.name), None, again or RepeatedPushes(target, now).merged_pushes
    return False


def _entries(
    view: FeatureView,
    table: ServedTable,
    pushes: Sequence[tuple[str, pl.DataFrame]],
    now: datetime,
    merged: MergedPushes | None,
) -> Mapping[bytes, bytes] | None:
    if len(pushes) > 1 or are_messages(pushes):
        return entries_of_pushes(view, table, pushes, now, merged=merged)
    ((tag, rows),) = pushes
    return pushed_entries(view, table, rows, tag, now, merged=merged)


def tag_of_push(taken: Pushed) -> str:
    """Return the tag that the rows of a push are known by."""
    return tag_of(taken.spool, taken.sequence, taken.arrived_at)

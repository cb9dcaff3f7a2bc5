"""Flushing: moves the pushes of a spool to the logs `pushes/<source>` of the offline store, each exactly once.

A push leaves the spool only when it is online and the log has it on disk. The commit of the rows says up to which push
of an incarnation of the spool the log has them, so that nothing is lost or doubled when a flush is killed. Pushes that
the log has and the spool still holds are compared row by row, since a copy of the spool may have used the same numbers;
pushes that differ get new names.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from uuid import uuid4

import polars as pl

from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.ground.errors import (
    ColumnCollision,
    FeaturePlatformError,
    PushesRenamed,
    SchemaChanged,
    SpoolIsACopy,
    WrongColumnName,
    WrongColumnType,
)
from feature_platform.ground.table_names import TableKind, kind_of_table
from feature_platform.ground.working_columns import ARRIVED_AT, PUSH, PUSH_ROW, SPOOL
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once
from feature_platform.offline.schema import added_columns, check_names, make_storable
from feature_platform.online.spool import Spool
from feature_platform.online.spool_records import Pushed

_COMMIT_ROWS = 500_000  # of a source in one commit: bounds what is held in memory
_COMMIT_BYTES = 256 * 2**20
_NEVER = (ColumnCollision, SchemaChanged, WrongColumnName, WrongColumnType)  # errors that a later try has again


Leaving = Callable[[str, int], bool]
"""Called with a source and the last push that is about to leave the spool; returns whether the pushes may leave."""


def _never() -> bool:
    return False


def flush(
    spool: Spool,
    store: OfflineStore,
    *,
    run_id: str | None = None,
    leaving: Leaving | None = None,
    stopping: Callable[[], bool] = _never,
) -> int:
    """Flush a spool: append its pushes to the logs of the offline store, and remove from it those that are online, too.

    Several processes may flush one spool at once. The pushes of a source are appended in their order, in one commit
    unless they are very many. Pushes that cannot be read, or that the log of their source can never take, are set
    aside: `Spool.aside` lists them.

    Args:
        leaving: called before pushes leave the spool; when it fails or returns False, they stay.
        stopping: called before each commit; when it returns True, the rest waits for the next flush.

    Returns:
        How many rows were appended.

    Raises:
        WriteFailed, CommitConflict: the log of a source could not be written. The logs of the other sources were
            written; the pushes of this one stay in the spool.
        SpoolFailed: the spool cannot be read.
    """
    last, rows, refused = spool.last(), 0, list[FeaturePlatformError]()
    waiting = set[str]()  # sources whose refused messages could not be logged
    for source in sorted(spool.sources(), key=_is_source):
        if stopping():
            break
        if source in waiting:
            continue
        try:
            rows += _Flush(spool, store, source, last, run_id or uuid4().hex).run(leaving, stopping)
        except FeaturePlatformError as error:
            refused.append(error)
            waiting.add(TableKind.UNREADABLE.bare_name(source))
    if refused:
        for other in refused[1:]:
            refused[0].add_note(str(other))
        raise refused[0]
    return rows


def _is_source(name: str) -> bool:
    """Tell whether pushes are rows of a source, and not messages that it refused.

    These go first: a stream is read on behind the last message whose rows are in the log, so that by then all that was
    refused before it has to be logged, too.
    """
    return kind_of_table(name) is None


class _Flush:
    """One flush of the pushes to one source.

    Args:
        last: the number of the last push that is flushed; new ones may come while it runs.
    """

    def __init__(self, spool: Spool, store: OfflineStore, source: str, last: int, run_id: str) -> None:
        self.spool, self.store, self.source, self.last = spool, store, source, last
        self.log = "" if not source else source if kind_of_table(source) else TableKind.PUSHES.of(source)
        self.stamp = CommitStamp(run_id, self.log, "")
        self.rows = 0

    def run(self, leaving: Leaving | None, stopping: Callable[[], bool]) -> int:
        """Log the pushes batch by batch, then let them leave the spool; return how many rows were appended."""
        if not self.source:  # pushes without a readable source: reading them sets them aside
            return sum(0 for _ in self.spool.pending(source=""))
        at, logged = -1, list[int]()
        while not stopping() and (every := _batch(self._waiting(at))):
            if not self._append_messages([push for push in every if push.are_messages]):
                continue
            batch = [push for push in every if not push.are_messages]
            done = self.store.appended_upto(self.log, *{push.spool for push in batch}, self.spool.before[0])
            self._warn_of_copy(done)
            if twins := self._twins([push for push in batch if push.sequence <= done[push.spool]]):
                self._rename(twins)
            elif self._append([push for push in batch if push.sequence > done[push.spool]], done):
                logged += [push.sequence for push in every]
                at = every[-1].sequence
        if logged and not stopping():
            self.store.settle(self.log)
            if leaving is None or leaving(self.source, at):
                self.spool.remove(logged)
        return self.rows

    def _waiting(self, after: int) -> Iterator[Pushed]:
        return takewhile(lambda push: push.sequence <= self.last, self.spool.pending(after, source=self.source))

    def _append(self, fresh: Sequence[Pushed], done: dict[str, int]) -> bool:
        """Append pushes, in one commit for each incarnation; return False when another process was quicker."""
        for name, some in groupby(self._readable(fresh), key=lambda taken: taken[0].spool):
            pushes, frames = zip(*some, strict=True)
            once = Once(name, done[name], pushes[-1].sequence)
            commit = self.store.append(self.log, _log_rows(pushes, frames), stamp=self.stamp, once=[once])
            if not commit.changed:
                return False
            done[name] = pushes[-1].sequence
            self.rows += commit.rows[""]
        return True

    def _append_messages(self, pushes: Sequence[Pushed]) -> bool:
        """Append the messages of streams that the log does not have yet, in one commit; return False as `_append`.

        A message is known by its place in its stream, whichever process has read it: nothing else is compared.
        """
        found = [(rows, push.rows.select(*ORIGIN)) for push, rows in self._readable(pushes)]
        if not found:
            return True
        frames, origins = zip(*found, strict=True)
        rows = pl.concat([pl.concat(frames, how="diagonal"), pl.concat(origins)], how="horizontal")
        done = self.store.appended_upto(self.log, *rows[SPOOL].unique())
        last = pl.col(SPOOL).replace_strict(done, return_dtype=pl.Int64)
        fresh = rows.filter(pl.col(PUSH) > last).unique([SPOOL, PUSH, PUSH_ROW], maintain_order=True)
        if fresh.is_empty():
            return True
        upto = fresh.group_by(SPOOL).agg(pl.col(PUSH).max()).iter_rows()
        once = [Once(stream, done[stream], number) for stream, number in upto]
        commit = self.store.append(self.log, fresh, stamp=self.stamp, once=once)
        self.rows += commit.rows[""]
        return bool(commit.changed)

    def _readable(self, pushes: Sequence[Pushed]) -> Iterator[tuple[Pushed, pl.DataFrame]]:
        """Yield the pushes that the log can take, with their rows as it has them; set the others aside."""
        known = self.store.read(self.log).collect_schema() if pushes and self.store.exists(self.log) else pl.Schema()
        for push in pushes:
            try:
                rows, known = _storable(self.log, push, known)
            except _NEVER as error:
                self.spool.set_aside(push.sequence, str(error))
            else:
                yield push, rows

    def _twins(self, pushes: Sequence[Pushed]) -> dict[str, list[int]]:
        """Return the numbers of pushes, by incarnation, under which the log has other rows than theirs, or none.

        The log has none when somebody else set the push aside, or put back an older copy of the log.
        """
        twins_by_spool: dict[str, list[int]] = {}
        for name, some in groupby(pushes, key=lambda push: push.spool):
            mine = list(some)
            theirs = self._in_log(name, mine[0].sequence, mine[-1].sequence)
            twins = [push.sequence for push in mine if not _is_same(self.log, push, theirs.get(push.sequence))]
            if twins:
                twins_by_spool.setdefault(name, []).extend(twins)
        return twins_by_spool

    def _in_log(self, name: str, first: int, last: int) -> dict[int, pl.DataFrame]:
        """Return the rows that the log has under the numbers of an incarnation."""
        near = (pl.col(SPOOL) == name) & pl.col(PUSH).is_between(first, last)
        rows = self.store.read(self.log).filter(near).sort(PUSH, PUSH_ROW).collect()
        return {some[PUSH][0]: some for some in rows.partition_by(PUSH, maintain_order=True)}

    def _rename(self, pushes: dict[str, list[int]]) -> None:
        for name, sequences in pushes.items():
            self.spool.rename(sequences, name)
        count = sum(map(len, pushes.values()))
        self.spool.tell(PushesRenamed(str(self.spool.folder), self.log, count))

    def _warn_of_copy(self, done: dict[str, int]) -> None:
        """Warn when the log has more pushes of the former incarnation of this spool than the spool knows of."""
        before, newest = self.spool.before
        if before and done[before] > newest and self.spool.is_news(f"{before} {self.log}"):
            self.spool.tell(SpoolIsACopy(str(self.spool.folder), self.log, newest, done[before]))


def _batch(pushes: Iterable[Pushed]) -> list[Pushed]:
    """Return the first pushes, as many as go into one commit."""
    batch, rows, size = list[Pushed](), 0, 0.0
    for push in pushes:
        batch.append(push)
        rows, size = rows + push.rows.height, size + push.rows.estimated_size()
        if rows >= _COMMIT_ROWS or size >= _COMMIT_BYTES:
            break
    return batch


def _is_same(log: str, push: Pushed, found: pl.DataFrame | None) -> bool:
    """Tell whether rows of a log are those of a push, as they were when it arrived."""
    if found is None or found.height != push.rows.height or found[ARRIVED_AT][0] != push.arrived_at:
        return False
    try:
        mine, _ = _storable(log, push, found.schema)
    except _NEVER:
        return False
    return set(mine.columns) <= set(found.columns) and found.select(mine.columns).equals(mine)


def _storable(log: str, push: Pushed, known: pl.Schema) -> tuple[pl.DataFrame, pl.Schema]:
    """Return the rows of a push as a log stores them, and the columns that the log has then.

    Raises:
        ColumnCollision, SchemaChanged, WrongColumnName, WrongColumnType: the log cannot take them.
    """
    rows = push.rows.drop(list(ORIGIN)) if push.are_messages else push.rows
    reserved = [name for name in rows.columns if name.lower() in ORIGIN]
    if reserved:
        raise ColumnCollision(f"Table `{log}`", reserved, "Rename it in the source's `prepare`.")
    rows = make_storable(log, rows, known)
    added = added_columns(log, known, rows.schema, complete=False)
    if not added:
        return rows, known
    both = pl.Schema({**known, **{name: rows.schema[name] for name in added}})
    check_names(log, both, known)
    return rows, both


def _log_rows(pushes: Sequence[Pushed], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return pushes as rows of the log, with their origin; columns that a source got later are null in older pushes."""
    origins = pl.DataFrame(
        {
            SPOOL: [push.spool for push in pushes],
            PUSH: [push.sequence for push in pushes],
            PUSH_ROW: [list(range(push.rows.height)) for push in pushes],
            ARRIVED_AT: [push.arrived_at for push in pushes],
        },
        schema={**ORIGIN, PUSH_ROW: pl.List(ORIGIN[PUSH_ROW])},
    ).explode(PUSH_ROW)
    rows = pl.concat(frames, how="diagonal")
    return pl.concat([rows, origins], how="horizontal")

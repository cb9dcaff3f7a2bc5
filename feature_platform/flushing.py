"""Flushing: the pushes of a spool go to the logs `pushes/<source>` of the offline store, each exactly once.

A push leaves the spool only when the log has it, on the disk, and when it is online. The log itself says, in the commit
of the rows, up to which push of a spool it has them: to be killed between any two steps changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from uuid import uuid4

import polars as pl

from feature_platform.compute.pushed import ARRIVED_AT, ORIGIN, PUSH, PUSH_ROW, SPOOL, push_log
from feature_platform.errors import FeaturePlatformError, SpoolIsACopy
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once
from feature_platform.online.spool import Pushed, Spool

_COMMIT_ROWS = 500_000  # of a source in one commit: bounds what is held in memory
_COMMIT_BYTES = 256 * 2**20


Leaving = Callable[[str, int], None]
"""Told a source, and the push up to which its log has those that are about to leave the spool."""


def flush(spool: Spool, store: OfflineStore, *, run_id: str | None = None, leaving: Leaving | None = None) -> int:
    """Append what waits in a spool to the logs of the offline store, and forget there what is online as well.

    Several processes may flush one spool at once. The pushes of a source are appended in their order, in one commit
    unless they are very many.

    Args:
        leaving: called before pushes leave the spool; where it fails they stay.

    Returns:
        How many rows were appended.

    Raises:
        SpoolIsACopy: the spool was put back from an older copy.
        SchemaChanged, WriteFailed, CommitConflict: the log of a source refused. Those of the other sources were written
            all the same; the pushes of this one stay in the spool.
    """
    last, rows, refused = spool.last(), 0, list[FeaturePlatformError]()
    for source in spool.sources():
        try:
            rows += _flush(spool, store, source, last, run_id or uuid4().hex, leaving)
        except FeaturePlatformError as error:
            refused.append(error)
    if refused:
        for other in refused[1:]:
            refused[0].add_note(str(other))
        raise refused[0]
    return rows


def _flush(spool: Spool, store: OfflineStore, source: str, last: int, run_id: str, leaving: Leaving | None) -> int:
    name, stamp, rows = push_log(source), CommitStamp(run_id, push_log(source), ""), 0
    while True:
        done = store.appended_upto(name, spool.id)[spool.id]
        if done > (newest := spool.last()):
            raise SpoolIsACopy(str(spool.folder), name, newest, done)
        waiting = takewhile(lambda push: push.sequence <= last, spool.pending(done, source=source))
        batch = _batch(waiting)
        if not batch:
            break
        once = Once(spool.id, done, batch[-1].sequence)
        commit = store.append(name, _logged(batch), stamp=stamp, once=once)
        rows += commit.rows[""]
    store.settle(name)
    if leaving is not None:
        leaving(source, done)
    spool.remove(source, done)
    return rows


def _batch(pushes: Iterable[Pushed]) -> list[Pushed]:
    """The first pushes, as many as go into one commit."""
    batch, rows, size = list[Pushed](), 0, 0.0
    for push in pushes:
        batch.append(push)
        rows, size = rows + push.rows.height, size + push.rows.estimated_size()
        if rows >= _COMMIT_ROWS or size >= _COMMIT_BYTES:
            break
    return batch


def _logged(batch: Sequence[Pushed]) -> pl.DataFrame:
    """Pushes as rows of the log, with their origin; columns that a source got meanwhile are null in older pushes."""
    origins = pl.DataFrame(
        {
            SPOOL: [push.spool for push in batch],
            PUSH: [push.sequence for push in batch],
            PUSH_ROW: [list(range(push.rows.height)) for push in batch],
            ARRIVED_AT: [push.arrived_at for push in batch],
        },
        schema={**ORIGIN, PUSH_ROW: pl.List(ORIGIN[PUSH_ROW])},
    ).explode(PUSH_ROW)
    rows = pl.concat([push.rows for push in batch], how="diagonal")
    return pl.concat([rows, origins], how="horizontal")

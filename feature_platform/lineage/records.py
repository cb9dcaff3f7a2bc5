"""The records of runs that are to be sent, oldest first, and the columns of the tables that they name.

Runs are found by the commits of table `runs`: a commit is never before one that was read, as the start of a run may be.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, TableNotFound, VersionNotFound
from feature_platform.offline import OfflineStore
from feature_platform.offline.log_facts import LoggedCommit, TablePosition, commits_since, table_position
from feature_platform.offline.runs import RUNS

TableSchemas = Mapping[tuple[str, int], pl.Schema]
"""The columns of a table at a version; a version that is not stored any more is missing."""

_COLUMNS = (
    "run_id", "asset", "partitions", "code_version", "outcome", "error", "version", "rows_out", "checks",
    "inputs_declared", "inputs_opened", "started_at", "duration_s", "platform_version", "git_commit", "git_dirty",
    "config",
)  # fmt: skip


@dataclass(frozen=True)
class RecordedRun:
    """A run, as table `runs` has it.

    Attributes:
        record: its row.
        position: the version that need not be read again, once this run and those before it are sent.
    """

    record: Mapping[str, Any]
    position: TablePosition


@dataclass(frozen=True)
class NewRuns:
    """The runs of one look.

    Attributes:
        upto: where the next look begins when all are sent; None when there is no table of runs.
        waiting: how many more there are.
    """

    runs: tuple[RecordedRun, ...]
    upto: TablePosition | None
    waiting: int = 0


def read_new_runs(store: OfflineStore, after: TablePosition | None, limit: int) -> NewRuns:
    """Return the next runs that were recorded after a position, in the order in which they ended.

    Args:
        after: None begins with the oldest run whose commit the log still has; so does a table that was made anew.
    """
    now = table_position(store.location(RUNS))
    if now is None:
        return NewRuns((), None)
    known = after.version if after is not None and after.id == now.id else -1
    commits = [each for each in commits_since(store.location(RUNS), known, now.version) if each.kind == "append"]
    taken = commits[:limit]
    upto = now if len(taken) == len(commits) else TablePosition(now.id, taken[-1].version)
    return NewRuns(tuple(_recorded_runs(store, now, taken)), upto, len(commits) - len(taken))


def read_runs_since(store: OfflineStore, since: datetime | None) -> list[Mapping[str, Any]]:
    """Return the records of all runs that started at a moment or later, the earliest first; of all without one."""
    if not store.exists(RUNS):
        return []
    rows = store.read(RUNS).select(_COLUMNS)
    if since is not None:
        rows = rows.filter(pl.col("started_at") >= since)
    return list(rows.sort("started_at", "run_id", "asset").collect().iter_rows(named=True))


def read_schemas(store: OfflineStore, records: Iterable[Mapping[str, Any]]) -> TableSchemas:
    """Return the columns of each table and version that some runs published or read."""
    wanted: dict[tuple[str, int], None] = {}
    for record in records:
        if record["version"] is not None:
            wanted[record["asset"], record["version"]] = None
        wanted.update({(each["table"], each["version"]): None for each in record["inputs_declared"] or ()})
    found = {key: _schema_of(store, *key) for key in wanted}
    return {key: schema for key, schema in found.items() if schema is not None}


def decode_position(cursor: str | None) -> TablePosition | None:
    """Return the position in the text of a cursor; None without one.

    Raises:
        InvalidDeclaration: it is not the text of a cursor.
    """
    if not cursor:
        return None
    try:
        name, version = json.loads(cursor)["runs"]
        return TablePosition(str(name), int(version))
    except (ValueError, TypeError, KeyError):
        remedy = "Clear it: every run is sent again, as the same run."
        raise InvalidDeclaration("The cursor of lineage", f"is {cursor!r:.80}", remedy) from None


def encode_position(position: TablePosition) -> str:
    """Return a position as the text of a cursor.

    >>> encode_position(TablePosition("a1", 4))
    '{"runs": ["a1", 4]}'
    """
    return json.dumps({"runs": [position.id, position.version]})


def _recorded_runs(store: OfflineStore, now: TablePosition, commits: Sequence[LoggedCommit]) -> Iterator[RecordedRun]:
    """Yield the runs behind commits: a commit says run and asset, which an attempt before may have had, too."""
    if not commits:
        return
    keys = {(each.run_id, each.asset) for each in commits}
    rows = store.read(RUNS, version=now.version).filter(pl.col("run_id").is_in([run_id for run_id, _ in keys]))
    records: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows.select(_COLUMNS).sort("started_at").collect().iter_rows(named=True):
        records.setdefault((row["run_id"], row["asset"]), []).append(row)
    for commit in commits:
        attempts = records.pop((commit.run_id, commit.asset), [])
        for number, record in enumerate(attempts, start=1):
            yield RecordedRun(record, TablePosition(now.id, commit.version - (number < len(attempts))))


def _schema_of(store: OfflineStore, table: str, version: int) -> pl.Schema | None:
    try:
        return store.read(table, version=version).collect_schema()
    except (TableNotFound, VersionNotFound):
        return None

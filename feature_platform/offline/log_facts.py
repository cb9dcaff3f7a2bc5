"""Facts that the log of a table gives: its id, its commits since a version, the bounds in its files.

Only the log is opened; what the log does not say is None or empty, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_platform.ground.clock import UTC
from feature_platform.offline.commits import PREFIX, find_table, open_table
from feature_platform.offline.history import TOUCHES_NOTHING, commit_time_of, live_rows, read_log
from feature_platform.offline.names import Location


@dataclass(frozen=True)
class TablePosition:
    """The id that Delta gave a table, and its newest version."""

    id: str
    version: int


@dataclass(frozen=True)
class LoggedCommit:
    """One commit of a table.

    Attributes:
        at: when it was made (UTC).
        operation: Delta's name for it.
        kind: the platform's name for it; None when it is foreign.
        partitions: the keys that it wrote, as it says.
        inputs: the version of each table that its rows were made from.
        restored: the version that a rollback went back to.
        unrepeatable: the keys that got other rows than the same code had made from the same data.
    """

    version: int
    at: datetime
    operation: str
    kind: str | None
    run_id: str
    asset: str
    code_version: str
    partitions: tuple[str, ...]
    inputs: Mapping[str, int]
    restored: int | None
    unrepeatable: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Tell whether somebody else than the platform made the commit, and it touched rows."""
        return self.kind is None and self.operation not in TOUCHES_NOTHING


def table_position(location: Location) -> TablePosition | None:
    """Return the table that exists now, by its log; None when there is none.

    Raises:
        NotADeltaTable, TableUnreadable: see `find_table`.
    """
    table = find_table(location)
    return None if table is None else TablePosition(str(table.metadata().id), table.version())


def commits_since(location: Location, after: int, upto: int) -> list[LoggedCommit]:
    """Return the commits with `after < version <= upto` that the log still has, oldest first."""
    if upto <= after:
        return []
    log = read_log(location, upto - after)
    if log.oldest > after + 1 and not log.whole:  # somebody committed meanwhile
        log = read_log(location, log.newest - after)
    return [_logged_commit(entry) for entry in reversed(log.entries) if after < int(entry["version"]) <= upto]


def partitions_with_rows(location: Location) -> set[str]:
    """Return the keys of the partitions that have files."""
    return set(live_rows(open_table(location)))


def newest_event(location: Location, column: str) -> datetime | None:
    """Return the latest time in a column of the newest version, by the statistics of the log, in milliseconds.

    It is None when there are no rows, or when a file has no statistics because somebody else wrote it.
    """
    files = pl.DataFrame(open_table(location).get_add_actions(flatten=True))
    name = f"max.{column}"
    if not files.height or name not in files.columns or files[name].dtype != UTC or files[name].null_count():
        return None
    newest = files[name].max()
    return newest if isinstance(newest, datetime) else None


def _logged_commit(entry: Mapping[str, Any]) -> LoggedCommit:
    restored = entry.get(f"{PREFIX}restored_version")
    return LoggedCommit(
        version=int(entry["version"]),
        at=commit_time_of(entry),
        operation=str(entry.get("operation") or ""),
        kind=entry.get(f"{PREFIX}kind") if f"{PREFIX}run_id" in entry else None,
        run_id=entry.get(f"{PREFIX}run_id") or "",
        asset=entry.get(f"{PREFIX}asset") or "",
        code_version=entry.get(f"{PREFIX}code_version") or "",
        partitions=tuple(sorted(entry.get(f"{PREFIX}partitions") or {})),
        inputs={table: int(version) for table, version in (entry.get(f"{PREFIX}inputs") or {}).items()},
        restored=None if restored is None else int(restored),
        unrepeatable=tuple(entry.get(f"{PREFIX}unrepeatable") or ()),
    )

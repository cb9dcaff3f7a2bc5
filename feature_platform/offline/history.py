"""The history of a table: its commits, and for each partition the commit that wrote its present rows.

The state of a partition is found by walking the log from the newest commit back. A commit without our keys is a foreign
write: the partitions that it touched have an unknown hash until the platform writes them again.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from feature_platform.ground.errors import NotUtc, VersionNotFound
from feature_platform.offline.commits import PREFIX, open_table
from feature_platform.offline.files import live_files
from feature_platform.offline.names import WHOLE, Location

TOUCHES_NOTHING = {"VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE"}
_BLOCKS = (64, 1024, None)


@dataclass(frozen=True)
class PartitionState:
    """The state of a partition; `hash` is `None` when it is unknown, after a foreign write or an append.

    `version` is the commit that wrote it, `None` when the log no longer reaches back to it; `code_version`, `inputs`
    and `extra` are those in the stamp of that commit; `delivered` is the number of rows that the connector had, where
    pushed rows may be among `rows`. `functions` are the digests of its code; an old commit without any has those of the
    next commit with some. `units` is a digest of what the units of the source held for it. `columns` are those that its
    rows were made with: other columns of the table are null in it, but were never computed; None when the commit does
    not say, as older ones. `made` is the version that computed the rows, where `version` only gave them other columns.
    """

    hash: str | None
    rows: int
    version: int | None
    code_version: str | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    delivered: int | None = None
    functions: Mapping[str, str] = field(default_factory=dict)
    units: str | None = None
    columns: tuple[str, ...] | None = None
    made: int | None = None


@dataclass(frozen=True)
class Log:
    """The newest version of a table with its commits, newest first, all read at one moment."""

    table: DeltaTable
    entries: list[dict[str, Any]]
    whole: bool

    @property
    def newest(self) -> int:
        return self.table.version()

    @property
    def oldest(self) -> int:
        return int(self.entries[-1]["version"]) if self.entries else self.newest


def read_log(location: Location, limit: int | None = None) -> Log:
    """Return the log; it is read again until nobody commits during the reading.

    deltalake numbers history entries by counting down from the version that is open, although it also lists the commits
    made since; it would number them wrongly for a table that is not at its newest version.
    """
    table = open_table(location)
    while True:
        version, entries = table.version(), table.history(limit)
        if _newest_version(location, table) == version:
            return Log(table, entries, whole=limit is None or len(entries) < limit)
        table = open_table(location)


def open_version(location: Location, version: int) -> DeltaTable:
    """Return the table at a version.

    Raises:
        VersionNotFound: the log does not have it, or no longer.
    """
    log = read_log(location, 1)
    check_version(location, log, version)
    return log.table if version == log.newest else open_table(location, version)


def _newest_version(location: Location, table: DeltaTable) -> int:
    """Return the newest version there is now.

    An open table only looks for later commits, which costs little.
    """
    try:
        table.update_incremental()
    except (DeltaError, OSError):  # its log is another one than it was: opened anew, it says what is wrong
        return open_table(location).version()
    return table.version()


def commit_history(location: Location) -> pl.DataFrame:
    """Return all commits, newest first.

    `foreign` marks those that are not the platform's, `restored` is set for rollbacks.
    """
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "version": pl.Int64,
        "timestamp": pl.Datetime("us", "UTC"),
        "operation": pl.String,
        "kind": pl.String,
        "run_id": pl.String,
        "asset": pl.String,
        "code_version": pl.String,
        "partitions": pl.List(pl.String),
        "rows": pl.Int64,
        "inputs": pl.String,
        "foreign": pl.Boolean,
        "restored": pl.Int64,
    }
    return pl.DataFrame([_row(entry) for entry in read_log(location).entries], schema=schema, orient="row")


def commit_id(location: Location, version: int) -> str | None:
    """Return what identifies the commit of a version; see `OfflineStore.commit_id`."""
    table = open_table(location)
    if version > table.version():
        return None
    entries = table.history(table.version() - version + 1)
    entry = next((each for each in entries if each["version"] == version), None)
    return None if entry is None else f"{commit_time_of(entry).isoformat()} {entry.get(f'{PREFIX}run_id', '')}"


def version_at(location: Location, timestamp: datetime) -> int:
    """Return the version that a reader would have found at an instant; `VersionNotFound` before the first."""
    if timestamp.tzinfo is None:
        raise NotUtc(
            f"Table `{location.table}`", "timestamp", f"the naive time {timestamp}", "Add `tzinfo=timezone.utc`."
        )
    log = read_log(location)
    for entry in log.entries:
        if commit_time_of(entry) <= timestamp:
            return int(entry["version"])
    oldest = commit_time_of(log.entries[-1]) if log.entries else None
    raise VersionNotFound(location.table, f"at {timestamp}", f"{log.oldest} ({oldest})", log.newest)


def partition_states(
    location: Location,
    version: int | None = None,
    *,
    enough: Callable[[Mapping[str, int]], Collection[str]] | None = None,
) -> tuple[DeltaTable, dict[str, PartitionState]]:
    """Return the newest table, and the states of its partitions at a version.

    `enough` gets the number of rows of each partition that has files, and returns the partitions whose states are
    needed: the walk through the log ends when it has found them. Without `enough` it walks the whole log.
    """
    for limit in (None,) if enough is None else _BLOCKS:
        log = read_log(location, limit)
        at = check_version(location, log, version)
        if enough is None:
            break
        live = live_rows(log.table if at == log.newest else open_table(location, at))
        sought = set(enough(live))
        states, _ = _walk(location, log, at, sought)
        if log.whole or states.keys() >= sought:
            return log.table, _with_rows(live, states)
    return log.table, states_at(location, log, at)


def states_at(location: Location, log: Log, version: int) -> dict[str, PartitionState]:
    """Return the states of the partitions of a table at a version that its log has.

    The files of that version are looked at only for what the commits do not say.
    """
    states, is_complete = _walk(location, log, version, None)
    if is_complete and all(state.hash is not None for state in states.values()):
        return states
    return _with_rows(live_rows(log.table if version == log.newest else open_table(location, version)), states)


def replacements_of(location: Location, log: Log) -> list[tuple[int, PartitionState]]:
    """Return the versions in which the platform replaced an unpartitioned table, newest first, with its states."""
    replacements: list[tuple[int, PartitionState]] = []
    functions: Mapping[str, str] = {}
    for entry in log.entries:
        functions = entry.get(f"{PREFIX}functions") or functions
        written_states = (
            _states_of_commit(location, entry, functions) if entry.get(f"{PREFIX}kind") == "replace" else None
        )
        if written_states is not None and WHOLE in written_states:
            replacements.append((int(entry["version"]), written_states[WHOLE]))
    return replacements


def differing_partitions(before: Mapping[str, PartitionState], after: Mapping[str, PartitionState]) -> set[str]:
    """Return the partitions whose content differs, or may differ; a partition that is absent counts as empty."""
    return {key for key in before.keys() | after.keys() if not _same(before.get(key), after.get(key))}


def check_version(location: Location, log: Log, version: int | None) -> int:
    """Return the version asked for, the newest by default; `VersionNotFound` when the log does not have it."""
    if version is None:
        return log.newest
    if not 0 <= version <= log.newest or (log.whole and version < log.oldest):
        raise VersionNotFound(location.table, version, log.oldest, log.newest)
    return version


def sort_order_of(location: Location) -> list[str]:
    """Return the columns by which the newest replace sorted the rows of a partition; none if the log has no replace."""
    orders = (entry.get(f"{PREFIX}sort_by") for entry in read_log(location).entries)
    return next((list(names) for names in orders if names is not None), [])


def inputs_read(location: Location) -> dict[str, set[int]]:
    """Return the versions of other tables from which the commits in the log say that they were made."""
    versions: dict[str, set[int]] = {}
    for entry in read_log(location).entries:
        for table, version in (entry.get(f"{PREFIX}inputs") or {}).items():
            versions.setdefault(table, set()).add(int(version))
    return versions


def commit_time_of(entry: Mapping[str, Any]) -> datetime:
    """Return when a commit of the log was made (UTC)."""
    return datetime.fromtimestamp(entry["timestamp"] / 1000, tz=UTC)


def live_rows(table: DeltaTable) -> dict[str, int]:
    """Count the rows of each partition that has files, by the statistics of the log."""
    rows: dict[str, int] = {}
    for key, count in _rows_by_file(table).values():
        rows[key] = rows.get(key, 0) + count
    return rows


def _walk(location: Location, log: Log, at: int, sought: set[str] | None) -> tuple[dict[str, PartitionState], bool]:
    """Return the states that the commits up to a version tell, and whether these commits are complete.

    They are complete when they are all that the table ever had, and each of them says what it wrote.
    """
    states: dict[str, PartitionState] = {}
    functions: Mapping[str, str] = {}
    cursor = at
    for entry in log.entries:
        if entry["version"] > cursor:
            continue
        cursor = entry["version"] - 1
        if f"{PREFIX}restored_version" in entry:
            cursor = int(entry[f"{PREFIX}restored_version"])
            continue
        if sought is not None and states.keys() >= sought:
            return states, False
        functions = entry.get(f"{PREFIX}functions") or functions
        written_states = _states_of_commit(location, entry, functions)
        if written_states is None:
            return states, False
        for key, state in written_states.items():
            states.setdefault(key, state)
    return states, log.oldest == 0


def _with_rows(live: Mapping[str, int], states: Mapping[str, PartitionState]) -> dict[str, PartitionState]:
    hashed = {key: state for key, state in states.items() if state.hash is not None}
    return {**_without_hash(live, states), **hashed}


def _without_hash(live: Mapping[str, int], states: Mapping[str, PartitionState]) -> dict[str, PartitionState]:
    """Return the partitions whose content the log does not tell; their rows are counted from their files."""
    forgotten = PartitionState(None, 0, None)
    unknown = {key: forgotten for key in live if key not in states}
    unknown |= {key: state for key, state in states.items() if state.hash is None}
    return {key: replace(state, rows=live.get(key, 0)) for key, state in unknown.items()}


def _states_of_commit(
    location: Location, entry: dict[str, Any], functions: Mapping[str, str]
) -> dict[str, PartitionState] | None:
    """Return the states that one commit wrote: by its stamp, or for a foreign one by its files; None if unknown.

    Args:
        functions: the digests of its code; a commit without any has those of the next commit with some.
    """
    version = int(entry["version"])
    code, inputs = entry.get(f"{PREFIX}code_version"), entry.get(f"{PREFIX}inputs") or {}
    extra = entry.get(f"{PREFIX}extra") or {}
    column_names = entry.get(f"{PREFIX}columns")
    columns = None if column_names is None else tuple(column_names)
    if f"{PREFIX}run_id" not in entry:
        touched = set() if entry.get("operation") in TOUCHES_NOTHING else _touched_partitions(location, version)
        foreign = PartitionState(None, 0, version, functions=functions)
        return None if touched is None else dict.fromkeys(touched, foreign)
    if entry[f"{PREFIX}kind"] == "append":
        return {WHOLE: PartitionState(None, 0, version, code, inputs, functions=functions)}
    facts_by_key = entry.get(f"{PREFIX}partitions") or {}
    if f"{PREFIX}origins" in entry:
        common = PartitionState(None, 0, version, code, inputs, extra, functions=functions, columns=columns)
        return _states_of_reshape(
            common, facts_by_key, [_state_of_origin(common, said) for said in entry[f"{PREFIX}origins"]]
        )
    return {
        key: PartitionState(
            facts["hash"],
            int(facts["rows"]),
            version,
            code,
            inputs,
            extra,
            delivered=facts.get("delivered"),
            functions=functions,
            units=facts.get("units"),
            columns=columns,
        )
        for key, facts in facts_by_key.items()
    }


def _states_of_reshape(
    common: PartitionState, facts_by_key: Mapping[str, Any], origins: list[PartitionState]
) -> dict[str, PartitionState]:
    """Return the states of the partitions in a commit that only gave rows of earlier commits other columns."""
    return {
        key: replace(
            origins[facts["origin"]] if "origin" in facts else common,
            hash=facts["hash"],
            rows=int(facts["rows"]),
            delivered=facts.get("delivered"),
            units=facts.get("units"),
        )
        for key, facts in facts_by_key.items()
    }


def _state_of_origin(common: PartitionState, origin: Mapping[str, Any]) -> PartitionState:
    """Return the common state of partitions whose rows an earlier commit made; see `Origin`."""
    return replace(
        common,
        code_version=origin["code_version"],
        inputs=origin["inputs"],
        extra=origin["extra"],
        functions=common.functions if origin["made"] is None else origin["functions"],
        columns=None if origin["columns"] is None else tuple(origin["columns"]),
        made=origin["made"],
    )


def _touched_partitions(location: Location, version: int) -> set[str] | None:
    """Return the partitions whose files a commit added or removed; `None` when the versions around it are gone."""
    try:
        after = _rows_by_file(open_table(location, version))
        before = _rows_by_file(open_table(location, version - 1)) if version else {}
    except VersionNotFound:
        return None
    return {(before.get(path) or after[path])[0] for path in before.keys() ^ after.keys()}


def _rows_by_file(table: DeltaTable) -> dict[str, tuple[str, int]]:
    """Return the partition key and the number of rows of each file."""
    return {file.path: (key, file.rows) for key, files in live_files(table).items() for file in files}


def _same(one: PartitionState | None, other: PartitionState | None) -> bool:
    if one is None or other is None or (one.rows == 0 and other.rows == 0):
        return (one is None or one.rows == 0) and (other is None or other.rows == 0)
    if one.hash is None or other.hash is None:
        return one.hash is other.hash and one.version is not None and one.version == other.version
    return one.hash == other.hash


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    partitions = entry.get(f"{PREFIX}partitions") or {}
    inputs = entry.get(f"{PREFIX}inputs")
    return (
        entry["version"],
        commit_time_of(entry),
        entry.get("operation"),
        entry.get(f"{PREFIX}kind"),
        entry.get(f"{PREFIX}run_id"),
        entry.get(f"{PREFIX}asset"),
        entry.get(f"{PREFIX}code_version"),
        sorted(partitions),
        entry.get(f"{PREFIX}rows_added", (entry.get("operationMetrics") or {}).get("num_added_rows")),
        None if inputs is None else ", ".join(f"{table}@{version}" for table, version in sorted(inputs.items())),
        f"{PREFIX}run_id" not in entry,
        entry.get(f"{PREFIX}restored_version"),
    )

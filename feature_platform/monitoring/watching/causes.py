"""Causes: what changed between the commit of a partition that looks wrong and the one that it is compared with.

They are looked for in the asset itself and in the versions of everything upstream that its rows were made from. Alerts
upstream are not among them: a message names the active ones by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from feature_platform.declarations.project import Asset
from feature_platform.ground.errors import VersionNotFound
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot
from feature_platform.offline.log_facts import LoggedCommit
from feature_platform.offline.names import WHOLE

_MOST = 4  # the most telling come first


class CauseKind(StrEnum):
    """The kinds of likely causes."""

    CODE = "code"
    FOREIGN_WRITE = "foreign_write"
    ROLLBACK = "rollback"
    SCHEMA = "schema"
    ANEW = "anew"


@dataclass(frozen=True)
class Cause:
    """A likely cause: what was done to which table, in a short sentence."""

    kind: CauseKind
    table: str
    text: str


def causes_of(
    snapshot: ProjectSnapshot, asset: Asset, partition: str, judged_version: int | None = None
) -> tuple[Cause, ...]:
    """Return likely causes, the nearest first; none when the log no longer has both commits.

    Args:
        judged_version: the version of the asset's table that was judged; what was done later is no cause.
    """
    commits = _commits(snapshot, asset, judged_version)
    now = _commit_of(commits, partition)
    before = None if now is None else _commit_before(commits, now, partition)
    if now is None or before is None:
        return ()
    causes = [
        *_own_causes(snapshot, asset.asset, before, now, commits[-1].version),
        *_upstream_causes(snapshot, before, now, set()),
    ]
    return tuple(dict.fromkeys(causes))[:_MOST]


def written_at(
    snapshot: ProjectSnapshot, asset: Asset, partition: str, judged_version: int | None = None
) -> datetime | None:
    """Return when the judged rows of a partition were committed; None when the log does not say."""
    wrote = _commit_of(_commits(snapshot, asset, judged_version), partition)
    return None if wrote is None else wrote.at


def _commits(snapshot: ProjectSnapshot, asset: Asset, judged_version: int | None) -> list[LoggedCommit]:
    return [each for each in snapshot.commits(asset.asset) if judged_version is None or each.version <= judged_version]


def _commit_of(commits: list[LoggedCommit], partition: str) -> LoggedCommit | None:
    return next((each for each in reversed(commits) if partition in each.partitions), None)


def _commit_before(commits: list[LoggedCommit], now: LoggedCommit, partition: str) -> LoggedCommit | None:
    """Return the commit before this one of the same partition, or else the newest one of an earlier partition."""
    earlier = [each for each in reversed(commits) if each.version < now.version and each.partitions]
    same = next((each for each in earlier if partition in each.partitions), None)
    if same is not None or partition == WHOLE:
        return same
    return next((each for each in earlier if min(each.partitions) < partition), None)


def _own_causes(
    snapshot: ProjectSnapshot, table: str, before: LoggedCommit, now: LoggedCommit, newest: int
) -> Iterator[Cause]:
    """Yield what was done to the table itself since the commit before, up to the version that was judged."""
    if before.code_version != now.code_version:
        yield _code(table, now.version)
    yield from _done_to(snapshot, table, before.version, newest)
    yield from _other_schema(snapshot, table, before.version, now.version)


def _code(table: str, version: int) -> Cause:
    return Cause(CauseKind.CODE, table, f"{table} has other code since version {version}")


def _upstream_causes(
    snapshot: ProjectSnapshot, before: LoggedCommit, now: LoggedCommit, visited: set[str]
) -> Iterator[Cause]:
    """Yield what was done to the inputs between the versions that two commits read, and to their own inputs."""
    for table, upto in sorted(now.inputs.items()):
        after = before.inputs.get(table)
        if after is None or after == upto or table in visited:
            continue
        visited.add(table)
        if after > upto:
            yield Cause(CauseKind.ANEW, table, f"{table} was made anew")
            continue
        yield from _other_code(snapshot, table, after, upto)
        yield from _done_to(snapshot, table, after, upto)
        yield from _other_schema(snapshot, table, after, upto)
        old, new = _last_replacement(snapshot, table, after), _last_replacement(snapshot, table, upto)
        if old is not None and new is not None:
            yield from _upstream_causes(snapshot, old, new, visited)


def _last_replacement(snapshot: ProjectSnapshot, table: str, version: int) -> LoggedCommit | None:
    """Return the newest commit up to a version in which the platform itself wrote rows."""
    commits = (each for each in reversed(snapshot.commits(table)) if each.version <= version)
    return next((each for each in commits if each.kind == "replace"), None)


def _other_code(snapshot: ProjectSnapshot, table: str, after: int, upto: int) -> Iterator[Cause]:
    before = _last_replacement(snapshot, table, after)
    for commit in snapshot.commits(table):
        if after < commit.version <= upto and commit.kind == "replace":
            if before is not None and before.code_version != commit.code_version:
                yield _code(table, commit.version)
            before = commit


def _done_to(snapshot: ProjectSnapshot, table: str, after: int, upto: int) -> Iterator[Cause]:
    for commit in snapshot.commits(table):
        if after < commit.version <= upto:
            if commit.is_foreign:
                yield Cause(CauseKind.FOREIGN_WRITE, table, f"somebody else wrote version {commit.version} of {table}")
            elif commit.restored is not None:
                yield Cause(CauseKind.ROLLBACK, table, f"{table} was rolled back to version {commit.restored}")


def _other_schema(snapshot: ProjectSnapshot, table: str, after: int, upto: int) -> Iterator[Cause]:
    try:
        old, new = (snapshot.store.read(table, version=each).collect_schema() for each in (after, upto))
    except VersionNotFound:
        return
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if changed:
        more = f", and {len(changed) - 1} more columns" if len(changed) > 1 else ""
        first = _describe_type_change(old, new, changed[0])
        yield Cause(CauseKind.SCHEMA, table, f"{table} has another schema since version {upto}: {first}{more}")


def _describe_type_change(old: pl.Schema, new: pl.Schema, column: str) -> str:
    if column not in new:
        return f"no column {column}"
    return f"{column} is {new[column]}" + (f", it was {old[column]}" if column in old else ", it was not there")

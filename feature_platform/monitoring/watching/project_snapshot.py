"""A snapshot of the tables of a project: each is pinned at one version when it is first used, and read once."""

from collections.abc import Mapping
from datetime import datetime

from feature_platform.declarations.project import Asset, Project, asset_upstream
from feature_platform.monitoring.alerting.store import Positions
from feature_platform.monitoring.watching.cursor import VersionRange, decode_cursor, encode_cursor, new_versions_of
from feature_platform.offline import OfflineStore
from feature_platform.offline.log_facts import LoggedCommit, TablePosition, commits_since
from feature_platform.offline.runs import RUNS


class ProjectSnapshot:
    """The tables of a project at one moment, with what is new since a cursor.

    Attributes:
        now: the moment of the snapshot, no later than the end of a project that is over.

    Args:
        taken: up to where everything was taken in; it holds even where a cursor is lost.
    """

    def __init__(
        self, project: Project, store: OfflineStore, now: datetime, cursor: str | None, taken: Positions | None = None
    ) -> None:
        self.project = project
        self.store = store
        self.now = now if project.partitions.end is None else min(now, project.partitions.end)
        self._taken = taken or {}
        self._positions = self._later(decode_cursor(cursor))
        self._version_ranges: dict[str, VersionRange | None] = {}
        self._commits: dict[str, list[LoggedCommit]] = {}

    def version_range(self, table: str) -> VersionRange | None:
        """Return the new versions of a table; None when there is no such table."""
        if table not in self._version_ranges:
            self._version_ranges[table] = new_versions_of(self.store, table, self._positions)
        return self._version_ranges[table]

    def new_versions(self, table: str) -> VersionRange | None:
        """Return the new versions of a table; None when there are none."""
        version_range = self.version_range(table)
        return version_range if version_range is not None and version_range.has_news else None

    def new_commits(self, version_range: VersionRange) -> list[LoggedCommit]:
        """Return the new commits of a table, oldest first."""
        return commits_since(self.store.location(version_range.table), version_range.after, version_range.upto)

    def commits(self, table: str) -> list[LoggedCommit]:
        """Return all commits of a table that its log still has, oldest first; none when there is no such table."""
        if table not in self._commits:
            version_range = self.version_range(table)
            whole = [] if version_range is None else commits_since(self.store.location(table), -1, version_range.upto)
            self._commits[table] = whole
        return self._commits[table]

    def has_taken_in_run(self, asset: str, version_range: VersionRange, version: int) -> bool:
        """Tell whether a run of an asset was taken in.

        Table `runs` is of all projects, so each asset counts by itself.
        """
        table, upto = self._taken.get(f"{RUNS}:{asset}", ("", -1))
        return table == version_range.id and version <= upto

    def positions(self) -> Positions:
        """Return up to which version it has looked at each table, to be stored with what was taken in."""
        positions = {name: (each.id, each.upto) for name, each in self._version_ranges.items() if each is not None}
        runs = positions.pop(RUNS, None)
        return positions if runs is None else positions | {f"{RUNS}:{each.asset}": runs for each in self.project.assets}

    def _later(self, positions: dict[str, TablePosition]) -> dict[str, TablePosition]:
        """Return the later of the position in a cursor and the position that was taken in, for each table."""
        for name, (table, version) in self._taken.items():
            known = positions.get(name)
            if known is None or known.id != table or known.version < version:
                positions[name] = TablePosition(table, version)
        return positions

    def cursor(self) -> str:
        """Return where the next snapshot begins. Positions of tables that were not used stay in it."""
        new = {
            name: TablePosition(each.id, each.upto) for name, each in self._version_ranges.items() if each is not None
        }
        old = {name: each for name, each in self._positions.items() if not name.startswith(f"{RUNS}:")}
        return encode_cursor({**old, **new})


def lineage(project: Project) -> Mapping[str, list[str]]:
    """Return the assets that each asset is made from directly.

    A service stands for its views; nothing online is there.
    """
    return {each.asset: [above.asset for above in asset_upstream(each)] for each in project.assets}


def owner_name_of(asset: Asset) -> str:
    """Return the owner of an asset; empty when it has none."""
    return asset.owner or ""

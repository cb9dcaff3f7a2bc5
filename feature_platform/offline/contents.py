"""What a table holds now and held before, all from one reading of its log.

Opening a table costs as much as looking through its commits: whoever asks several questions reads the log once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from feature_platform.ground.clock import GRAINS, Grain
from feature_platform.offline.commits import PREFIX, grain_of
from feature_platform.offline.history import (
    PartitionState,
    check_version,
    commit_time_of,
    differing_partitions,
    read_log,
    replacements_of,
    states_at,
)
from feature_platform.offline.names import Location
from feature_platform.offline.pins import Pin, pin_in


@dataclass(frozen=True)
class CommitOrigin:
    """When a commit was made (UTC), and by which run; None for a foreign write."""

    at: datetime
    run_id: str | None


class Contents:
    """A table as its log is when this object is made; later commits are not seen.

    Attributes:
        version: the newest version.
        grain: of its partitions; None for a table without partitions, and for a log.
        restored_version: the version of the newest rollback; None when the log has none.
        pin: the pin that a rollback left; None when the table is not pinned.
    """

    def __init__(self, location: Location) -> None:
        """Read the log of a table.

        Raises:
            TableNotFound, NotADeltaTable, TableUnreadable: see `errors`.
        """
        self._location = location
        self._states: dict[int, dict[str, PartitionState]] = {}
        self._log = read_log(location)
        self.version = self._log.newest

    def states(self, version: int | None = None) -> Mapping[str, PartitionState]:
        """Return the state of each partition at a version, by default the newest; see `OfflineStore.partition_states`.

        Raises:
            VersionNotFound: the log does not have the version.
        """
        at = check_version(self._location, self._log, version)
        if at not in self._states:
            self._states[at] = states_at(self._location, self._log, at)
        return self._states[at]

    def origin_of(self, version: int) -> CommitOrigin | None:
        """Return when and by whom a version was committed; None where the log does not tell any more."""
        entry = next((each for each in self._log.entries if each["version"] == version), None)
        return None if entry is None else CommitOrigin(commit_time_of(entry), entry.get(f"{PREFIX}run_id"))

    def changed_since(self, version: int) -> set[str]:
        """Return the partitions whose content differs from that at a version, or may differ.

        Raises:
            VersionNotFound: the log does not have the version.
        """
        return differing_partitions(self.states(version), self.states())

    @cached_property
    def replacements(self) -> list[tuple[int, PartitionState]]:
        """Return the versions in which an unpartitioned table was replaced, newest first, with its state in each."""
        return replacements_of(self._location, self._log)

    @cached_property
    def grain(self) -> Grain | None:
        name = grain_of(self._log.table)
        return next((each for each in GRAINS if each == name), None)

    @cached_property
    def restored_version(self) -> int | None:
        rollbacks = (int(entry["version"]) for entry in self._log.entries if entry.get(f"{PREFIX}kind") == "rollback")
        return max(rollbacks, default=None)

    @cached_property
    def pin(self) -> Pin | None:
        return pin_in(self._log)

"""The columns of the newest version of tables, read again only when there is a newer version."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from feature_platform.offline.store import OfflineStore


@dataclass(frozen=True)
class _SeenVersion:
    """A version that was the newest when it was looked at.

    Attributes:
        commit, state: the file of its commit, and the facts that distinguish that file from one that replaced it.
        following: the path of the next commit.
    """

    schema: pl.Schema
    commit: str
    state: tuple[int, int, int]
    following: str

    def is_newest(self) -> bool:
        return not os.path.exists(self.following) and _state(self.commit) == self.state  # noqa: PTH110 - each push


@dataclass(frozen=True)
class NewestSchemas:
    """The columns of the newest versions of tables, for one process; threads may share it.

    For a local table it looks at the log: the newest commit is unchanged, and no later one exists. Other tables are
    read each time.
    """

    _seen: dict[tuple[OfflineStore, str], _SeenVersion] = field(default_factory=dict, compare=False, repr=False)

    def of(self, store: OfflineStore, name: str) -> pl.Schema:
        """Return the columns of the newest version of a table.

        Raises:
            TableNotFound, NotADeltaTable, TableUnreadable: see `OfflineStore.read`.
        """
        entry = self._seen.get((store, name))
        if entry is not None and entry.is_newest():
            return entry.schema
        folder = store.location(name).folder
        if folder is None:
            return store.read(name).collect_schema()
        version = store.latest_version(name)
        commit, following = (_commit(folder, each) for each in (version, version + 1))
        state = _state(commit)
        schema = store.read(name, version=version).collect_schema()
        if state is not None:
            self._seen[store, name] = _SeenVersion(schema, commit, state, following)
        return schema


def _commit(folder: Path, version: int) -> str:
    return str(folder / "_delta_log" / f"{version:020d}.json")


def _state(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - each push
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

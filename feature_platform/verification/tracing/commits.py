"""The commit that wrote a value, and the tables that it read: what a value is made again from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import as_events
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import partition_key, partition_start, shift_moment
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.tables import read_dimensions
from feature_platform.verification.tracing.traced import short_moment


@dataclass(frozen=True, eq=False)
class AskedTable:
    """A table at the version that a question is about.

    Attributes:
        contents: its log.
    """

    name: str
    version: int
    contents: Contents

    @staticmethod
    def of(name: str, store: OfflineStore, versions: Mapping[str, int]) -> "AskedTable":
        """Open a table; raises as `OfflineStore.read`."""
        contents = store.contents(name)
        return AskedTable(name, versions.get(name, contents.version), contents)

    @cached_property
    def states(self) -> Mapping[str, PartitionState]:
        """Return the state of each partition."""
        return self.contents.states(self.version)

    def partition_of(self, moment: datetime | None, *, closes_right: bool) -> str:
        """Return the key of the partition that a row of a time belongs to."""
        if self.contents.grain is None or moment is None:
            return WHOLE
        inside = shift_moment(moment, -1) if closes_right else moment
        return partition_key(partition_start(inside, self.contents.grain), self.contents.grain)

    def describe_commit(self, view: FeatureView, key: str) -> list[tuple[str, str]]:
        """Return steps that say which commit wrote a partition, by which code and from what."""
        state = self.states.get(key)
        if state is None or state.version is None:
            return [("commit", f"the log of {self.name} does not tell any more which commit wrote it")]
        version = state.version if state.made is None else state.made
        origin = self.contents.origin_of(version)
        when = "" if origin is None else f" of {short_moment(origin.at)}"
        if state.code_version is None:
            return [("commit", f"{self.name}@{version}{when}, a foreign write: somebody wrote past the platform")]
        run = "" if origin is None or origin.run_id is None else f", run {origin.run_id[:8]}"
        now, then = code_version(view), state.code_version
        code = f"code {then[:8]}" + ("" if now == then else f", which is {now[:8]} now")
        made_from = ", ".join(f"{table}@{version}" for table, version in sorted(state.inputs.items()))
        return [("commit", f"{self.name}@{version}{when}{run}, {code}"), ("made from", made_from or "nothing")]


@dataclass(frozen=True, eq=False)
class ReadTables:
    """The tables that the rows of a view are made from, at the versions that a commit read.

    Attributes:
        view: the view whose table it is, never an alias.
        pinned: the versions that are known; a table that is not among them is read at its newest.
    """

    view: FeatureView
    store: OfflineStore
    pinned: Mapping[str, int]

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """Return the version of each table."""
        names = dict.fromkeys((self.view.source.asset, *(each.asset for each in self.view.enrichments)))
        return {name: self.pinned[name] if name in self.pinned else self.store.latest_version(name) for name in names}

    @property
    def source_version(self) -> int:
        """Return the version of the source."""
        return self.versions[self.view.source.asset]

    @cached_property
    def dimensions(self) -> Mapping[str, pl.LazyFrame]:
        """Return the tables that enrich events; each is read once."""
        return read_dimensions(self.view, self.store, self.versions)

    def read_partitions(self, keys: Sequence[str] | None) -> pl.LazyFrame:
        """Return the rows of the source in some partitions, or all, as the view reads them; nothing enriches them."""
        rows = self.store.read(self.view.source.asset, version=self.source_version, partitions=keys)
        return as_events(self.view.source, rows)

    def enrich(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Return events as the function of the view is given them."""
        return enrich_events(self.view, events, self.dimensions)

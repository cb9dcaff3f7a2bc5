"""The commit that wrote a value, and the tables that it read: what a value is made again from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import as_events
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC, partition_key, partition_start, shift_moment
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.tables import read_dimensions, read_rows
from feature_platform.verification.tracing.traced import short_moment


@dataclass(frozen=True, eq=False)
class AskedTable:
    """A table at the version that a question is about.

    Attributes:
        contents: its log.
        scan: its rows, with the column of partitions where it has some.
    """

    name: str
    version: int
    contents: Contents
    scan: pl.LazyFrame

    @staticmethod
    def of(name: str, store: OfflineStore, versions: Mapping[str, int]) -> "AskedTable":
        """Open a table; raises as `OfflineStore.read`."""
        contents = store.contents(name)
        version = versions.get(name, contents.version)
        return AskedTable(name, version, contents, store.read(name, version=version, partition_column=True))

    @property
    def is_newest(self) -> bool:
        """Tell whether no later version was committed: what its source has by now is not in any."""
        return self.version == self.contents.version

    @property
    def rows(self) -> pl.LazyFrame:
        """Return all rows."""
        return self.scan.drop(PARTITION, strict=False)

    def newest_first(self, upto: str) -> Iterator[pl.LazyFrame]:
        """Yield its rows up to a partition, the latest first: of one partition, of two, of four and so on."""
        if self.contents.grain is None:
            yield self.rows
            return
        keys = sorted((key for key, state in self.states.items() if key <= upto and state.rows), reverse=True)
        for start, end in growing_cuts(len(keys)):
            yield self.scan.filter(pl.col(PARTITION).is_in(keys[start:end])).drop(PARTITION)

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
        now, then = code_version(view.original), state.code_version
        code = f"code {then[:8]}" + ("" if now == then else f", which is {now[:8]} now")
        made_from = ", ".join(f"{table}@{version}" for table, version in sorted(state.inputs.items()))
        return [("commit", f"{self.name}@{version}{when}{run}, {code}"), ("made from", made_from or "nothing")]


def growing_cuts(count: int) -> Iterator[tuple[int, int]]:
    """Yield places of that many things as ranges: the first one, the next two, then four and so on.

    >>> list(growing_cuts(5))
    [(0, 1), (1, 3), (3, 5)]
    """
    start, size = 0, 1
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, size * 2


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
        names = [each.asset for each in self.view.inputs]
        return {name: self.pinned[name] if name in self.pinned else self.store.latest_version(name) for name in names}

    @property
    def source_name(self) -> str:
        """Return the tables with the rows of the source, each at its version."""
        return " and ".join(f"{each.asset}@{self.versions[each.asset]}" for each in self.view.source.members)

    @cached_property
    def dimensions(self) -> Mapping[str, pl.LazyFrame]:
        """Return the tables that enrich events; each is read once."""
        return read_dimensions(self.view, self.store, self.versions)

    @cached_property
    def _scan(self) -> pl.LazyFrame:
        return read_rows(self.view.source, self.store, self.versions, partition_column=True)

    def read_all(self) -> pl.LazyFrame:
        """Return the rows of the source as the view reads them; nothing enriches them."""
        return as_events(self.view.source, self._scan.drop(PARTITION, strict=False))

    def read_partitions(self, keys: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of `read_all` that are in some partitions; `""` is a table without any."""
        if list(keys) == [WHOLE]:
            return self.read_all()
        return as_events(self.view.source, self._scan.filter(pl.col(PARTITION).is_in(keys)).drop(PARTITION))

    def read_between(self, low: datetime, high: datetime) -> pl.LazyFrame:
        """Return the rows of `read_all` in `[low, high)`, from the partitions that these times are in.

        A source without partitions is returned whole: the function of a view may look at all of it.
        """
        source = self.view.source
        grain = self.store.grain(source.members[0].asset) if self.view.partitioned else None
        if grain is None or PARTITION not in self._scan.collect_schema():
            return self.read_all()
        first, last = (partition_key(partition_start(each, grain), grain) for each in (shift_moment(low, -1), high))
        rows = self._scan.filter(pl.col(PARTITION).is_between(pl.lit(first), pl.lit(last))).drop(PARTITION)
        time = pl.col(str(source.event_time))
        return as_events(source, rows.filter(time >= pl.lit(low, UTC), time < pl.lit(high, UTC)))

    def describe_newer(self, low: datetime, high: datetime) -> list[tuple[str, str]]:
        """Return a step for each table that has other rows by now: of the source, between two times."""
        steps = []
        for name, version in self.versions.items():
            contents = self.store.contents(name)
            if contents.version <= version:
                continue
            changed = contents.changed_since(version)
            if name not in [each.asset for each in self.view.source.members] and changed:
                steps.append(("newer", f"{name}@{contents.version} has other rows; a run may make the value again"))
            elif keys := sorted(changed & self._partitions_between(contents, low, high)):
                where = f" in {', '.join(keys[:3])}{', ...' * (len(keys) > 3)}" if keys != [WHOLE] else ""
                steps.append(("newer", f"{name}@{contents.version} has other rows{where}; a run makes the value again"))
        return steps

    def _partitions_between(self, contents: Contents, low: datetime, high: datetime) -> set[str]:
        grain = contents.grain
        if grain is None:
            return {WHOLE}
        first, last = (partition_key(partition_start(each, grain), grain) for each in (low, high))
        return {key for key in contents.states() if first <= key <= last}

    def enrich(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Return events as the function of the view is given them."""
        return enrich_events(self.view, events, self.dimensions)

"""Merged pushes: which pushed rows a table of the offline store has already, so that publishing may drop them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import polars as pl

from feature_platform.compute.serving.pushed import pushed_source, tag_messages, tag_of
from feature_platform.compute.transforms.messages import is_stream
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import moment_of, partition_key, partition_start
from feature_platform.ground.errors import VersionNotFound
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import ARRIVED_AT, PUSH, PUSH_ROW, SPOOL, TICKS
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.pushes.logged import unmerged_pushes

_MESSAGES_AT_ONCE = 20_000
_HOUR = 3_600_000_000  # microseconds
_Place = tuple[str, int, str]
"""A spool, the number of a push, and a partition that it has rows of."""
Known = tuple[Mapping[str, int], frozenset[_Place]]
"""The last push of each spool in a log, and which pushes a version of its source was made without."""


@dataclass
class MergedPushes:
    """The pushed rows that one version of a table was made with; it remembers what it has read.

    Attributes:
        read: the declaration whose rows it is about: a source or a union, or a chain of row views above one.
        versions: of its table, or of those of its members.
        _known: by source and its version; several may share it.
    """

    read: Source | Union | FeatureView
    versions: Mapping[str, int]
    store: OfflineStore
    _states: dict[tuple[str, int], Mapping[str, PartitionState]] = field(default_factory=dict)
    _known: dict[tuple[str, int], Known] = field(default_factory=dict)
    _partitions: dict[tuple[str, int], str] = field(default_factory=dict)

    def __call__(self, tag: str, event: int) -> bool:
        """Tell whether the table was made with a row.

        Args:
            tag: as `tag_of` made it; the number of the row may follow.
            event: its event time in microseconds since 1970.
        """
        _, spool, number = tag.split(":")[:3]
        source = pushed_source(self.sources, tag)
        version = self._version_read(self.read, self.versions, source, event)
        if version is None:
            return False
        last, unmerged = self._known_at(source, version)
        sequence = int(number)
        return sequence <= last.get(spool, -1) and (spool, sequence, self._partition(source, event)) not in unmerged

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the source at the bottom of the views, or the members of the union that is there."""
        return bottom_sources(self.read)

    def _version_read(
        self, read: Source | Union | FeatureView, versions: Mapping[str, int], source: Source, event: int
    ) -> int | None:
        """Return the version of a source that the partition of an event was made from."""
        if not isinstance(read, FeatureView):
            return versions.get(source.asset)
        version = versions.get(read.asset)
        state = None if version is None else self._states_of(read.asset, version).get(self._partition(read, event))
        return None if state is None else self._version_read(read.source, state.inputs, source, event)

    def _states_of(self, name: str, version: int) -> Mapping[str, PartitionState]:
        if (name, version) not in self._states:
            self._states[name, version] = self.store.partition_states(name, version)
        return self._states[name, version]

    def _partition(self, read: Source | FeatureView, event: int) -> str:
        """Return the partition of an event; it is the same for all events of an hour."""
        hour = (read.asset, event // _HOUR)
        if hour not in self._partitions:
            grain = self.store.grain(read.asset)
            self._partitions[hour] = (
                WHOLE if grain is None else partition_key(partition_start(moment_of(event), grain), grain)
            )
        return self._partitions[hour]

    def _known_at(self, source: Source, version: int) -> Known:
        """Return the last push of each spool in the log, and the pushes that a version was made without."""
        place = (source.name, version)
        if place not in self._known:
            self._known[place] = self._read_known(source, version)
        return self._known[place]

    def _read_known(self, source: Source, version: int) -> Known:
        log, time = TableKind.PUSHES.of(source.name), source.event_time
        if not self.store.exists(log):
            return {}, frozenset()
        newest = self.store.read(log).group_by(SPOOL).agg(pl.col(PUSH).max()).collect()
        event = pl.lit(0) if time is None else pl.col(time).to_physical()
        try:
            rows = unmerged_rows(source, self.store, version).select(SPOOL, PUSH, event.alias(TICKS)).collect()
        except VersionNotFound:
            return {}, frozenset()  # so that none is taken for merged
        places = {(spool, push, self._partition(source, at)) for spool, push, at in rows.unique().iter_rows()}
        return dict(newest.iter_rows()), frozenset(places)

    def missing_pushes(self, source: Source) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield the tag and all rows of each push to a source that the table does not have completely, in order."""
        if not self.store.exists(TableKind.PUSHES.of(source.name)):
            return
        missing = unmerged_rows(source, self.store, self._oldest(self.read, self.versions, source))
        lacked = missing.select(SPOOL, PUSH).unique()
        log = self.store.read(TableKind.PUSHES.of(source.name))
        rows = log.join(lacked, on=[SPOOL, PUSH], how="semi").sort(ARRIVED_AT, SPOOL, PUSH, PUSH_ROW).collect()
        of_streams = rows.select(is_stream(pl.col(SPOOL))).to_series()
        pushes, messages = rows.filter(~of_streams), rows.filter(of_streams)
        for some in pushes.partition_by(SPOOL, PUSH, maintain_order=True):
            spool, sequence, arrived = some.select(SPOOL, PUSH, ARRIVED_AT).row(0)
            yield tag_of(spool, sequence, arrived), some.drop(list(ORIGIN))
        yield from map(tag_messages, _pieces(messages))

    def _oldest(self, read: Source | Union | FeatureView, versions: Mapping[str, int], source: Source) -> int:
        """Return the oldest version of a source that any partition was made from."""
        if not isinstance(read, FeatureView):
            return versions[source.asset]
        states = self._states_of(read.asset, versions[read.asset]).values()
        wanted = [each.asset for each in read.source.members]
        below = {tuple((name, state.inputs[name]) for name in wanted if name in state.inputs) for state in states}
        found = [dict(each) for each in below]
        oldest = [self._oldest(read.source, each, source) for each in found if _has_way(read.source, each, source)]
        return min(oldest, default=0) if len(oldest) == len(found) else 0


def _pieces(messages: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut messages into pieces that bound what is held in memory; all rows of a message are in one."""
    begins = messages.select((pl.struct(SPOOL, PUSH) != pl.struct(SPOOL, PUSH).shift(1)).fill_null(value=True))
    starts = begins.to_series().arg_true()[::_MESSAGES_AT_ONCE].to_list()
    for start, end in pairwise([*starts, messages.height]):
        yield messages[start:end]


def unmerged_rows(source: Source, store: OfflineStore, version: int) -> pl.LazyFrame:
    """Return the rows of an existing push log that a version of the source was made without."""
    grid = Partitions(store.grain(source.asset) or "daily")
    rows = unmerged_pushes(source, store, grid, version=version)
    return store.read(TableKind.PUSHES.of(source.name)).clear() if rows is None else rows


def bottom_sources(read: Source | Union | FeatureView) -> tuple[Source, ...]:
    """Return the source at the bottom of a chain of views, or the members of the union that is there."""
    return bottom_sources(read.source) if isinstance(read, FeatureView) else read.members


def _has_way(read: Source | Union | FeatureView, versions: Mapping[str, int], source: Source) -> bool:
    """Tell whether versions name the table through which a source is read."""
    return (read.asset if isinstance(read, FeatureView) else source.asset) in versions

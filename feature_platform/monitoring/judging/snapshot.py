"""The snapshot of a table: one data table at one version, with its partitions."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.profiles.kinds import first_values, name_of_first
from feature_platform.compute.transforms.rows import drop_default_rows, watched_columns
from feature_platform.compute.watches.calendar import Calendar
from feature_platform.declarations.monitor import Monitor, Range
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, is_partitioned
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import (
    microsecond_of,
    partition_bounds,
    partition_keys,
    season_of,
    shift_times,
    window_of,
)
from feature_platform.ground.errors import MissingColumns
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE


@dataclass(frozen=True)
class TableSnapshot:
    """One version of a data table, as monitoring reads it.

    Attributes:
        states: what its partitions hold.
        run_id: of the run that looks at it; kept with the profiles that it makes.
    """

    asset: Asset
    grid: Partitions
    store: OfflineStore
    version: int
    states: Mapping[str, PartitionState]
    run_id: str

    @classmethod
    def of(cls, asset: Asset, grid: Partitions, store: OfflineStore, run_id: str) -> "TableSnapshot":
        """Return a snapshot of the newest version of the table of an asset.

        Raises:
            TableNotFound: nothing was committed.
        """
        version = store.latest_version(asset.asset)
        return cls(asset, grid, store, version, store.partition_states(asset.asset, version), run_id)

    @property
    def monitor(self) -> Monitor | None:
        """Return the monitor of the asset; a training set has none."""
        return None if isinstance(self.asset, TrainingSet) else self.asset.monitor

    @cached_property
    def contents(self) -> dict[str, str]:
        """Return the content of each committed partition, in order of time."""
        return dict(sorted(partition_contents_of(self.states).items()))

    @cached_property
    def table_id(self) -> str:
        """Return Delta's own name of the table."""
        return self.store.table_id(self.asset.asset)

    @cached_property
    def types(self) -> pl.Schema:
        """Return the columns of `rows` with their types."""
        stored = pl.LazyFrame(schema=self._stored_types)
        return stored.with_columns(**first_values(self._stored_types)).collect_schema()

    @cached_property
    def _stored_types(self) -> pl.Schema:
        schema = self._scan.collect_schema()
        return pl.Schema({name: dtype for name, dtype in schema.items() if name != PARTITION})

    @cached_property
    def columns(self) -> list[str]:
        """Return the columns that are compared for drift, and the first values of those that are lists.

        Raises:
            MissingColumns: the monitor names one that the table does not have.
        """
        firsts = (name_of_first(name) for name in self.table_columns)
        return [*self.table_columns, *(name for name in firsts if name in first_values(self._stored_types))]

    @cached_property
    def table_columns(self) -> list[str]:
        """Return the columns of the table that are compared for drift; raises as `columns`."""
        schema = self._stored_types
        wanted = self.monitor.columns if self.monitor else None
        if wanted is None:
            return list(watched_columns(self.asset, schema))
        if missing := [each for each in wanted if each not in schema]:
            raise MissingColumns(f"`{self.asset.asset}`, monitor,", missing, schema)
        return list(wanted)

    def bounds(self, key: str) -> Range:
        """Return the interval of a partition, which may lie outside of the partitions that the project has now."""
        return partition_bounds(key, self.grid.grain, f"Table `{self.asset.asset}`")

    def season(self, key: str) -> int | None:
        """Return the season of a partition: the weekday of a day, the time of day of an hour; None for others."""
        if key == WHOLE or self.grid.grain not in ("hourly", "daily"):
            return None
        low, high = self.bounds(key)
        return season_of(low, microsecond_of(high) - microsecond_of(low))

    @cached_property
    def calendar(self) -> Calendar | None:
        """Return how many rows each partition has, and when it begins; None where partitions are longer than a day."""
        if WHOLE in self.states or self.grid.grain not in ("hourly", "daily"):
            return None
        starts = {key: self.bounds(key)[0] for key in self.states}
        return Calendar(starts, {starts[key]: state.rows for key, state in self.states.items()})

    def between(self, low: datetime, high: datetime) -> list[str]:
        """Return the committed partitions that overlap `[low, high)`."""
        wanted = set(partition_keys(low, high, self.grid.grain))
        return [key for key in self.contents if key in wanted]

    def rows(self, keys: Iterable[str]) -> pl.LazyFrame:
        """Return the rows of partitions that belong to a key as they are published, with the first values of lists."""
        rows = self._scan.with_columns(**first_values(self._stored_types))
        if is_partitioned(self.asset):
            rows = rows.filter(pl.col(PARTITION).is_in(list(keys))).drop(PARTITION)
        return drop_default_rows(self.asset, rows) if isinstance(self.asset, FeatureView) else rows

    @cached_property
    def _scan(self) -> pl.LazyFrame:
        """Return all rows as one scan, which is opened once."""
        return self.store.read(self.asset.asset, version=self.version, partition_column=True)

    def window(self, every: int) -> pl.Expr:
        """Return the start of the window of each row. An instant of a cadence belongs to the window that it closes."""
        time = pl.col(str(self.asset.event_time)) if not isinstance(self.asset, TrainingSet) else pl.lit(None)
        closes_right = isinstance(self.asset, FeatureView) and self.asset.closes_right
        return window_of(shift_times(time, -1) if closes_right else time, every)


def partition_contents_of(states: Mapping[str, PartitionState]) -> dict[str, str]:
    """Return what identifies the content of each partition: the hash of its rows, or the commit of a foreign write."""
    return {key: state.hash or f"foreign@{state.version}" for key, state in states.items()}


def digest(*words: str) -> str:
    """Return twelve hexadecimal digits that stand for some words."""
    return hashlib.blake2b("\n".join(words).encode(), digest_size=6).hexdigest()

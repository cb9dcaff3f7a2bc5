"""The upstream of a view or label: its source at one version, of which many small files are read once.

What `read_few_inputs` keeps in memory is small; everything else is a lazy scan, which is opened again for each use.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Literal

import polars as pl

from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import as_events, select_window_inputs
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView
from feature_platform.ground import clock
from feature_platform.ground.working_columns import PARTITION
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.pipelines.candidates.parts import PART_VALUES
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.tables import read_dimensions, read_rows, states_of

Derived = FeatureView | Label
HELD_ROWS = 1_000_000  # so many, and fewer, are read without streaming, and once for all parts


def reach_us(asset: Derived) -> int:
    """Return how far back an asset looks at most, in microseconds."""
    return asset.reach_us if isinstance(asset, FeatureView) else 0


class Upstream:
    """The source of a view or label at one version, as the asset reads it: with the columns that enrich its events.

    Args:
        pinned: versions of tables by name; the newest of all others.

    Attributes:
        versions: of the source and of the tables that enrich its events, by name.
    """

    def __init__(
        self, asset: Derived, store: OfflineStore, grid: Partitions, pinned: Mapping[str, int] | None = None
    ) -> None:
        self.asset, self.grid, self._store = asset, grid, store
        names, given = [each.asset for each in asset.inputs], pinned or {}
        self.versions = {name: given[name] if name in given else store.latest_version(name) for name in names}
        self._rows_held = 0

    def enrich(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Return events with the columns that enrich them, as the function of the asset is given them."""
        return enrich_events(self.asset, events, self._dimensions) if isinstance(self.asset, FeatureView) else events

    @cached_property
    def _dimensions(self) -> Mapping[str, pl.LazyFrame]:
        """Return the tables that enrich events, each of which is read once."""
        return read_dimensions(self.asset, self._store, self.versions) if isinstance(self.asset, FeatureView) else {}

    @cached_property
    def states(self) -> dict[str, PartitionState]:
        """Return the state of each partition."""
        return states_of(self.asset.source, self._store, self.versions)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Return how many rows each partition has."""
        return {key: state.rows for key, state in self.states.items()}

    @cached_property
    def all_events(self) -> pl.LazyFrame:
        """Return all rows; nothing enriches them yet."""
        return as_events(self.asset.source, self._scan.drop(PARTITION, strict=False))

    def read_events(self, span: Span) -> pl.LazyFrame:
        """Read what the asset needs for a span of time, with what its windows look back to; nothing enriches it yet."""
        source = self.asset.source
        low, high = self._needed_span(span)
        closes_right = isinstance(source, FeatureView) and source.closes_right
        time = pl.col(str(source.event_time))
        rows = self.read_partitions(self.grid.overlapping(low, high))
        return as_events(source, rows.filter(time.is_between(low, high, "right" if closes_right else "left")))

    def count_rows_taken(self, span: Span, events: pl.LazyFrame) -> int:
        """Count the events of a span; for whole partitions that the platform wrote, the log has the number."""
        known = self._whole_partitions(span)
        return int(events.select(pl.len()).collect().item()) if known is None else sum(self.rows[key] for key in known)

    def read_few_inputs(self, view: FeatureView, span: Span) -> pl.DataFrame | None:
        """Read into memory what the windows of a view are made from in a span; return None when it is not small.

        Partitions of many small files are read without a filter when the log says that all their rows are needed. It
        returns None, too, when Polars fails: reading each part then shows if the view's function or a file is wrong.
        """
        keys = self._whole_partitions(span)
        rows = sum(self.rows[key] for key in keys or ())
        if keys is None or self._rows_held + rows > HELD_ROWS:
            return None
        inputs = select_window_inputs(view, self.enrich(as_events(view.source, self.read_partitions(keys))))
        if rows * len(inputs.collect_schema()) > PART_VALUES:
            return None
        try:
            collected = inputs.collect()
        except pl.exceptions.PolarsError:
            return None
        self._rows_held += rows
        return collected

    def count_keys(self, span: Span, events: pl.LazyFrame) -> int:
        """Count about how many keys the events of a span have, plus one for the default row."""
        if not set(self.asset.join_keys) <= set(events.collect_schema()):
            events = self.enrich(events)
        few = sum(self.rows.get(key, 0) for key in self.grid.overlapping(*span)) < HELD_ROWS
        return key_count_of(self.asset, events, "auto" if few else "streaming")

    @cached_property
    def _scan(self) -> pl.LazyFrame:
        """Return the table, which is opened once for all reads."""
        return read_rows(self.asset.source, self._store, self.versions, partition_column=True)

    def read_partitions(self, keys: Sequence[str]) -> pl.LazyFrame:
        """Read the rows of some partitions; without a filter when these are all."""
        if PARTITION not in self._scan.collect_schema():
            return read_rows(self.asset.source, self._store, self.versions, partitions=keys)
        wanted = self._scan if self.states.keys() <= set(keys) else self._scan.filter(pl.col(PARTITION).is_in(keys))
        return wanted.drop(PARTITION)

    def reach_back(self, moment: datetime) -> datetime:
        """Return from when on windows from a moment on need rows: not from before there are any."""
        low = clock.shift_moment(moment, -reach_us(self.asset))
        first = min(self.states, default=None)
        if low > clock.ALWAYS or first is None:
            return low
        return min(clock.partition_bounds(first, self.grid.grain, "The data")[0], moment)

    def _needed_span(self, span: Span) -> Span:
        return self.reach_back(span[0]), span[1]

    def _whole_partitions(self, span: Span) -> list[str] | None:
        """Return the partitions that have exactly the rows of a span; None when others wrote one, or none fits."""
        low, high = self._needed_span(span)
        keys = self.grid.overlapping(low, high)
        are_whole = bool(keys) and low <= self.grid.bounds(keys[0])[0] and self.grid.bounds(keys[-1])[1] <= high
        known = [key for key in keys if key in self.states]
        ours = all(self.states[key].hash is not None for key in known)
        return None if isinstance(self.asset.source, FeatureView) or not are_whole or not ours else known


def key_count_of(asset: Derived, rows: pl.LazyFrame, engine: Literal["auto", "streaming"] = "auto") -> int:
    """Return about how many keys some rows have, plus one for the default row."""
    keys = [key for key in asset.join_keys if key in rows.collect_schema()]
    if not keys:
        return 1
    return 1 + int(rows.select(pl.struct(keys).hash().approx_n_unique()).collect(engine=engine).item())

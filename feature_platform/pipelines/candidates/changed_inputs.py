"""Changed inputs: published partitions that would be made otherwise now, by the table that changed.

The source of a view is compared by the logs alone. Of a table that enriches its events, which has rows for all later
times, the rows are compared too, so that only partitions with an event that is enriched otherwise now are touched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl

from feature_platform.compute.keys.join_keys import key_names
from feature_platform.compute.transforms.rows import as_events
from feature_platform.compute.transforms.stretches import changed_instants, changed_stretches, reached_events
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView
from feature_platform.ground import clock
from feature_platform.ground.errors import VersionNotFound
from feature_platform.ground.working_columns import EVENT_PARTITION, PARTITION
from feature_platform.offline import OfflineStore
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.touched import (
    affected_partitions,
    changed_since,
    end_of_partitions,
    touched_of,
)
from feature_platform.pipelines.candidates.upstream import Derived
from feature_platform.pipelines.tables import read_rows


def changed_inputs(asset: Derived, store: OfflineStore, grid: Partitions) -> dict[str, str]:
    """Return the published partitions of an asset of which an input changed since they were made, and its table."""
    states = store.find_states(asset.asset)
    if not states:
        return {}
    changed: dict[str, str] = {}
    for each in asset.source.members:
        changed |= dict.fromkeys(touched_of(asset, each.asset, grid, states, store.contents(each.asset)), each.asset)
    if isinstance(asset, FeatureView):
        for by in asset.enrichments:
            changed |= dict.fromkeys(touched_by_dimension(asset, by, store, grid, states), by.asset)
    return changed


def touched_by_dimension(
    view: FeatureView, by: Enrichment, store: OfflineStore, grid: Partitions, states: Mapping[str, PartitionState]
) -> set[str]:
    """Return the partitions of a view with events that a table enriches otherwise than when they were made.

    Args:
        states: of the partitions of the view.
    """
    made: dict[int, set[str]] = {}
    for key, state in states.items():
        if by.asset in state.inputs:
            made.setdefault(state.inputs[by.asset], set()).add(key)
    contents, touched = store.contents(by.asset), set[str]()
    for version, keys in made.items():
        changed = set(changed_since(contents, version))
        suspects = partitions_after(changed, keys, grid)
        if suspects:
            touched |= suspects & _reached_since(view, by, store, grid, version, suspects, changed)
    return touched


def partitions_after(changed: Iterable[str], among: Iterable[str], grid: Partitions) -> set[str]:
    """Return the partitions that end after the first changed one of a dimension begins: its rows hold from then on."""
    first = min(changed, default=None)
    if first is None or first == WHOLE:
        return set() if first is None else set(among)
    start = clock.partition_bounds(first, grid.grain, "The data")[0]
    return {key for key in among if clock.partition_bounds(key, grid.grain, "The data")[1] > start}


def _reached_since(
    view: FeatureView,
    by: Enrichment,
    store: OfflineStore,
    grid: Partitions,
    version: int,
    among: set[str],
    changed: set[str],
) -> set[str]:
    """Return the partitions of a view that the change of a table since a version reaches; all where that is gone.

    Args:
        changed: the partitions of the table that differ.
    """
    try:
        before = store.read(by.asset, version=version, partition_column=True)
    except VersionNotFound:
        return among
    after = store.read(by.asset, partition_column=True)
    types = [[each.collect_schema().get(name) for name in by.reads] for each in (before, after)]
    if types[0] != types[1]:
        return among
    stretches = [each for each in _stretches_between(before, after, by, changed) if not each.is_empty()]
    if not stretches:
        return set()
    events = as_events(view.source, read_rows(view.source, store))
    if not set(by.on) <= set(events.collect_schema()):  # the key comes from another table
        return among
    reached = {key for each in stretches for key in _partitions_of(view, events, by, each, grid)}
    return affected_partitions(view, sorted(reached), grid, end_of_partitions(among, grid))


def _stretches_between(
    before: pl.LazyFrame, after: pl.LazyFrame, by: Enrichment, changed: set[str]
) -> list[pl.DataFrame]:
    """Return the stretches of time in which two versions of a table differ, by key, and of windows by instant, too."""
    if by.cadence is None:
        return [changed_stretches(before.select(by.reads).collect(), after.select(by.reads).collect(), by)]
    near = pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in by.on.values()))
    parted = all(PARTITION in rows.collect_schema() for rows in (before, after)) and WHOLE not in changed
    near |= pl.col(PARTITION).is_in(sorted(changed)) if parted else pl.lit(value=True)  # the rows of keys are many
    old, new = (rows.filter(near).select(by.reads).collect() for rows in (before, after))
    return changed_instants(old, new, by, by.cadence)


def _partitions_of(
    view: FeatureView, events: pl.LazyFrame, by: Enrichment, stretches: pl.DataFrame, grid: Partitions
) -> list[str]:
    """Return the partitions of a view's source with an event in a stretch; of the events keys and times are read."""
    source, time = view.source, str(view.source.event_time)
    narrow = events.select(list(dict.fromkeys([*by.on, time])))
    by = by if set(key_names(list(by.on))) <= set(stretches.columns) else replace(by, on={})  # of all keys
    found = reached_events(narrow, stretches, by, time, f"Feature view `{view.name}`, enriched by `{by.asset}`")
    closes_right = isinstance(source, FeatureView) and source.closes_right
    partition = clock.partition_of(pl.col(time), grid.grain, "right" if closes_right else "left")
    return sorted(found.select(partition.alias(EVENT_PARTITION)).unique().collect().to_series().drop_nulls())

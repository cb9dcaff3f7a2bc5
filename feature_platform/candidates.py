"""Candidates: the rows that a declaration makes for some partitions from what is already stored."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import polars as pl

from feature_platform import clock
from feature_platform.compute.rows import (
    as_events,
    feature_rows,
    outcome_rows,
    prepared,
    published_only,
    window_rows,
)
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.errors import SourceUnreadable, TransformFailed, VersionNotFound
from feature_platform.offline import OfflineStore
from feature_platform.offline.schema import storable
from feature_platform.publishing import Candidate

Span = tuple[datetime, datetime]
Derived = FeatureView | Label
NO_EVENT_TIME = "rows_without_event_time"
TOO_LATE = "rows_later_than_lateness"
_KEY = "fp_key"
_NEWEST = 2**63 - 1  # a commit that the log has forgotten may be later than any


# ---------------------------------------------------------------- sources


def source_candidate(
    source: Source,
    store: OfflineStore,
    span: Span | None,
    grid: Partitions,
    late: int,
    needed: Span | None = None,
) -> Candidate:
    """The rows of a source for the partitions of a span, and for earlier ones that late rows may touch.

    Args:
        needed: what windows downstream read; its partitions are taken in too where they never were.

    Raises:
        SourceUnreadable: a file is missing or malformed.
    """
    extra = {"fingerprint": source.connector.fingerprint(source.name)}  # first: a change while reading is seen
    rows = prepared(source, source.connector.scan(source.name))
    if not source.partitioned:
        frame = _collected(rows, source)
        missing = frame[source.event_time].null_count() if source.event_time else 0
        notes = {NO_EVENT_TIME: missing} if missing else {}
        return _candidate(source, frame, rows_in=frame.height, notes=notes, extra=extra)
    keyed = rows.with_columns(clock.partition_of(pl.col(str(source.event_time)), grid.grain).alias(_KEY))
    present = dict(_collected(keyed.group_by(_KEY).agg(pl.len()), source).iter_rows())
    keys = _asked(span, grid, present)
    published = store.partition_states(source.asset) if store.exists(source.asset) else {}
    before = [] if needed is None else [key for key in grid.overlapping(*needed) if key not in published]
    keys = sorted({*keys, *before, *_within_lateness(published, keys, grid, late)})
    frame = _collected(keyed.filter(pl.col(_KEY).is_in(keys)), source).drop(_KEY)
    notes = {NO_EVENT_TIME: present[None]} if None in present else {}
    return _candidate(source, frame, keys=keys, grid=grid, rows_in=frame.height, notes=notes, extra=extra)


def too_late_rows(source: Source, store: OfflineStore, keys: Sequence[str], grid: Partitions) -> pl.DataFrame:
    """Rows of a source that belong to published partitions but came too late to be taken in by this run.

    Args:
        keys: the partitions that this run takes in.
    """
    key = clock.partition_of(pl.col(str(source.event_time)), grid.grain).alias(_KEY)
    keyed = prepared(source, source.connector.scan(source.name)).with_columns(key)
    present = dict(_collected(keyed.group_by(_KEY).agg(pl.len()), source).iter_rows())
    states = store.partition_states(source.asset) if keys and store.exists(source.asset) else {}
    earlier = [name for name in states if name < keys[-1] and name not in keys]
    grown = [name for name in earlier if present.get(name, 0) > states[name].rows]
    now = _collected(keyed.filter(pl.col(_KEY).is_in(grown)).drop(_KEY), source)
    if not grown:
        return now
    stored = store.read(source.asset, partitions=grown).collect()
    return _beyond(storable(source.asset, now, stored.schema), stored)


def _within_lateness(published: Iterable[str], keys: Sequence[str], grid: Partitions, late: int) -> Iterable[str]:
    if not late or not keys:
        return ()
    start = grid.bounds(keys[0])[0]
    window = grid.overlapping(clock.moved(start, -late), start)
    return set(window).intersection(published)


def _beyond(now: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The rows of `now` that are not in `stored`, each as often as it is there once more.

    Compared by the columns that both have; a column that changed its type is left for the write to refuse.
    """
    columns = [name for name, dtype in now.schema.items() if stored.schema.get(name) == dtype]
    numbered = [frame.with_columns(pl.int_range(pl.len()).over(columns).alias(_KEY)) for frame in (now, stored)]
    return numbered[0].join(numbered[1], on=[*columns, _KEY], how="anti", nulls_equal=True).drop(_KEY)


def _collected(frame: pl.LazyFrame, source: Source) -> pl.DataFrame:
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "Mend the file, or read the column as text (`types`) and parse it in `prepare`."
        raise SourceUnreadable(source.name, source.connector.location, reason, remedy) from error


# ---------------------------------------------------------------- views and labels


def derived_candidate(asset: Derived, store: OfflineStore, span: Span | None, grid: Partitions) -> Candidate:
    """The rows of a view or label for the partitions of a span, and for published ones whose input changed.

    Raises:
        TableNotFound: its source is not in the store.
        TransformFailed: its function fails.
    """
    upstream = asset.source.asset
    version = store.latest_version(upstream)
    if not asset.partitioned:
        events = _events(asset, store, version, None, grid)
        frame = _computed(asset, events, _whole(asset, events))
        rows_in = events.select(pl.len()).collect().item()
        return _candidate(asset, frame, inputs={upstream: version}, rows_in=rows_in)
    keys = _asked(span, grid, store.partition_states(upstream, version))
    keys = sorted({*keys, *touched_partitions(asset, store, grid)})
    frames, rows_in = [], 0
    for low, high in _stretches(keys, grid) or [_nothing(grid)]:
        events = _events(asset, store, version, (low, high), grid)
        rows_in += events.select(pl.len()).collect().item()
        frames.append(_computed(asset, events, (low, high)))
    return _candidate(asset, pl.concat(frames), keys=keys, grid=grid, inputs={upstream: version}, rows_in=rows_in)


def touched_partitions(asset: Derived, store: OfflineStore, grid: Partitions) -> set[str]:
    """The published partitions of an asset whose input changed after they were computed.

    Contents are compared only where a commit since then reaches the partition: to look up the content of an old
    version is to walk the log, and there is an old version for every run.
    """
    if not store.exists(asset.asset):
        return set()
    upstream = asset.source.asset
    states, now = store.partition_states(asset.asset), store.partition_states(upstream)
    read = {key: state.inputs[upstream] for key, state in states.items() if upstream in state.inputs}
    restored = store.history(upstream).filter(pl.col("kind") == "rollback")["version"].max()
    newest: dict[str, int] = {}
    for key, state in now.items():
        written = _NEWEST if state.version is None else state.version
        for reached in affected(asset, [key], grid):
            newest[reached] = max(written, newest.get(reached, -1))
    suspects = {
        key: version
        for key, version in read.items()
        if newest.get(key, -1) > version or (isinstance(restored, int) and restored > version)
    }
    touched = {
        version: affected(asset, _changed_since(store, upstream, version), grid) for version in set(suspects.values())
    }
    return {key for key, version in suspects.items() if key in touched[version]}


def _changed_since(store: OfflineStore, table: str, version: int) -> Iterable[str]:
    """Partitions that are other than at a version; all of them when the log has forgotten it."""
    try:
        return store.changed_since(table, version)
    except VersionNotFound:
        return store.partition_states(table)


def affected(asset: Derived, changed: Iterable[str], grid: Partitions) -> set[str]:
    """The partitions of an asset that changed partitions of its source reach: windows look back."""
    windowing = asset.windowing if isinstance(asset, FeatureView) else None
    if windowing is None:
        return set(changed)
    closes_right = isinstance(asset.source, FeatureView) and asset.source.closes_right
    reach = windowing.longest_us - (0 if closes_right else 1)
    found: set[str] = set()
    for low, high in map(grid.bounds, changed):
        held = clock.instants(low, clock.moved(high, reach), windowing.cadence.every_us)
        if len(held):
            found.update(grid.overlapping(clock.moved(held[0], -1), held[-1]))
    return found


def reach_us(asset: Derived) -> int:
    """How far back an asset looks, in microseconds: its longest window."""
    return asset.windowing.longest_us if isinstance(asset, FeatureView) and asset.windowing else 0


def _events(asset: Derived, store: OfflineStore, version: int, span: Span | None, grid: Partitions) -> pl.LazyFrame:
    source = asset.source
    if span is None:
        rows = store.read(source.asset, version=version)
        return as_events(source, rows) if isinstance(source, FeatureView) else rows
    low, high = clock.moved(span[0], -reach_us(asset)), span[1]
    rows = store.read(source.asset, version=version, partitions=grid.overlapping(low, high))
    closes_right = isinstance(source, FeatureView) and source.closes_right
    rows = rows.filter(pl.col(str(source.event_time)).is_between(low, high, "right" if closes_right else "left"))
    return as_events(source, rows) if isinstance(source, FeatureView) else rows


def _computed(asset: Derived, events: pl.LazyFrame, span: Span) -> pl.DataFrame:
    try:
        if isinstance(asset, Label):
            return outcome_rows(asset, events).collect()
        if asset.windowing is not None:
            return window_rows(asset, events, *span).collect()
        return feature_rows(asset, events).collect()
    except pl.exceptions.PolarsError as error:
        reason = f"failed with {type(error).__name__}: {str(error).strip().splitlines()[0]}"
        raise TransformFailed(f"`{asset.asset}`", "its function", reason, "Check the values of its source.") from error


def _whole(asset: Derived, events: pl.LazyFrame) -> Span:
    """From before the first event to the first instant after the last: all that a windowed view can say."""
    if not isinstance(asset, FeatureView) or asset.windowing is None:
        return clock.EPOCH, clock.EPOCH
    time = pl.col(str(asset.source.event_time))
    first, last = events.select(time.min().alias("first"), time.max().alias("last")).collect().row(0)
    if first is None:
        return clock.EPOCH, clock.EPOCH
    return clock.moved(first, -1), clock.moved(last, asset.windowing.cadence.every_us)


# ---------------------------------------------------------------- both


def _asked(span: Span | None, grid: Partitions, present: Iterable[str | None]) -> list[str]:
    if span is not None:
        return grid.overlapping(*span)
    known = sorted(key for key in present if key)
    if not known:
        return []
    low, high = (
        clock.partition_bounds(known[0], grid.grain, "The data"),
        clock.partition_bounds(known[-1], grid.grain, "The data"),
    )
    return grid.overlapping(low[0], high[1])


def _stretches(keys: Sequence[str], grid: Partitions) -> list[Span]:
    """Partitions as unbroken stretches of time, so that neighbours are computed at once."""
    stretches: list[Span] = []
    for low, high in map(grid.bounds, keys):
        if stretches and stretches[-1][1] == low:
            stretches[-1] = (stretches[-1][0], high)
        else:
            stretches.append((low, high))
    return stretches


def _nothing(grid: Partitions) -> Span:
    start = grid.start or clock.EPOCH
    return start, start


def _candidate(
    asset: Source | Derived,
    rows: pl.DataFrame,
    *,
    keys: Sequence[str] | None = None,
    grid: Partitions | None = None,
    inputs: dict[str, int] | None = None,
    rows_in: int = 0,
    notes: dict[str, int] | None = None,
    extra: dict[str, str] | None = None,
) -> Candidate:
    time = asset.event_time
    right = isinstance(asset, FeatureView) and asset.closes_right
    partition_of = (
        clock.partition_of(pl.col(time), grid.grain, "right" if right else "left")
        if keys is not None and grid and time
        else None
    )
    facts = published_only(asset, rows.lazy()).collect() if isinstance(asset, FeatureView) else None
    keyed = [] if isinstance(asset, Source) else list(asset.join_keys)
    return Candidate(
        asset=asset.asset,
        rows=rows,
        code_version=code_version(asset),
        expectations=asset.expectations,
        partitions=keys,
        partition_of=partition_of,
        grain=grid.grain if grid else None,
        sort_by=[*keyed, time] if asset.partitioned and time else [],
        audited=facts,
        inputs=inputs or {},
        rows_in=rows_in,
        notes=notes or {},
        extra=extra or {},
    )

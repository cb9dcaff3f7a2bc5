"""Candidates of views and labels: computed from their source's table at one version."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from operator import itemgetter

import polars as pl

from feature_platform.compute.transforms.rows import make_windows, table_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import cadences, clock
from feature_platform.ground.errors import TransformFailed, VersionNotFound
from feature_platform.ground.progress import count_steps
from feature_platform.offline import OfflineStore
from feature_platform.offline.contents import Contents
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.parts import parts_in_words, parts_of
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.shared import Span, candidate_of, requested_partitions
from feature_platform.pipelines.candidates.trials import try_function
from feature_platform.pipelines.candidates.upstream import Derived, Upstream, key_count_of
from feature_platform.pipelines.results import Candidate

_NEWEST = 2**63 - 1  # a commit that the log has forgotten may be later than any


def derived_candidate(
    asset: Derived,
    store: OfflineStore,
    span: Span | None,
    grid: Partitions,
    now: datetime,
    needed: Span | None = None,
) -> Candidate:
    """Return the rows of a view or label for the partitions of a span, and for published ones whose input changed.

    Args:
        needed: what windows downstream read of it, which is made, too.
        now: the present; without a span nothing is made between it and a partition that lies in the future.

    Raises:
        TableNotFound: its source is not in the store.
        TransformFailed: its function fails.
        NotTheSameInParts, NotRepeatable: what its function makes depends on how time is cut, or on chance.
    """
    upstream = asset.source.asset
    version, held = store.latest_version(upstream), held_partitions(asset, store)
    source = Upstream(asset, store, version, grid)
    if not asset.partitioned:
        if WHOLE in held:
            return candidate_of(asset, [], inputs={upstream: version}, held=[WHOLE])
        events = source.all_events
        frame = _compute(asset, events, _whole_span(asset, events))
        rows_in = events.select(pl.len()).collect().item()
        return candidate_of(asset, frame, inputs={upstream: version}, rows_in=rows_in)
    asked = [requested_partitions(each, grid, source.states, now) for each in dict.fromkeys((span, needed or span))]
    wanted = sorted({*chain.from_iterable(asked), *touched_partitions(asset, store, grid)})
    keys = held.without(wanted)
    stretches = _stretches_of(keys, grid)
    read = [source.read_events(_span_of(each, grid)) for each in stretches]
    if read:
        try_function(asset, store, version, read[0].collect_schema(), source.rows, keys[-1])
    rows_in = sum(
        source.count_rows_taken(_span_of(each, grid), events) for each, events in zip(stretches, read, strict=True)
    )
    works = [work for each, events in zip(stretches, read, strict=True) for work in _plan_parts(source, each, events)]
    works = works or [partial(_make_part, source, None, _empty_span(grid))]
    return candidate_of(
        asset,
        (work() for work in count_steps(works, f"{asset.asset}: parts of partitions", len(works))),
        keys=keys,
        grid=grid,
        inputs={upstream: version},
        rows_in=rows_in,
        held=[key for key in wanted if key in held],
        execution=parts_in_words(len(keys), len(works)),
    )


def _plan_parts(source: Upstream, keys: Sequence[str], events: pl.LazyFrame) -> list[Callable[[], pl.DataFrame]]:
    """Return what makes the rows of neighbouring partitions, a part at a time; few rows are read once for all parts.

    What a windowed view makes of a partition is at most a row for each key and instant. Each part reads what its
    windows look back to, so that a part is never shorter than the longest window.
    """
    asset, grid, inputs = source.asset, source.grid, None
    if len(keys) == 1:
        parts = [list(keys)]
    elif is_windowed(asset):
        span = _span_of(keys, grid)
        inputs = source.read_few_inputs(asset, span)
        key_count = source.count_keys(span, events) if inputs is None else key_count_of(asset, inputs.lazy())
        parts = _windowed_parts(source, asset, keys, key_count)
    else:
        parts = parts_of({key: source.rows.get(key, 0) for key in keys}, len(source.all_events.collect_schema()))
    return [partial(_make_part, source, inputs, _span_of(part, grid)) for part in parts]


def _windowed_parts(source: Upstream, view: FeatureView, keys: Sequence[str], key_count: int) -> list[list[str]]:
    """Cut neighbouring partitions of a windowed view into parts, by how many keys there are."""
    grid = source.grid
    columns, cadence = len(view.join_keys) + 1 + len(view.windows.features), view.windows.cadence
    counts = {key: cadences.instants_between(*grid.bounds(key), cadence.every_us, cadence.tz) for key in keys}
    made = {key: key_count * count for key, count in counts.items()}
    low, _ = grid.bounds(keys[0])
    shortest = len(clock.partition_keys(source.reach_back(low), low, grid.grain))
    longest = max(shortest, *map(len, parts_of(made, columns)))
    return [list(keys[at : at + longest]) for at in range(0, len(keys), longest)]


def touched_partitions(asset: Derived, store: OfflineStore, grid: Partitions) -> set[str]:
    """Return the published partitions of an asset whose input changed after they were computed."""
    states = store.find_states(asset.asset)
    return touched_of(asset, grid, states, store.contents(asset.source.asset)) if states else set()


def touched_of(asset: Derived, grid: Partitions, states: Mapping[str, PartitionState], source: Contents) -> set[str]:
    """Return those of an asset's partitions whose input changed after they were computed.

    Contents are compared only when a later commit reaches the partition: to find the content of an old version, the log
    is read, and there is an old version for every run.
    """
    upstream = asset.source.asset
    read = {key: state.inputs[upstream] for key, state in states.items() if upstream in state.inputs}
    suspects = _suspects(asset, grid, read, source)
    versions, until = set(suspects.values()), end_of_partitions(read, grid)
    touched = {
        version: affected_partitions(asset, _changed_since(source, version), grid, until) for version in versions
    }
    return {key for key, version in suspects.items() if key in touched[version]}


def _suspects(asset: Derived, grid: Partitions, read: Mapping[str, int], source: Contents) -> dict[str, int]:
    """Return the versions that were read, by partition, for which a later commit of the source may matter."""
    oldest = min(read.values(), default=_NEWEST)
    newest, until = dict[str, int](), end_of_partitions(read, grid)
    for written, keys in _stretches_by_commit(source.states()):
        if written > oldest:  # what is older than all that was read changed nothing
            for reached in _reached_by_stretch(asset, keys, grid, until):
                newest[reached] = max(written, newest.get(reached, -1))
    restored = -1 if source.restored_version is None else source.restored_version
    return {key: version for key, version in read.items() if max(newest.get(key, -1), restored) > version}


def _stretches_by_commit(states: Mapping[str, PartitionState]) -> Iterator[tuple[int, list[str]]]:
    """Yield neighbouring partitions that one commit wrote, with its version."""
    versions = ((key, _NEWEST if (at := states[key].version) is None else at) for key in sorted(states))
    for version, together in groupby(versions, key=itemgetter(1)):
        yield version, [key for key, _ in together]


def end_of_partitions(keys: Iterable[str], grid: Partitions) -> datetime:
    """Return when the last of some partitions ends."""
    last = max(keys, default=None)
    return clock.ALWAYS if last is None else clock.partition_bounds(last, grid.grain, "The data")[1]


def _reached_by_stretch(asset: Derived, keys: Sequence[str], grid: Partitions, until: datetime) -> set[str]:
    """Return the partitions of an asset that look at neighbouring ones of its source, from the two ends of these.

    Args:
        until: partitions after it are left out; windows may reach for ever.
    """
    if not is_windowed(asset):
        return set(keys)
    low, high = grid.bounds(keys[0])[0], grid.bounds(keys[-1])[1]
    closes_right = isinstance(asset.source, FeatureView) and asset.source.closes_right
    reach = asset.reach_us - (0 if closes_right else 1)
    cadence = asset.windows.cadence
    ends = cadences.outer_instants(low, clock.shift_moment(high, reach), cadence.every_us, cadence.tz)
    return set() if ends is None else set(grid.overlapping(clock.shift_moment(ends[0], -1), min(ends[1], until)))


def _changed_since(source: Contents, version: int) -> Iterable[str]:
    """Return the partitions that changed since a version; all of them when the log does not have it any more."""
    try:
        return source.changed_since(version)
    except VersionNotFound:
        return source.states()


def affected_partitions(asset: Derived, changed: Iterable[str], grid: Partitions, until: datetime) -> set[str]:
    """Return the partitions of an asset up to a moment that changed ones of its source reach: windows look back."""
    return set[str]().union(*(_reached_by_stretch(asset, [key], grid, until) for key in changed))


def _make_part(source: Upstream, inputs: pl.DataFrame | None, span: Span) -> pl.DataFrame:
    """Make the rows of a span of time, from inputs in memory, or from what is read for it."""
    asset = source.asset
    if inputs is None or not isinstance(asset, FeatureView):
        return _compute(asset, source.read_events(span), span)
    with _explain_failures(asset):
        return make_windows(asset, inputs.lazy(), *span).collect()


def _compute(asset: Derived, events: pl.LazyFrame, span: Span) -> pl.DataFrame:
    with _explain_failures(asset):
        return table_rows(asset, events, *span).collect()


@contextmanager
def _explain_failures(asset: Derived) -> Iterator[None]:
    """Run the function of an asset, and raise `TransformFailed` when Polars fails."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason = f"failed with {type(error).__name__}: {str(error).strip().splitlines()[0]}"
        raise TransformFailed(f"`{asset.asset}`", "its function", reason, "Check the values of its source.") from error


def _whole_span(asset: Derived, events: pl.LazyFrame) -> Span:
    """Return the span of all instants of a windowed view: from before the first event to the first after the last."""
    if not is_windowed(asset):
        return clock.EPOCH, clock.EPOCH
    time = pl.col(str(asset.source.event_time))
    time = time.filter(
        clock.side_of_interval(time, clock.ALWAYS, clock.NEVER) == 0
    )  # no window can be asked for beyond these
    first, last = events.select(time.min().alias("first"), time.max().alias("last")).collect().row(0)
    if first is None:
        return clock.EPOCH, clock.EPOCH
    cadence = asset.windows.cadence
    return clock.shift_moment(first, -1), cadences.next_instant(last, cadence.every_us, cadence.tz)


def _stretches_of(keys: Sequence[str], grid: Partitions) -> list[list[str]]:
    """Return partitions as unbroken stretches of time, so that neighbours are computed at once."""
    stretches: list[list[str]] = []
    for key in keys:
        if stretches and grid.bounds(stretches[-1][-1])[1] == grid.bounds(key)[0]:
            stretches[-1].append(key)
        else:
            stretches.append([key])
    return stretches


def _span_of(keys: Sequence[str], grid: Partitions) -> Span:
    """Return the span of neighbouring partitions."""
    return grid.bounds(keys[0])[0], grid.bounds(keys[-1])[1]


def _empty_span(grid: Partitions) -> Span:
    start = grid.start or clock.EPOCH
    return start, start

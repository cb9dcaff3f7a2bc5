"""Candidates of views and labels: computed from their source's table at one version."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import chain

import polars as pl

from feature_platform.compute.transforms.declared_types import describe_wrong_length, require_small_values
from feature_platform.compute.transforms.rows import make_windows, table_rows, transform_rows
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground import cadences, clock
from feature_platform.ground.errors import TransformFailed, WrongListLength
from feature_platform.ground.progress import count_steps
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.pipelines.candidates.changed_inputs import changed_inputs
from feature_platform.pipelines.candidates.lifetime_states import LifetimeStates
from feature_platform.pipelines.candidates.parts import parts_in_words, parts_of
from feature_platform.pipelines.candidates.pinned import held_partitions
from feature_platform.pipelines.candidates.shared import Span, candidate_of, requested_partitions
from feature_platform.pipelines.candidates.trials import require_single_rows, try_function
from feature_platform.pipelines.candidates.upstream import Derived, Upstream, key_count_of
from feature_platform.pipelines.results import Candidate


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
        WrongColumnType, WrongListLength: a feature is not of its declared type.
        ValueTooLarge: a feature is larger than one may be.
    """
    held, source = held_partitions(asset, store), Upstream(asset, store, grid)
    if not asset.partitioned:
        if WHOLE in held:
            return candidate_of(asset, [], inputs=source.versions, held=[WHOLE])
        events = source.enrich(source.all_events)
        require_single_rows(source, events.collect_schema())
        frame = _compute(asset, events, _whole_span(asset, events))
        rows_in = source.all_events.select(pl.len()).collect().item()
        return candidate_of(asset, frame, inputs=source.versions, rows_in=rows_in)
    asked = [requested_partitions(each, grid, source.states, now) for each in dict.fromkeys((span, needed or span))]
    wanted = sorted({*chain.from_iterable(asked), *changed_inputs(asset, store, grid)})
    keys = held.without(wanted)
    stretches = _stretches_of(keys, grid)
    read = [source.read_events(_span_of(each, grid)) for each in stretches]
    if read:
        schema = source.enrich(read[0]).collect_schema()
        require_single_rows(source, schema)
        try_function(source, schema, keys[-1])
    rows_in = sum(
        source.count_rows_taken(_span_of(each, grid), events) for each, events in zip(stretches, read, strict=True)
    )
    plan = partial(_plan_parts, source, LifetimeStates(source, store))
    works = [work for each, events in zip(stretches, read, strict=True) for work in plan(each, events)]
    works = works or [partial(_make_part, source, None, None, _empty_span(grid))]
    return candidate_of(
        asset,
        (work() for work in count_steps(works, f"{asset.asset}: parts of partitions", len(works))),
        keys=keys,
        grid=grid,
        inputs=source.versions,
        rows_in=rows_in,
        held=[key for key in wanted if key in held],
        execution=parts_in_words(len(keys), len(works)),
    )


def _plan_parts(
    source: Upstream, states: LifetimeStates, keys: Sequence[str], events: pl.LazyFrame
) -> list[Callable[[], pl.DataFrame]]:
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
        columns = len(source.enrich(source.all_events).collect_schema())
        parts = parts_of({key: source.rows.get(key, 0) for key in keys}, columns)
    return [partial(_make_part, source, inputs, states, _span_of(part, grid)) for part in parts]


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


def _make_part(
    source: Upstream, inputs: pl.DataFrame | None, states: LifetimeStates | None, span: Span
) -> pl.DataFrame:
    """Make the rows of a span of time, from inputs in memory, from a state and later events, or from all it needs."""
    asset = source.asset
    rows = states.make_windows(span) if inputs is None and states is not None else None
    if rows is not None and isinstance(asset, FeatureView):
        return require_small_values(asset, rows)
    if inputs is None or not isinstance(asset, FeatureView):
        return _compute(asset, source.enrich(source.read_events(span)), span)
    with _explain_failures(asset):
        return require_small_values(asset, make_windows(asset, inputs.lazy(), *span).collect())


def _compute(asset: Derived, events: pl.LazyFrame, span: Span) -> pl.DataFrame:
    with _explain_failures(asset):
        try:
            rows = table_rows(asset, events, *span).collect()
        except WrongListLength as error:
            if not isinstance(asset, FeatureView) or not asset.types:
                raise
            told = describe_wrong_length(asset, transform_rows(asset, events).collect())
            raise WrongListLength(told or str(error)) from None
    return require_small_values(asset, rows) if isinstance(asset, FeatureView) else rows


@contextmanager
def _explain_failures(asset: Derived) -> Iterator[None]:
    """Run the function of an asset, and raise `TransformFailed` when Polars fails."""
    try:
        yield
    except WrongListLength as error:
        raise WrongListLength(str(error).splitlines()[0]) from None  # without the lines about the query
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

"""The values of windows: for many keys and instants, every aggregation over every window.

Equal windows share their bounds, whatever is aggregated over them.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import refuse_collisions, require_columns
from feature_platform.compute.windows.asked import (
    AskedFeature,
    AskedWindows,
    add_derived,
    add_ticks,
    is_moment,
    keep_events,
    mask_events,
    require_conditions,
)
from feature_platform.compute.windows.bounds import bounds_of, known_by
from feature_platform.compute.windows.ends_of_ranges import ends_over
from feature_platform.compute.windows.extremes import extremes_over
from feature_platform.compute.windows.frequencies import frequencies_over
from feature_platform.compute.windows.known_ranges import KnownOrder, KnownRanges
from feature_platform.compute.windows.largest import largest_over
from feature_platform.compute.windows.list_values import replace_at
from feature_platform.compute.windows.moments import FEW, Moments
from feature_platform.compute.windows.prefix import totals_over
from feature_platform.compute.windows.ragged import AT_ONCE, chunks, gather_windows, lay_end_to_end
from feature_platform.compute.windows.ranks import ranks_over
from feature_platform.compute.windows.skewness import shapes_over
from feature_platform.compute.windows.spans import Ranges
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole, ascends
from feature_platform.ground.clock import moment_of, rfc3339
from feature_platform.ground.errors import SumTooLarge
from feature_platform.ground.working_columns import HAS_EVENTS, RANGE
from feature_platform.parts.aggregations import Aggregation
from feature_platform.parts.aggregations.windows import Ahead, Window

_THREADS = 2  # aggregations computed at once: numpy uses one core for each, and each holds arrays of its own


def check_aggregations(
    aggregations: Sequence[Aggregation], asked: AskedWindows, events: pl.Schema, taken: pl.Schema, owner: str
) -> None:
    """Refuse columns that are absent or of the wrong type, and features whose names are taken.

    Raises:
        MissingColumns, WrongColumnType: a column is absent or its type cannot be used.
        InvalidDeclaration, TransformFailed: a condition is none, or not of one row.
        ColumnCollision: a feature has the name of a column or of another feature.
    """
    require_columns(events, asked.reads, f"{owner}: the events")
    for aggregation in aggregations:
        aggregation.check(events, owner)
    require_conditions(aggregations, events, owner)
    refuse_collisions(taken, asked.names, owner)


@dataclass(frozen=True)
class WindowQuery:
    """The keys and instants for which windows are asked, and whose they are.

    Attributes:
        owner: as errors name it.
        on: the names of the key's columns, as errors name them.
    """

    line: Timeline
    codes: Whole
    times: Whole
    owner: str
    on: Sequence[str]

    def at_places(self, places: Whole) -> "WindowQuery":
        """Return the keys and instants at some places."""
        return replace(self, codes=self.codes[places], times=self.times[places])

    def too_large(self, feature: str, column: str, place: int) -> SumTooLarge:
        """Return the error for a sum that does not fit."""
        key = self.line.keys.row(int(self.codes[place])) if self.on else ()
        instant = rfc3339(moment_of(int(self.times[place])))
        return SumTooLarge(self.owner, feature, column, dict(zip(self.on, key, strict=True)), instant)


def window_values(query: WindowQuery, asked: AskedWindows) -> pl.DataFrame:
    """Return for each key and instant `t` the features over the events of its windows, known by `t`.

    Those of a window that looks ahead may become known up to its end, and so much later as it allows.

    A window without events has the `empty` value of each aggregation.

    Raises:
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
    """
    line, codes, times = query.line, query.codes, query.times
    places = line.place(codes, times)
    if ascends(places):
        return _in_order(query, asked)
    order = np.argsort(places)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return _in_order(query.at_places(order), asked)[back]


def _in_order(query: WindowQuery, asked: AskedWindows) -> pl.DataFrame:
    query, times = replace(query, line=add_ticks(query.line, asked)), query.times
    line, ranges = query.line, _ranges_of(query, asked.windows)
    known = _known_ranges(query, asked.windows)
    certain = {window: known[window].certain(*ends) for window, ends in ranges.items()}
    columns = _quick_features(line, asked, certain, query)
    for window, ends in ranges.items():
        recomputed = _recompute_uncertain(query, ends, known[window], window, asked)
        columns |= {feature: replace_at(columns[feature], *part) for feature, part in recomputed.items()}
    slow: dict[tuple[Window, bytes], list[AskedFeature]] = {}
    for each in asked.features:
        if each.name not in columns:
            slow.setdefault((each.window, each.mask_text), []).append(each)
    for (window, _), features in slow.items():
        columns |= _gather(query, features, ranges[window])
    values = pl.DataFrame([_since(times, columns[each.name], each).alias(each.name) for each in asked.features])
    return add_derived(values, asked.derived, query.owner)


def _ranges_of(query: WindowQuery, windows: Sequence[Window]) -> dict[Window, Ranges]:
    """Return the rows of the events of each window; many windows end at the moments, or begin together after them."""
    line, codes, times = query.line, query.codes, query.times
    shared: dict[int | None, Whole] = {}
    ranges: dict[Window, Ranges] = {}
    for window in windows:
        start, end = bounds_of(window, times)
        if end is times and None not in shared:
            shared[None] = line.first_at(codes, times)
        if isinstance(window, Ahead) and window.start not in shared:
            shared[window.start] = line.first_at(codes, start)
        low = shared[window.start] if isinstance(window, Ahead) else line.first_at(codes, start)
        ranges[window] = low, shared[None] if end is times else line.first_at(codes, end)
    return ranges


def _known_ranges(query: WindowQuery, windows: Sequence[Window]) -> dict[Window, KnownRanges]:
    """Return which events were known in time for each window; windows that look back share that."""
    order = None if query.line.known is None else KnownOrder(query.line, query.line.known)
    by_time = {window.known_within if isinstance(window, Ahead) else 0: window for window in windows}
    known = {
        within: KnownRanges(order, query.codes, known_by(window, query.times)) for within, window in by_time.items()
    }
    return {window: known[window.known_within if isinstance(window, Ahead) else 0] for window in windows}


def _since(times: Whole, values: pl.Series, feature: AskedFeature) -> pl.Series:
    """Return how far from their moments times lie, in seconds, where that is the feature; else the values.

    It is how long before them, or how long after them where the window looks ahead.
    """
    if not feature.aggregation.of_times:
        return values
    apart = pl.Series(times) - values.cast(pl.Int64)
    return (-apart if isinstance(feature.window, Ahead) else apart).cast(pl.Float64) / 1_000_000


def _quick_features(
    line: Timeline, asked: AskedWindows, ranges: Mapping[Window, Ranges], query: WindowQuery
) -> dict[str, pl.Series]:
    """Return the features of some windows that need no gathering, over ranges of events.

    A user's aggregation, one that inherits from the catalogue too, is its `over`, and is gathered.
    """
    groups = ([each for each in group if each.window in ranges] for group in asked.groups)
    jobs = [partial(_features_of_group, line, group, ranges, query) for group in groups if group]
    if len(line.line) + len(query.codes) < FEW:
        return _merge(job() for job in jobs)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="feature_platform-windows") as threads:
        return _merge(threads.map(lambda job: job(), jobs))


def _merge(parts: Iterable[Mapping[str, pl.Series]]) -> dict[str, pl.Series]:
    return {feature: values for part in parts for feature, values in part.items()}


def _features_of_group(
    line: Timeline, group: Sequence[AskedFeature], ranges: Mapping[Window, Ranges], query: WindowQuery
) -> dict[str, pl.Series]:
    """Return the features that share a column or an aggregation; nothing where it must be gathered."""
    aggregation, line = group[0].aggregation, mask_events(line, group[0].mask)
    if is_moment(aggregation):
        return _sums_and_spreads(line, group, ranges, query)
    longest = max((ranges[each.window] for each in group), key=lambda ends: int((ends[1] - ends[0]).sum()))
    over = _quick_function(aggregation, line, *longest)
    return {} if over is None else {each.name: _in_slices(over, *ranges[each.window]) for each in group}


def _sums_and_spreads(
    line: Timeline, group: Sequence[AskedFeature], ranges: Mapping[Window, Ranges], query: WindowQuery
) -> dict[str, pl.Series]:
    moments = Moments(line.events.get_column(str(group[0].aggregation.column)))
    features = moments.values(group, ranges)
    for feature, places in moments.beyond.items():
        raise query.too_large(feature, group[0].column, int(places[0]))
    return features


def _quick_function(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> RangeFunction | None:
    """Return what computes an aggregation of the catalogue over ranges, given the longest; None if it is gathered."""
    return (
        totals_over(aggregation, line)
        or extremes_over(aggregation, line)
        or ranks_over(aggregation, line, low, high)
        or ends_over(aggregation, line)
        or largest_over(aggregation, line, low, high)
        or frequencies_over(aggregation, line)
        or shapes_over(aggregation, line)
    )


def _in_slices(over: RangeFunction, low: Whole, high: Whole) -> pl.Series:
    parts = [
        over(low[start : start + AT_ONCE], high[start : start + AT_ONCE])
        for start in range(0, max(len(low), 1), AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else pl.concat(parts)


def _gather(query: WindowQuery, features: Sequence[AskedFeature], ends: Ranges) -> dict[str, pl.Series]:
    """Return features of one window and condition over each range; their empty values where no event counts."""
    first, line, times = features[0], query.line, query.times
    if first.aggregation.of_times:
        line = mask_events(line, first.mask)
    elif first.condition is not None:
        line = keep_events(line, first.condition)
        ends = _ranges_of(replace(query, line=line), [first.window])[first.window]
    read = [each.aggregation if first.aggregation.of_times else each.declared for each in features]
    over = [aggregation.over(line.events.schema) for aggregation in read]
    aggregated = [expression.alias(each.name) for expression, each in zip(over, features, strict=True)]
    gathered = gather_windows(line, *ends, known_by(first.window, times), aggregated)
    empty = {each.name: pl.lit(each.aggregation.empty, dtype=gathered.schema[each.name]) for each in features}
    values = (
        pl.select(pl.int_range(len(times), dtype=pl.Int64).alias(RANGE))
        .join(gathered.with_columns(pl.lit(value=True).alias(HAS_EVENTS)), on=RANGE, how="left", maintain_order="left")
        .select(pl.when(HAS_EVENTS).then(name).otherwise(empty[name]).alias(name) for name in empty)
    )
    return {name: values.get_column(name) for name in empty}


def _recompute_uncertain(
    query: WindowQuery, ends: Ranges, known: KnownRanges, window: Window, asked: AskedWindows
) -> dict[str, tuple[Whole, pl.Series]]:
    """Recompute the windows of one shape where it is uncertain which events were known; return them with their places.

    They are laid end to end without the events that were not known, and computed as all others are.
    """
    low, high = ends
    chosen = known.uncertain(low, high)
    parts: dict[str, list[pl.Series]] = {}
    for chunk in chunks((high - low)[chosen]) if len(chosen) else ():
        places = chosen[chunk]
        until = known_by(window, query.times[places])
        laid, laid_ends = lay_end_to_end(query.line, low[places], high[places], until)
        for feature, values in _quick_features(laid, asked, {window: laid_ends}, query.at_places(places)).items():
            parts.setdefault(feature, []).append(values)
    return {feature: (chosen, pl.concat(values)) for feature, values in parts.items()}

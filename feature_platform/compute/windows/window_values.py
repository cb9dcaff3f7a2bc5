"""The values of windows: for many keys and instants, every aggregation over every window.

Windows of one length share their bounds, whatever is aggregated over them.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import refuse_collisions, require_columns
from feature_platform.compute.windows.extremes import extremes_over
from feature_platform.compute.windows.known_ranges import KnownRanges
from feature_platform.compute.windows.moments import FEW, Moments, is_moment
from feature_platform.compute.windows.prefix import totals_over
from feature_platform.compute.windows.ragged import AT_ONCE, chunks, gather_windows, lay_end_to_end
from feature_platform.compute.windows.ranks import ranks_over
from feature_platform.compute.windows.spans import Ranges
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole, ascends
from feature_platform.ground.clock import moment_of, rfc3339
from feature_platform.ground.errors import SumTooLarge
from feature_platform.ground.working_columns import HAS_EVENTS, RANGE
from feature_platform.parts.aggregations import Aggregation

_THREADS = 2  # aggregations computed at once: numpy uses one core for each, and each holds arrays of its own


def features_of_windows(aggregations: Sequence[Aggregation]) -> list[str]:
    """Return the names of all features, in the order declared."""
    return [feature for aggregation in aggregations for feature in aggregation.features]


def inputs_of_windows(aggregations: Sequence[Aggregation]) -> list[str]:
    """Return the columns that the aggregations read, each once."""
    return list(dict.fromkeys(name for aggregation in aggregations for name in aggregation.inputs))


def longest_window(aggregations: Sequence[Aggregation]) -> int:
    """Return the longest window in microseconds: how far back events are needed."""
    return max(aggregation.length(window) for aggregation in aggregations for window in aggregation.windows)


def check_aggregations(aggregations: Sequence[Aggregation], events: pl.Schema, taken: pl.Schema, owner: str) -> None:
    """Refuse columns that are absent or of the wrong type, and features whose names are taken.

    Raises:
        MissingColumns, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a feature has the name of a column or of another feature.
    """
    require_columns(events, inputs_of_windows(aggregations), f"{owner}: the events")
    for aggregation in aggregations:
        aggregation.check(events, owner)
    refuse_collisions(taken, features_of_windows(aggregations), owner)


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


def window_values(query: WindowQuery, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    """Return for each key and instant `t` the features over the events of `[t - window, t)`, known by `t`.

    A window without events has the `empty` value of each aggregation.

    Raises:
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
    """
    line, codes, times = query.line, query.codes, query.times
    places = line.place(codes, times)
    if ascends(places):
        return _in_order(query, aggregations)
    order = np.argsort(places)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return _in_order(query.at_places(order), aggregations)[back]


def _in_order(query: WindowQuery, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    line, codes, times = query.line, query.codes, query.times
    by_length = _by_length(aggregations)
    known = KnownRanges(line, codes, times)
    lows = {length: line.first_at(codes, times - length) for length in by_length}
    columns = _quick_features(line, aggregations, {length: known.certain(low) for length, low in lows.items()}, query)
    for length, features in by_length.items():
        slow = {feature: aggregation for feature, aggregation in features.items() if feature not in columns}
        quick = [aggregation for feature, aggregation in features.items() if feature in columns]
        recomputed = _recompute_uncertain(query, lows[length], known, length, quick)
        columns |= {feature: columns[feature].scatter(*part) for feature, part in recomputed.items()}
        columns |= _gather(line, lows[length], known.high, times, slow)
    return pl.DataFrame([columns[feature].alias(feature) for feature in features_of_windows(aggregations)])


def _quick_features(
    line: Timeline, aggregations: Sequence[Aggregation], ranges: Mapping[int, Ranges], query: WindowQuery
) -> dict[str, pl.Series]:
    """Return the features of all aggregations that need no gathering, over ranges for some lengths of windows.

    A user's aggregation, one that inherits from the catalogue too, is its `over`, and is gathered.
    """
    by_column: dict[str, list[Aggregation]] = {}
    for aggregation in filter(is_moment, aggregations):
        by_column.setdefault(str(aggregation.column), []).append(aggregation)
    jobs = [partial(_features_of_column, line, moments, ranges, query) for moments in by_column.values()]
    jobs += [
        partial(_features_of_one, line, aggregation, ranges)
        for aggregation in aggregations
        if not is_moment(aggregation)
    ]
    if len(line.line) + len(query.codes) < FEW:
        return _merge(job() for job in jobs)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="feature_platform-windows") as threads:
        return _merge(threads.map(lambda job: job(), jobs))


def _merge(parts: Iterable[Mapping[str, pl.Series]]) -> dict[str, pl.Series]:
    return {feature: values for part in parts for feature, values in part.items()}


def _features_of_column(
    line: Timeline, aggregations: Sequence[Aggregation], ranges: Mapping[int, Ranges], query: WindowQuery
) -> dict[str, pl.Series]:
    """Return the sums, means and spreads of one column."""
    column = str(aggregations[0].column)
    moments = Moments(line.events.get_column(column))
    features = moments.values(aggregations, ranges)
    for feature, places in moments.beyond.items():
        raise query.too_large(feature, column, int(places[0]))
    return features


def _features_of_one(line: Timeline, aggregation: Aggregation, ranges: Mapping[int, Ranges]) -> dict[str, pl.Series]:
    lengths = {
        aggregation.feature(window): aggregation.length(window)
        for window in aggregation.windows
        if aggregation.length(window) in ranges
    }
    over = _quick_function(aggregation, line, *ranges[max(lengths.values())])
    if over is None:
        return {}
    return {feature: _in_slices(over, *ranges[length]) for feature, length in lengths.items()}


def _quick_function(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> RangeFunction | None:
    """Return what computes an aggregation of the catalogue over ranges, given the longest; None if it is gathered."""
    return (
        totals_over(aggregation, line) or extremes_over(aggregation, line) or ranks_over(aggregation, line, low, high)
    )


def _in_slices(over: RangeFunction, low: Whole, high: Whole) -> pl.Series:
    parts = [
        over(low[start : start + AT_ONCE], high[start : start + AT_ONCE])
        for start in range(0, max(len(low), 1), AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else pl.concat(parts)


def _by_length(aggregations: Sequence[Aggregation]) -> dict[int, dict[str, Aggregation]]:
    """Return features and what makes them, by the length of their windows."""
    features: dict[int, dict[str, Aggregation]] = {}
    for aggregation in aggregations:
        for window in aggregation.windows:
            features.setdefault(aggregation.length(window), {})[aggregation.feature(window)] = aggregation
    return features


def _gather(
    line: Timeline, low: Whole, high: Whole, times: Whole, features: Mapping[str, Aggregation]
) -> dict[str, pl.Series]:
    """Return each feature over each range; its empty value where there is no event."""
    if not features:
        return {}
    schema = line.events.schema
    aggregated = [aggregation.over(schema).alias(feature) for feature, aggregation in features.items()]
    gathered = gather_windows(line, low, high, times, aggregated)
    empty = {name: pl.lit(aggregation.empty, dtype=gathered.schema[name]) for name, aggregation in features.items()}
    values = (
        pl.select(pl.int_range(len(times), dtype=pl.Int64).alias(RANGE))
        .join(gathered.with_columns(pl.lit(value=True).alias(HAS_EVENTS)), on=RANGE, how="left", maintain_order="left")
        .select(pl.when(HAS_EVENTS).then(name).otherwise(empty[name]).alias(name) for name in features)
    )
    return {name: values.get_column(name) for name in features}


def _recompute_uncertain(
    query: WindowQuery, low: Whole, known: KnownRanges, length: int, aggregations: Sequence[Aggregation]
) -> dict[str, tuple[Whole, pl.Series]]:
    """Recompute the windows of one length where it is uncertain which events were known; return them with their places.

    They are laid end to end without the events that were not known, and computed as all others are.
    """
    chosen = known.uncertain(low)
    if not len(chosen) or not aggregations:
        return {}
    parts: dict[str, list[pl.Series]] = {}
    for chunk in chunks((known.high - low)[chosen]):
        places = chosen[chunk]
        laid, ends = lay_end_to_end(query.line, low[places], known.high[places], query.times[places])
        for feature, values in _quick_features(laid, aggregations, {length: ends}, query.at_places(places)).items():
            parts.setdefault(feature, []).append(values)
    return {feature: (chosen, pl.concat(values)) for feature, values in parts.items()}

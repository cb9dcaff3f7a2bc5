"""The values of windows: for many keys and instants, every aggregation over every window.

Windows of one length share their bounds, whatever is aggregated over them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from feature_platform.aggregations import Aggregation
from feature_platform.compute.keys import OWN, refuse_collisions, require
from feature_platform.compute.windows.extremes import extremes
from feature_platform.compute.windows.moments import moments
from feature_platform.compute.windows.prefix import exactly
from feature_platform.compute.windows.ragged import ASKED, AT_ONCE, gathered
from feature_platform.compute.windows.ranks import ranked
from feature_platform.compute.windows.seen import Seen
from feature_platform.compute.windows.timeline import Ranged, Timeline, Whole, ascends

_FOUND = f"{OWN}found"
_THREADS = 2  # aggregations computed at once: numpy uses one core for each, and each holds arrays of its own


def features_of(aggregations: Sequence[Aggregation]) -> list[str]:
    """The names of all features, in the order declared."""
    return [feature for aggregation in aggregations for feature in aggregation.features]


def inputs_of(aggregations: Sequence[Aggregation]) -> list[str]:
    """The columns that the aggregations read, each once."""
    return list(dict.fromkeys(name for aggregation in aggregations for name in aggregation.inputs))


def longest(aggregations: Sequence[Aggregation]) -> int:
    """The longest window in microseconds: how far back events are needed."""
    return max(aggregation.length(window) for aggregation in aggregations for window in aggregation.windows)


def check_aggregations(aggregations: Sequence[Aggregation], events: pl.Schema, taken: pl.Schema, owner: str) -> None:
    """Refuse columns that are absent or of the wrong type, and features that would be there twice.

    Raises:
        MissingColumns, WrongColumnType, ColumnCollision: as their names say.
    """
    require(events, inputs_of(aggregations), f"{owner}: the events")
    for aggregation in aggregations:
        aggregation.check(events, owner)
    refuse_collisions(taken, features_of(aggregations), owner)


def window_values(line: Timeline, codes: Whole, times: Whole, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    """For each key and instant `t` the features over the events of `[t - window, t)`, known by `t`.

    A window without events has the `empty` value of each aggregation.
    """
    places = line.place(codes, times)
    if ascends(places):
        return _in_order(line, codes, times, aggregations)
    order = np.argsort(places)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return _in_order(line, codes[order], times[order], aggregations)[back]


def _in_order(line: Timeline, codes: Whole, times: Whole, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    by_length = _by_length(aggregations)
    seen = Seen(line, codes, times)
    lows = {length: line.first_at(codes, times - length) for length in by_length}

    def quick_columns(each: Aggregation) -> dict[str, pl.Series]:
        lengths = {each.feature(window): each.length(window) for window in each.windows}
        over = _quickly(each, line, lows[max(lengths.values())], seen.high)
        if over is None:
            return {}
        return {feature: _in_slices(over, *seen.certain(lows[length])) for feature, length in lengths.items()}

    columns: dict[str, pl.Series] = {}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="feature_platform-windows") as threads:
        for found in threads.map(quick_columns, aggregations):
            columns |= found
    for length, features in by_length.items():
        slow = {feature: each for feature, each in features.items() if feature not in columns}
        quick = {feature: each for feature, each in features.items() if feature in columns}
        columns |= _gathered(line, lows[length], seen.high, times, slow)
        columns |= _mended(columns, line, lows[length], seen, times, quick)
    return pl.DataFrame([columns[feature].alias(feature) for feature in features_of(aggregations)])


def _quickly(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> Ranged | None:
    """What computes an aggregation of the catalogue over ranges, of which the longest are given.

    None for what must be gathered. A user's aggregation, one that inherits from the catalogue too, is its `over`.
    """
    return (
        exactly(aggregation, line)
        or moments(aggregation, line)
        or extremes(aggregation, line)
        or ranked(aggregation, line, low, high)
    )


def _in_slices(over: Ranged, low: Whole, high: Whole) -> pl.Series:
    parts = [
        over(low[start : start + AT_ONCE], high[start : start + AT_ONCE])
        for start in range(0, max(len(low), 1), AT_ONCE)
    ]
    return pl.concat(parts)


def _by_length(aggregations: Sequence[Aggregation]) -> dict[int, dict[str, Aggregation]]:
    """Features and what makes them, by the length of their windows."""
    features: dict[int, dict[str, Aggregation]] = {}
    for each in aggregations:
        for window in each.windows:
            features.setdefault(each.length(window), {})[each.feature(window)] = each
    return features


def _gathered(
    line: Timeline, low: Whole, high: Whole, times: Whole, features: Mapping[str, Aggregation]
) -> dict[str, pl.Series]:
    """Each feature over each range; its empty value where there is no event."""
    if not features:
        return {}
    schema = line.events.schema
    aggregated = [each.over(schema).alias(feature) for feature, each in features.items()]
    found = gathered(line, low, high, times, aggregated)
    empty = {name: pl.lit(each.empty, dtype=found.schema[name]) for name, each in features.items()}
    values = (
        pl.select(pl.int_range(len(times), dtype=pl.Int64).alias(ASKED))
        .join(found.with_columns(pl.lit(value=True).alias(_FOUND)), on=ASKED, how="left", maintain_order="left")
        .select(pl.when(_FOUND).then(name).otherwise(empty[name]).alias(name) for name in features)
    )
    return {name: values.get_column(name) for name in features}


def _mended(
    columns: Mapping[str, pl.Series],
    line: Timeline,
    low: Whole,
    seen: Seen,
    times: Whole,
    features: Mapping[str, Aggregation],
) -> dict[str, pl.Series]:
    """The features, gathered over the ranges of which it is not certain which events were known."""
    chosen = seen.uncertain(low)
    if not len(chosen):
        return {}
    exact = _gathered(line, low[chosen], seen.high[chosen], times[chosen], features)
    return {feature: columns[feature].scatter(chosen, exact[feature]) for feature in features}

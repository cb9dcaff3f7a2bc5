"""The values of windows: for many keys and instants, every aggregation over every window.

Windows of one length share their bounds, whatever is aggregated over them.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import OWN, refuse_collisions, require
from feature_platform.compute.windows.extremes import extremes
from feature_platform.compute.windows.moments import FEW, Moments, is_moment
from feature_platform.compute.windows.prefix import exactly
from feature_platform.compute.windows.ragged import ASKED, AT_ONCE, chunks, gathered, laid_out
from feature_platform.compute.windows.ranks import ranked
from feature_platform.compute.windows.seen import Seen
from feature_platform.compute.windows.spans import Ranges
from feature_platform.compute.windows.timeline import Ranged, Timeline, Whole, ascends
from feature_platform.ground.clock import moment_of, rfc3339
from feature_platform.ground.errors import SumTooLarge
from feature_platform.parts.aggregations import Aggregation

_FOUND = f"{OWN}found"
_THREADS = 2  # aggregations computed at once: numpy uses one core for each, and each holds arrays of its own


def features_of(aggregations: Sequence[Aggregation]) -> list[str]:
    """Return the names of all features, in the order declared."""
    return [feature for aggregation in aggregations for feature in aggregation.features]


def inputs_of(aggregations: Sequence[Aggregation]) -> list[str]:
    """Return the columns that the aggregations read, each once."""
    return list(dict.fromkeys(name for aggregation in aggregations for name in aggregation.inputs))


def longest(aggregations: Sequence[Aggregation]) -> int:
    """Return the longest window in microseconds: how far back events are needed."""
    return max(aggregation.length(window) for aggregation in aggregations for window in aggregation.windows)


def check_aggregations(aggregations: Sequence[Aggregation], events: pl.Schema, taken: pl.Schema, owner: str) -> None:
    """Refuse columns that are absent or of the wrong type, and features whose names are taken.

    Raises:
        MissingColumns, WrongColumnType, ColumnCollision: as their names say.
    """
    require(events, inputs_of(aggregations), f"{owner}: the events")
    for aggregation in aggregations:
        aggregation.check(events, owner)
    refuse_collisions(taken, features_of(aggregations), owner)


@dataclass(frozen=True)
class Asked:
    """The keys and instants for which windows are asked, and who asks.

    Attributes:
        owner: as errors name it.
        on: the names of the key's columns, as errors name them.
    """

    line: Timeline
    codes: Whole
    times: Whole
    owner: str
    on: Sequence[str]

    def some(self, places: Whole) -> "Asked":
        """Return the keys and instants at some places."""
        return replace(self, codes=self.codes[places], times=self.times[places])

    def too_large(self, feature: str, column: str, place: int) -> SumTooLarge:
        """Return the error for a sum that does not fit."""
        key = self.line.keys.row(int(self.codes[place])) if self.on else ()
        instant = rfc3339(moment_of(int(self.times[place])))
        return SumTooLarge(self.owner, feature, column, dict(zip(self.on, key, strict=True)), instant)


def window_values(asked: Asked, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    """Return for each key and instant `t` the features over the events of `[t - window, t)`, known by `t`.

    A window without events has the `empty` value of each aggregation.

    Raises:
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
    """
    line, codes, times = asked.line, asked.codes, asked.times
    places = line.place(codes, times)
    if ascends(places):
        return _in_order(asked, aggregations)
    order = np.argsort(places)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return _in_order(asked.some(order), aggregations)[back]


def _in_order(asked: Asked, aggregations: Sequence[Aggregation]) -> pl.DataFrame:
    line, codes, times = asked.line, asked.codes, asked.times
    by_length = _by_length(aggregations)
    seen = Seen(line, codes, times)
    lows = {length: line.first_at(codes, times - length) for length in by_length}
    columns = _quick(line, aggregations, {length: seen.certain(low) for length, low in lows.items()}, asked)
    for length, features in by_length.items():
        slow = {feature: each for feature, each in features.items() if feature not in columns}
        quick = [each for feature, each in features.items() if feature in columns]
        mended = _mended(asked, lows[length], seen, length, quick)
        columns |= {feature: columns[feature].scatter(*found) for feature, found in mended.items()}
        columns |= _gathered(line, lows[length], seen.high, times, slow)
    return pl.DataFrame([columns[feature].alias(feature) for feature in features_of(aggregations)])


def _quick(
    line: Timeline, aggregations: Sequence[Aggregation], ranges: Mapping[int, Ranges], asked: Asked
) -> dict[str, pl.Series]:
    """Return the features of all aggregations that need no gathering, over ranges for some lengths of windows.

    A user's aggregation, one that inherits from the catalogue too, is its `over`, and is gathered.
    """
    together: dict[str, list[Aggregation]] = {}
    for each in filter(is_moment, aggregations):
        together.setdefault(str(each.column), []).append(each)
    jobs = [partial(_of_column, line, each, ranges, asked) for each in together.values()]
    jobs += [partial(_of_one, line, each, ranges) for each in aggregations if not is_moment(each)]
    if len(line.line) + len(asked.codes) < FEW:
        return _joined(job() for job in jobs)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="feature_platform-windows") as threads:
        return _joined(threads.map(lambda job: job(), jobs))


def _joined(parts: Iterable[Mapping[str, pl.Series]]) -> dict[str, pl.Series]:
    return {feature: values for part in parts for feature, values in part.items()}


def _of_column(
    line: Timeline, aggregations: Sequence[Aggregation], ranges: Mapping[int, Ranges], asked: Asked
) -> dict[str, pl.Series]:
    """Return the sums, means and spreads of one column."""
    column = str(aggregations[0].column)
    moments = Moments(line.events.get_column(column))
    found = moments.values(aggregations, ranges)
    for feature, places in moments.beyond.items():
        raise asked.too_large(feature, column, int(places[0]))
    return found


def _of_one(line: Timeline, each: Aggregation, ranges: Mapping[int, Ranges]) -> dict[str, pl.Series]:
    lengths = {each.feature(window): each.length(window) for window in each.windows if each.length(window) in ranges}
    over = _quickly(each, line, *ranges[max(lengths.values())])
    if over is None:
        return {}
    return {feature: _in_slices(over, *ranges[length]) for feature, length in lengths.items()}


def _quickly(aggregation: Aggregation, line: Timeline, low: Whole, high: Whole) -> Ranged | None:
    """Return what computes an aggregation of the catalogue over ranges, given the longest; None if it is gathered."""
    return exactly(aggregation, line) or extremes(aggregation, line) or ranked(aggregation, line, low, high)


def _in_slices(over: Ranged, low: Whole, high: Whole) -> pl.Series:
    parts = [
        over(low[start : start + AT_ONCE], high[start : start + AT_ONCE])
        for start in range(0, max(len(low), 1), AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else pl.concat(parts)


def _by_length(aggregations: Sequence[Aggregation]) -> dict[int, dict[str, Aggregation]]:
    """Return features and what makes them, by the length of their windows."""
    features: dict[int, dict[str, Aggregation]] = {}
    for each in aggregations:
        for window in each.windows:
            features.setdefault(each.length(window), {})[each.feature(window)] = each
    return features


def _gathered(
    line: Timeline, low: Whole, high: Whole, times: Whole, features: Mapping[str, Aggregation]
) -> dict[str, pl.Series]:
    """Return each feature over each range; its empty value where there is no event."""
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
    asked: Asked, low: Whole, seen: Seen, length: int, aggregations: Sequence[Aggregation]
) -> dict[str, tuple[Whole, pl.Series]]:
    """Recompute the windows of one length where it is uncertain which events were known; return them with their places.

    They are laid end to end without the events that were not known, and computed as all others are.
    """
    chosen = seen.uncertain(low)
    if not len(chosen) or not aggregations:
        return {}
    found: dict[str, list[pl.Series]] = {}
    for some in chunks((seen.high - low)[chosen]):
        places = chosen[some]
        laid, ends = laid_out(asked.line, low[places], seen.high[places], asked.times[places])
        for feature, values in _quick(laid, aggregations, {length: ends}, asked.some(places)).items():
            found.setdefault(feature, []).append(values)
    return {feature: (chosen, pl.concat(values)) for feature, values in found.items()}

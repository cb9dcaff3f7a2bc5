"""The values of windows: for many keys and instants, every aggregation over every window.

Windows of one length share their bounds, whatever is aggregated over them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from feature_platform.aggregations import Aggregation
from feature_platform.compute.keys import OWN, refuse_collisions, require
from feature_platform.compute.prefix import Summed, exactly, summed
from feature_platform.compute.ragged import ASKED, gathered
from feature_platform.compute.timeline import Timeline, Whole

WORTH_SUMMING = 20_000_000  # events in all windows of a length from which on sums of floats are not gathered
_FOUND = f"{OWN}found"


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
    high = line.first_at(codes, times)
    exact = {each: exactly(each, line) for each in aggregations}
    columns: dict[str, pl.Series] = {}
    for length, features in _by_length(aggregations).items():
        low = line.first_at(codes, times - length)
        heavy = int((high - low).sum()) > WORTH_SUMMING
        to_gather = {}
        for feature, each in features.items():
            if (over := exact[each]) is not None:
                columns[feature] = over(low, high)
            elif heavy and (sums := summed(each, line)) is not None:
                columns[feature] = _summed(sums, line, low, high, times, feature, each)
            else:
                to_gather[feature] = each
        columns |= _gathered(line, low, high, times, to_gather)
    return pl.DataFrame([columns[feature].alias(feature) for feature in features_of(aggregations)])


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


def _summed(
    sums: Summed, line: Timeline, low: Whole, high: Whole, times: Whole, feature: str, aggregation: Aggregation
) -> pl.Series:
    """The feature by running totals, gathered over the ranges where these are not close enough."""
    values, doubtful = sums(low, high)
    if not doubtful.any():
        return values
    chosen = np.flatnonzero(doubtful)
    exact = _gathered(line, low[chosen], high[chosen], times[chosen], {feature: aggregation})[feature]
    return values.scatter(chosen, exact)

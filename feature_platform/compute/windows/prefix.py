"""Windows by running totals: a range of rows has the difference of the totals before its two ends.

Its cost does not grow with the length of windows. It is for what comes out to the last bit: counts,
shares, first and last values.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.plans.nodes import consists_of, plain_inputs
from feature_platform.compute.plans.several import as_several
from feature_platform.compute.windows.non_nulls import counts_before, non_null_values
from feature_platform.compute.windows.timeline import RangeFunction, Timeline, Whole
from feature_platform.parts.aggregations import Aggregation, Any, Count, First, Last, Rate, Recency, TimeTo


def totals_over(aggregation: Aggregation, line: Timeline) -> RangeFunction | None:
    """Return an aggregation over ranges `[low, high)` of rows, exact to the last bit; None if it cannot be done so."""
    kind = type(aggregation)
    if kind is Count:
        return _count(line, aggregation.column)
    if isinstance(aggregation, Rate) and kind is Rate and consists_of(aggregation.condition, plain_inputs):
        return _share(line, aggregation.condition)
    if isinstance(aggregation, Any) and kind is Any and consists_of(aggregation.condition, plain_inputs):
        return _at_least_once(line, aggregation.condition)
    if kind in (First, Last, Recency, TimeTo):
        return _end_of_range(line, str(aggregation.column), first=kind in (First, TimeTo))
    return None


def _count(line: Timeline, column: str | None) -> RangeFunction:
    if column is None:
        return lambda low, high: pl.Series(high - low)
    among = non_null_values(line.events.get_column(column)).among
    return lambda low, high: pl.Series(among(high) - among(low))


def _share(line: Timeline, condition: pl.Expr) -> RangeFunction:
    holds = _where_it_holds(line.events, condition.cast(pl.Boolean))
    yes, known = counts_before(holds.fill_null(value=False)), counts_before(holds.is_not_null())
    return lambda low, high: _ratio((yes[high] - yes[low]).astype(np.float64), known[high] - known[low])


def _at_least_once(line: Timeline, condition: pl.Expr) -> RangeFunction:
    holds = _where_it_holds(line.events, condition.cast(pl.Boolean))
    yes = counts_before(holds.fill_null(value=False))
    return lambda low, high: pl.Series(yes[high] > yes[low])


def _where_it_holds(events: pl.DataFrame, condition: pl.Expr) -> pl.Series:
    """Return where a condition holds; a single event is evaluated as one among several."""
    read = dict.fromkeys(condition.meta.root_names())
    return (
        as_several(events.select(*read) if read else events)
        .select_seq(condition.alias("holds"))
        .to_series()
        .head(events.height)
    )


def _end_of_range(line: Timeline, column: str, *, first: bool) -> RangeFunction:
    """Return the first or last value: for each row the nearest that is not null, in the direction of the range."""
    values = line.events.get_column(column)
    rows, is_value = np.arange(len(values)), values.is_not_null().to_numpy()
    if first:
        nearest = np.append(np.minimum.accumulate(np.where(is_value, rows, len(values))[::-1])[::-1], len(values))
    else:
        nearest = np.append(-1, np.maximum.accumulate(np.where(is_value, rows, -1)))

    def over(low: Whole, high: Whole) -> pl.Series:
        row = nearest[low if first else high]
        places = pl.Series(row).set(pl.Series((row < low) | (row >= high)), None)
        return values.gather(places)

    return over


def _ratio(sums: npt.NDArray[np.float64], counts: Whole) -> pl.Series:
    with np.errstate(divide="ignore", invalid="ignore"):
        return pl.Series(sums / counts).set(pl.Series(counts == 0), None)

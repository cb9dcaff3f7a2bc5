"""What an imputation learns from the past, for all rows at once: its `learnt` expression, or the same by faster means.

The fast ways belong to the exact types: a subclass may mean something else by `learnt`.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from feature_platform.compute.transforms.past import Flags, Past, Whole, evaluate_in_groups, group_codes, take_rows
from feature_platform.compute.windows.non_nulls import counts_before
from feature_platform.compute.windows.running_sums import RunningSums
from feature_platform.ground.working_columns import VALUES
from feature_platform.parts.imputation import FittedImputation, ForwardFill, Mean, Median, Mode

FillFunction = Callable[[Whole, Whole], pl.Series]


def fill_function(rule: FittedImputation, values: pl.Series, past: Past) -> FillFunction:
    """Return the function that fills gaps whose past is the ordered rows `[low, high)`, `low` the first of a group.

    Null where the past has no value.

    Args:
        values: of the ordered rows.
    """
    values = values.alias(VALUES)
    if type(rule) is ForwardFill:
        return _newest(values, values.is_not_null().to_numpy())
    if type(rule) is Mode:
        return _newest(values, _leads(values, past))
    if type(rule) is Mean:
        return _mean(values.cast(pl.Float64))
    if type(rule) is Median:
        return _median(values.cast(pl.Float64), past, rule)
    steps = evaluate_in_groups(values, rule.learnt(pl.col(VALUES)).forward_fill(), past.starts)
    return lambda low, high: take_rows(steps, high - 1, high > low)


def _newest(values: pl.Series, marked: Flags) -> FillFunction:
    """Return the last value that is marked."""
    last = np.maximum.accumulate(np.append(-1, np.where(marked, np.arange(len(marked)), -1)))
    return lambda low, high: take_rows(values, last[high], last[high] >= low)


def _leads(values: pl.Series, past: Past) -> Flags:
    """Tell whether a row has the value that is the most frequent of its group so far, itself included."""
    groups = group_codes(past.starts)
    rows = pl.DataFrame({"code": groups, "value": values, "row": np.arange(len(values))})
    runs = rows.drop_nulls("value").group_by("code", "value").agg("row")["row"]
    sizes = runs.list.len().to_numpy().astype(np.int64)
    times_seen = np.zeros(len(values), dtype=np.int64)
    nth = np.arange(1, sizes.sum() + 1) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    times_seen[runs.explode(empty_as_null=False).to_numpy()] = nth
    above = groups * (len(values) + 1)  # so that a running maximum starts afresh with each group
    most = np.maximum.accumulate(times_seen + above) - above
    leads: Flags = (times_seen == most) & (times_seen > 0)
    return leads


def _mean(values: pl.Series) -> FillFunction:
    """Return the true sum of the past, rounded once, over the count: rows in another order have the same mean."""
    sums, counts = RunningSums(values.fill_null(0.0).to_numpy()), counts_before(values.is_not_null())

    def over(low: Whole, high: Whole) -> pl.Series:
        count = counts[high] - counts[low]
        return pl.Series(sums.over(low, high) / np.maximum(count, 1)).set(pl.Series(count == 0), None)

    return over


def _median(values: pl.Series, past: Past, rule: Median) -> FillFunction:
    """Evaluate the rule's own expression over the values without gaps and NaN, which takes a third of the time."""
    is_number, nans = values.is_not_nan().fill_null(value=False), counts_before(values.is_nan().fill_null(value=False))
    counts = counts_before(is_number)
    steps = evaluate_in_groups(values.filter(is_number), rule.learnt(pl.col(VALUES)), counts[past.starts])

    def over(low: Whole, high: Whole) -> pl.Series:
        medians = take_rows(steps, counts[high] - 1, counts[high] > counts[low])
        return medians.set(pl.Series(nans[high] > nans[low]), float("nan"))

    return over

"""The counts for a Kullback-Leibler divergence: how many values of a column are in each bin, or equal each value.

Bins are half-open, the last is closed, as in numpy. Nulls are left out. A NaN makes the counts of all bins NaN and with
them the divergence, so that the expectation fails.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from feature_platform.quality.aggregates import Aggregate, AggregateMetric
from feature_platform.quality.target import NotComputable, RuleTarget


def _present(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(target.cells.count())


def _histogram(target: RuleTarget) -> AggregateMetric:
    target.require("a number")
    edges = target.values["bins"]
    if not isinstance(edges, Sequence) or len(edges) < 2:
        raise NotComputable(f"The bins are {edges!r}, but at least two edges are needed.")
    cells = target.cells
    below = [(cells < edge).sum() for edge in edges[:-1]]
    counts = (
        pl.concat_list(*below, (cells <= edges[-1]).sum()).list.diff(null_behavior="drop").cast(pl.List(pl.Float64))
    )
    if not target.schema[target.name].is_float():
        return AggregateMetric(counts, list)
    nan = cells.is_nan().any()
    return AggregateMetric(pl.when(nan).then(counts * float("nan")).otherwise(counts), list)


def _between(target: RuleTarget) -> AggregateMetric:
    """Count the values before the first edge, or after the last; Great Expectations asks for nothing else."""
    target.require("a number")
    low, high = target.values.get("min_value"), target.values.get("max_value")
    inside = target.cells < pl.lit(high) if low is None else target.cells > pl.lit(low)
    return AggregateMetric(inside.sum())


def _value_counts(target: RuleTarget) -> AggregateMetric:
    dtype = target.schema[target.name]
    if dtype.is_temporal() or dtype.is_nested():
        raise NotComputable(
            f"Column `{target.name}` is {dtype}; the values of a partition are text, numbers or booleans."
        )
    counts = target.cells.drop_nulls().value_counts(name="count").sort()
    return AggregateMetric(counts.implode(), lambda found: _counts_as_series(target.name, found))


def _counts_as_series(name: str, rows: Sequence[dict[str, Any]]) -> Any:
    import pandas as pd  # Great Expectations reads the counts as a pandas series

    index = pd.Index([row[name] for row in rows], name="value")
    return pd.Series([row["count"] for row in rows], index=index, name="count", dtype="int64")


DISTRIBUTIONS: dict[str, Aggregate] = {
    "column.histogram": _histogram,
    "column.value_counts": _value_counts,
    "column_values.nonnull.count": _present,
    "column_values.between.count": _between,
}

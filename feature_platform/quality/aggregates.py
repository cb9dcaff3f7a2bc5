"""The expectations that judge a whole column or table by one number, as an expression over its cells.

Nulls are skipped. A NaN is a value: it makes mean, median, minimum, maximum, sum, deviation and quantiles NaN, and NaN
lies in no range; Great Expectations' pandas engine skips it. Whole numbers are summed exactly, beyond 64 bits. At an
exact tie `nearest` quantiles take the upper neighbour (pandas takes the even one).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from feature_platform.quality.target import NotComputable, RuleTarget

LISTED = 20
Interpolation = Literal["nearest", "lower", "higher", "midpoint", "linear"]
_INTERPOLATION: tuple[Interpolation, ...] = ("nearest", "lower", "higher", "midpoint", "linear")


@dataclass(frozen=True)
class AggregateMetric:
    """One value of one pass over the data: the expression, and a function that Python applies to its value."""

    expression: pl.Expr
    finish: Callable[[Any], object] = lambda value: value


Aggregate = Callable[[RuleTarget], AggregateMetric]


def _numbers(target: RuleTarget, value: Callable[[pl.Expr], pl.Expr]) -> AggregateMetric:
    target.require("a number")
    return _unless_nan(target, value(target.cells))


def _unless_nan(target: RuleTarget, value: pl.Expr) -> AggregateMetric:
    if not target.schema[target.name].is_float():
        return AggregateMetric(value)
    return AggregateMetric(pl.when(target.cells.is_nan().any()).then(pl.lit(float("nan"))).otherwise(value))


def _extreme(target: RuleTarget, value: Callable[[pl.Expr], pl.Expr]) -> AggregateMetric:
    if target.schema[target.name].is_nested():
        raise NotComputable(f"Column `{target.name}` is {target.schema[target.name]}, which has no order.")
    return _unless_nan(target, value(target.cells))


def _sum(target: RuleTarget) -> AggregateMetric:
    whole = target.schema[target.name].is_integer()
    return _numbers(target, lambda cells: (cells.cast(pl.Int128) if whole else cells).sum())


def _quantiles(target: RuleTarget) -> AggregateMetric:
    target.require("a number")
    quantiles = target.values["quantiles"]
    method = target.values.get("allow_relative_error") or "nearest"
    how = next((known for known in _INTERPOLATION if known == method), None)
    if how is None:
        raise NotComputable(f"`allow_relative_error` is {method!r}. Use one of {', '.join(_INTERPOLATION)}.")
    if not isinstance(quantiles, Sequence):
        raise NotComputable(f"`quantiles` is {quantiles!r}, but a list is needed.")
    values = [_unless_nan(target, target.cells.quantile(q, how)).expression.cast(pl.Float64) for q in quantiles]
    return AggregateMetric(pl.concat_list(values), list)


def _distinct(target: RuleTarget) -> pl.Expr:
    return target.cells.drop_nulls().n_unique()


def _unique_share(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(_distinct(target) / target.cells.count(), _share)


def _present_share(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(target.cells.count() / target.cells.len(), _share)


def _share(value: float | None) -> float:
    """Return the share as a number; a share of no rows is 0, as in Great Expectations."""
    return value if value is not None and value == value else 0.0


def _unknown_values(target: RuleTarget) -> pl.Expr:
    cells = target.cells.drop_nulls()
    return cells.filter(~cells.is_in(target.members("value_set").implode())).unique()


def _not_in_set(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(_unknown_values(target).sort().head(LISTED).implode(), list)


def _missing_values(target: RuleTarget) -> AggregateMetric:
    expected = target.members("value_set").unique(maintain_order=True)
    cells = target.cells.drop_nulls()
    present = cells.filter(cells.is_in(expected.implode())).unique().implode()
    return AggregateMetric(present, lambda found: [value for value in expected.to_list() if value not in set(found)])


def _chain(computed: AggregateMetric, finish: Callable[[Any], object]) -> AggregateMetric:
    return AggregateMetric(computed.expression, lambda value: finish(computed.finish(value)))


def _most_common(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(target.cells.drop_nulls().mode().sort().implode(), list)


def _row_count(target: RuleTarget) -> AggregateMetric:
    return AggregateMetric(pl.len() if target.within is None else target.within.fill_null(value=False).sum())


METRICS: Mapping[str, Aggregate] = {
    "table.row_count": _row_count,
    "column.mean": lambda s: _numbers(s, pl.Expr.mean),
    "column.median": lambda s: _numbers(s, pl.Expr.median),
    "column.standard_deviation": lambda s: _numbers(s, pl.Expr.std),
    "column.sum": _sum,
    "column.min": lambda s: _extreme(s, pl.Expr.min),
    "column.max": lambda s: _extreme(s, pl.Expr.max),
    "column.quantile_values": _quantiles,
    "column.distinct_values.count": lambda s: AggregateMetric(_distinct(s)),
    "column.unique_proportion": _unique_share,
    "column.non_null_proportion": _present_share,
    "column.distinct_values.not_in_set": _not_in_set,
    "column.distinct_values.not_in_set.count": lambda s: AggregateMetric(_unknown_values(s).len()),
    "column.distinct_values.missing_from_column": lambda s: _chain(_missing_values(s), lambda found: found[:LISTED]),
    "column.distinct_values.missing_from_column.count": lambda s: _chain(_missing_values(s), len),
    "column.most_common_value": _most_common,
}

SCHEMA_METRICS: Mapping[str, Callable[[pl.Schema], object]] = {
    "table.columns": list,
    "table.column_count": len,
    "table.column_types": lambda schema: [{"name": name, "type": dtype} for name, dtype in schema.items()],
}

TABLE_EXPECTATIONS: tuple[str, ...] = (
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_kl_divergence_to_be_less_than",
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_most_common_value_to_be_in_set",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_quantile_values_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_to_exist",
    "expect_column_type_to_be",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_of_type",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "unexpected_rows_expectation",
)

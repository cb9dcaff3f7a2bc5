"""The metrics that Great Expectations asks for, registered for the Polars engine under its own names.

Registration is a call, `register_metrics()`, that does its work once; importing this module does nothing.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import polars as pl
from great_expectations.core.metric_function_types import MetricFunctionTypes
from great_expectations.expectations.metrics.metric_provider import MetricProvider
from great_expectations.expectations.registry import (
    _registered_metrics as GX_METRICS,  # noqa: N812  # there is no public way to ask for a metric's keys
)
from great_expectations.expectations.registry import (
    register_core_metrics,
    register_metric,
)
from great_expectations.validator.metric_configuration import MetricConfiguration

from feature_platform.ground.working_columns import CHECKED_ROW
from feature_platform.quality.aggregates import LISTED, METRICS, SCHEMA_METRICS, Aggregate, AggregateMetric
from feature_platform.quality.distributions import DISTRIBUTIONS
from feature_platform.quality.engine import FrameMetric, KnownMetric, MetricPlan, PolarsExecutionEngine
from feature_platform.quality.queries import unexpected_rows
from feature_platform.quality.row_rules import ROW_RULES, RowRule
from feature_platform.quality.target import RuleTarget

_DETAILS = (".unexpected_values", ".unexpected_index_list")

Arguments = Mapping[str, Any]
Provider = Callable[[PolarsExecutionEngine, Arguments, Arguments, Arguments], MetricPlan]


class PolarsMetric(MetricProvider):
    """The provider of all metrics: a metric needs only the frame, except details, which wait for their count."""

    @classmethod
    def _get_evaluation_dependencies(
        cls,
        metric: MetricConfiguration,
        configuration: Any = None,
        execution_engine: Any = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[str, MetricConfiguration]:
        base = next(
            (metric.metric_name.removesuffix(end) for end in _DETAILS if metric.metric_name.endswith(end)),
            None,
        )
        if base is None:
            execution_engine.check(metric)
            return {}
        values = {key: value for key, value in metric.metric_value_kwargs.items() if key != "result_format"}
        return {"count": MetricConfiguration(f"{base}.unexpected_count", metric.metric_domain_kwargs, values)}


@cache
def register_metrics() -> None:
    """Register the metrics of the Polars engine with Great Expectations; once per process."""
    register_core_metrics()
    for name, read in SCHEMA_METRICS.items():
        _register(name, partial(_from_schema, read))
    for name, aggregate in {**METRICS, **DISTRIBUTIONS}.items():
        _register(name, partial(_aggregate, aggregate))
    _register("unexpected_rows_query.row_count", _query_count)
    _register("unexpected_rows_query.table", _no_details)
    for rule in ROW_RULES:
        _register(f"{rule.metric}.unexpected_count", partial(_count, rule))
        _register(f"{rule.metric}.unexpected_values", partial(_values, rule))
        _register(f"{rule.metric}.unexpected_index_list", partial(_index_list, rule))
        _register(f"{rule.metric}.unexpected_index_query", _no_details)
        if f"{rule.metric}.filtered_row_count" in GX_METRICS:
            _register(f"{rule.metric}.filtered_row_count", partial(_judged_count, rule))


def _register(name: str, provider: Provider) -> None:
    def provide(
        execution_engine: PolarsExecutionEngine,
        metric_domain_kwargs: Arguments,
        metric_value_kwargs: Arguments,
        metrics: Arguments,
        **_: object,
    ) -> MetricPlan:
        return provider(execution_engine, metric_domain_kwargs, metric_value_kwargs, metrics)

    keys = GX_METRICS[name]
    register_metric(
        metric_name=name,
        metric_domain_keys=keys["metric_domain_keys"],
        metric_value_keys=keys["metric_value_keys"],
        execution_engine=PolarsExecutionEngine,
        metric_class=PolarsMetric,
        metric_provider=provide,
        metric_fn_type=MetricFunctionTypes.VALUE,
    )


def _from_schema(
    read: Callable[[pl.Schema], object],
    engine: PolarsExecutionEngine,
    domain: Arguments,
    _v: Arguments,
    _m: Arguments,
) -> MetricPlan:
    return KnownMetric(read(engine.batch(domain).schema))


def _aggregate(
    aggregate: Aggregate, engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, _m: Arguments
) -> MetricPlan:
    return aggregate(engine.target(domain, values))


def _count(
    rule: RowRule, engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, _m: Arguments
) -> MetricPlan:
    target = engine.target(domain, values)
    broken = rule.breaking_rows(target)
    if rule.alone:
        return AggregateMetric(broken.sum())
    frame = engine.batch(domain).frame.filter(rule.judged_rows(target))
    if rule.groups:
        sizes = frame.group_by(target.columns).agg(pl.len().alias(CHECKED_ROW))
        counted = sizes.select(pl.col(CHECKED_ROW).filter(pl.col(CHECKED_ROW) > 1).sum())
    else:
        counted = frame.select(broken.sum())
    return FrameMetric(("count", rule.metric, _identity(domain, values)), counted, lambda found: found.item())


def _judged_count(
    rule: RowRule, engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, _m: Arguments
) -> MetricPlan:
    target = engine.target(domain, values)
    return AggregateMetric(pl.len() - (~rule.judged_rows(target)).sum())


def _values(
    rule: RowRule, engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, m: Arguments
) -> MetricPlan:
    return _details(rule, engine, domain, values, m, _cells)


def _index_list(
    rule: RowRule, engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, m: Arguments
) -> MetricPlan:
    return _details(rule, engine, domain, values, m, lambda found, _: found[CHECKED_ROW].to_list())


def _no_details(_e: PolarsExecutionEngine, _d: Arguments, _v: Arguments, _m: Arguments) -> MetricPlan:
    return KnownMetric(None)


def _query_count(engine: PolarsExecutionEngine, domain: Arguments, values: Arguments, _m: Arguments) -> MetricPlan:
    query = str(values["unexpected_rows_query"])
    count = unexpected_rows(engine.get_domain_records(dict(domain)), query).select(pl.len())
    return FrameMetric(("query", _identity(domain, values)), count, lambda counted: counted.item())


def _details(
    rule: RowRule,
    engine: PolarsExecutionEngine,
    domain: Arguments,
    values: Arguments,
    metrics: Arguments,
    read: Callable[[pl.DataFrame, RowRule], object],
) -> MetricPlan:
    if metrics.get("count") == 0:
        return KnownMetric([])
    target = engine.target(domain, values)
    limit = values["result_format"].get("partial_unexpected_count", LISTED)
    rows = broken_rows(engine.batch(domain).frame, rule, target, CHECKED_ROW).select(
        CHECKED_ROW, *dict.fromkeys(target.columns)
    )
    key = ("details", rule.metric, _identity(domain, values))
    return FrameMetric(key, rows.head(limit), lambda found: read(found, rule))


def broken_rows(frame: pl.LazyFrame, rule: RowRule, target: RuleTarget, index: str) -> pl.LazyFrame:
    """Return the rows that break a rule, with their position in the whole frame as `index`."""
    return frame.with_row_index(index).filter(rule.judged_rows(target)).filter(rule.breaking_rows(target))


def _cells(rows: pl.DataFrame, rule: RowRule) -> object:
    values = rows.drop(CHECKED_ROW)
    if rule.metric.startswith("column_values."):
        return values.to_series().to_list()
    return values.rows() if rule.metric.startswith("column_pair_values.") else values.to_dicts()


def _identity(domain: Arguments, values: Arguments) -> str:
    return repr((sorted(domain.items(), key=repr), sorted(values.items(), key=repr)))

"""The execution engine that lets Great Expectations compute every metric of a suite in one Polars pass.

A metric is a plan: a value known from the schema, one expression, or one small frame. All plans that are ready at the
same time run in one `collect_all`. What only a failure needs (the unexpected values and their rows) waits for its
count, so data without a failure is read once. Each plan is first tried on an empty frame.
"""

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from feature_platform.quality.aggregates import AggregateMetric
from feature_platform.quality.conditions import expression_of_condition, read_condition
from feature_platform.quality.row_rules import argument_columns
from feature_platform.quality.target import NotComputable, RuleTarget

with warnings.catch_warnings():  # Great Expectations imports deprecated parts of the standard library
    warnings.simplefilter("ignore")
    from great_expectations.core.batch import BatchData, BatchMarkers
    from great_expectations.exceptions.exceptions import GreatExpectationsError, MetricResolutionError
    from great_expectations.execution_engine.execution_engine import ExecutionEngine
    from great_expectations.expectations.registry import get_metric_provider
    from great_expectations.validator.metric_configuration import MetricConfiguration, MetricConfigurationID


@dataclass(frozen=True)
class KnownMetric:
    """A value that needs no data."""

    value: object


@dataclass(frozen=True)
class FrameMetric:
    """A small frame, and a function that Python applies to it; metrics that share a `key` share the frame."""

    key: Hashable
    frame: pl.LazyFrame
    finish: Callable[[pl.DataFrame], object]


MetricPlan = KnownMetric | AggregateMetric | FrameMetric


class PolarsBatchData(BatchData):
    """A lazy frame in the form in which Great Expectations holds a batch."""

    def __init__(self, engine: "PolarsExecutionEngine", frame: pl.LazyFrame) -> None:
        super().__init__(execution_engine=engine)
        self.frame = frame
        self.schema = frame.collect_schema()


class PolarsExecutionEngine(ExecutionEngine[pl.Expr]):
    """An engine that computes metrics on lazy frames; `passes` counts how often the data was read.

    Example:
        >>> engine = PolarsExecutionEngine()
        >>> engine.load_batch_data("one", PolarsBatchData(engine, pl.LazyFrame({"a": [1]})))
        >>> dict(engine.batch({}).schema)
        {'a': Int64}
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.passes = 0
        self._values: dict[MetricConfigurationID, object] = {}
        self._failures: dict[MetricConfigurationID, str] = {}
        self._checked: set[MetricConfigurationID] = set()

    def get_batch_data_and_markers(self, batch_spec: Any) -> tuple[BatchData, BatchMarkers]:
        """Return the frame of a batch spec; the spec keeps only a name for it, because results are JSON."""
        frame = batch_spec.batch_data.lazy()
        batch_spec.batch_data = "PolarsLazyFrame"
        loaded = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return PolarsBatchData(self, frame), BatchMarkers({"ge_load_time": loaded})

    def batch(self, domain: Mapping[str, Any]) -> PolarsBatchData:
        """Return the batch that a metric is about: the one that is named, else the active one."""
        batch_id = domain.get("batch_id")
        manager = self.batch_manager
        batch = manager.batch_data_cache[batch_id] if batch_id else manager.active_batch_data
        if not isinstance(batch, PolarsBatchData):
            raise GreatExpectationsError("No Polars batch is loaded in this engine.")
        return batch

    def target(self, domain: Mapping[str, Any], values: Mapping[str, Any]) -> RuleTarget:
        """Return the columns, arguments and selected rows of a metric.

        Raises:
            NotComputable: a column is missing, or the row condition cannot be computed.
        """
        schema = self.batch(domain).schema
        condition = read_condition(domain.get("row_condition"), domain.get("condition_parser"))
        within = None if condition is None else expression_of_condition(condition, schema).fill_null(value=False)
        arguments = {**values, "ignore_row_if": domain.get("ignore_row_if")}
        return RuleTarget(argument_columns(domain), arguments, schema, within)

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> pl.LazyFrame:
        """Return the rows under the row condition."""
        within = self.target(domain_kwargs, {}).within
        frame = self.batch(domain_kwargs).frame
        return frame if within is None else frame.filter(within)

    def plan(self, metric: MetricConfiguration, metrics: Mapping[str, object]) -> MetricPlan:
        """Return how a metric will be computed; `metrics` are those it depends on, by name."""
        _, provider = get_metric_provider(metric.metric_name, self)
        plan: MetricPlan = provider(
            execution_engine=self,
            metric_domain_kwargs=metric.metric_domain_kwargs,
            metric_value_kwargs=metric.metric_value_kwargs,
            metrics=metrics,
        )
        return plan

    def check(self, metric: MetricConfiguration) -> None:
        """Try a metric on no rows.

        Raises:
            NotComputable: the data's types, or a malformed argument, make it impossible.
        """
        if metric.id in self._checked:
            return
        plan = self.plan(metric, {})
        self._checked.add(metric.id)
        if isinstance(plan, KnownMetric):
            return
        empty = pl.LazyFrame(schema=self.batch(metric.metric_domain_kwargs).schema)
        frame = empty.select(plan.expression) if isinstance(plan, AggregateMetric) else plan.frame
        try:
            frame.collect() if isinstance(plan, AggregateMetric) else frame.collect_schema()
        except pl.exceptions.PolarsError as error:
            raise NotComputable(one_line(error)) from error

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[MetricConfigurationID, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[MetricConfigurationID, Any]:
        """Compute all these metrics in one pass; if that pass fails, compute each of them alone.

        Raises:
            MetricResolutionError: some could not be computed; the others are kept for the next call.
        """
        by_id = {metric.id: metric for metric in metrics_to_resolve}
        plans = {
            key: self.plan(
                metric,
                self._get_computed_metric_evaluation_dependencies_by_metric_name(metric, metrics or {}),
            )
            for key, metric in by_id.items()
            if key not in self._values and key not in self._failures
        }
        self._run(plans, by_id)
        failed = [metric for key, metric in by_id.items() if key in self._failures]
        if failed:
            raise MetricResolutionError(self._failures[failed[0].id], failed)
        return {key: self._values[key] for key in by_id}

    def _run(
        self,
        plans: Mapping[MetricConfigurationID, MetricPlan],
        by_id: Mapping[MetricConfigurationID, MetricConfiguration],
    ) -> None:
        try:
            self._values.update(self._collect(plans, by_id))
        except pl.exceptions.PolarsError:
            for key, plan in plans.items():
                try:
                    self._values.update(self._collect({key: plan}, by_id))
                except pl.exceptions.PolarsError as error:
                    self._failures[key] = one_line(error)

    def _collect(
        self,
        plans: Mapping[MetricConfigurationID, MetricPlan],
        by_id: Mapping[MetricConfigurationID, MetricConfiguration],
    ) -> dict[MetricConfigurationID, object]:
        values = {key: plan.value for key, plan in plans.items() if isinstance(plan, KnownMetric)}
        computed = [(key, plan) for key, plan in plans.items() if isinstance(plan, AggregateMetric)]
        gathered = {plan.key: plan.frame for plan in plans.values() if isinstance(plan, FrameMetric)}
        frames: dict[Hashable, pl.LazyFrame] = dict(gathered)
        if computed:
            batch = self.batch(by_id[computed[0][0]].metric_domain_kwargs)
            frames[_ALL] = batch.frame.select(plan.expression.alias(str(i)) for i, (_, plan) in enumerate(computed))
        results = dict(zip(frames, self._read(list(frames.values())), strict=True))
        for (key, plan), value in zip(computed, results[_ALL].row(0) if computed else (), strict=True):
            values[key] = plan.finish(value)
        for key, gathering in plans.items():
            if isinstance(gathering, FrameMetric):
                values[key] = gathering.finish(results[gathering.key])
        return values

    def _read(self, frames: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        if not frames:
            return []
        self.passes += 1
        return pl.collect_all(frames, engine="streaming")

    def _clause(self, condition: Any) -> pl.Expr:
        return expression_of_condition(read_condition(condition) or {}, self.batch({}).schema)

    _comparison_condition_to_filter_clause = _clause
    _nullity_condition_to_filter_clause = _clause
    _and_condition_to_filter_clause = _clause
    _or_condition_to_filter_clause = _clause


_ALL = "all expressions"


def one_line(error: Exception) -> str:
    """Return the first line of an error, as a sentence."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0].rstrip(".") + "."

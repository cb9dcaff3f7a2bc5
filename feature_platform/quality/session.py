"""The entrance to Great Expectations: one suite judged on one lazy frame, with no context and no file.

Importing this module imports Great Expectations (5-9 s) with its telemetry off; nothing outside `quality`
imports it, and `quality.validation` does so only when it is asked to judge.
"""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.shortening import shorten
from feature_platform.quality.conditions import read_condition
from feature_platform.quality.row_rules import argument_columns, row_rule
from feature_platform.quality.target import MISFIT, Misfit, read_as, wrap_value

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
with warnings.catch_warnings():  # Great Expectations imports deprecated parts of the standard library
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationSuiteValidationResultSchema,
        ExpectationValidationResult,
    )
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.registry import get_expectation_impl
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from great_expectations.validator.metrics_calculator import MetricsCalculator
    from great_expectations.validator.validation_graph import ValidationGraph
    from great_expectations.validator.validation_statistics import calc_validation_statistics
    from great_expectations.validator.validator import ValidationDependencies

    from feature_platform.quality.engine import PolarsBatchData, PolarsExecutionEngine, one_line
    from feature_platform.quality.metrics import register_metrics
    from feature_platform.quality.type_names import teach_type_names

SAMPLED = 20
_RESULT_FORMAT = {"result_format": {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLED}}
_EXTREMES = ("expect_column_min_to_be_between", "expect_column_max_to_be_between")
_ORDERED = ("expect_column_values_to_be_between", *_EXTREMES)
_BOUNDS = ("min_value", "max_value")
_NOT_COMPUTABLE = (GreatExpectationsError, TypeError, ValueError, LookupError, ArithmeticError)


def judge(
    frame: pl.LazyFrame, expectations: Sequence[Expect], name: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the result of each expectation in order, and of the suite, as Great Expectations writes them in JSON.

    Raises:
        InvalidDeclaration: an expectation's arguments cannot be read; no data was read.
    """
    register_metrics()
    teach_type_names()
    gx_expectations = [expectation_of(expect) for expect in expectations]
    engine = PolarsExecutionEngine()
    engine.load_batch_data(name, PolarsBatchData(engine, frame))
    results = _Run(engine).results(gx_expectations, expectations)
    json_results = [_json_of(result) for result in results]
    return json_results, _suite_result(name, results) | {"results": json_results}


def suite_result(content: Mapping[str, Any]) -> ExpectationSuiteValidationResult:
    """Read the result of a suite from JSON into Great Expectations' own object, which can show every expectation.

    That object takes no text for a bound that is neither a number nor a time, only mappings: such a bound becomes a
    mapping.
    """
    loaded: ExpectationSuiteValidationResult = ExpectationSuiteValidationResultSchema().load(content)
    for config in (result.expectation_config for result in loaded.results):
        try:
            config.to_domain_obj()
        except ValidationError:
            bounds = {key: config.kwargs[key] for key in _BOUNDS if config.kwargs.get(key) is not None}
            config.kwargs.update({key: {"value": value} for key, value in bounds.items()})
    return loaded


def _json_of(result: ExpectationValidationResult) -> dict[str, Any]:
    result.result = _plain(result.result)
    config = result.expectation_config
    if config is not None:
        config.kwargs.update(_plain(config.kwargs))
    content: dict[str, Any] = result.to_json_dict()
    return content


def _plain(value: Any) -> Any:
    """Return the value with durations, times of day and bytes as text, which Great Expectations cannot write."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return float(value)  # numpy's is one too, and Great Expectations' renderer refuses it
    return str(value) if isinstance(value, (timedelta, time)) else value


def _suite_result(name: str, results: list[ExpectationValidationResult]) -> dict[str, Any]:
    statistics = calc_validation_statistics(results)
    suite: Any = ExpectationSuiteValidationResult(
        success=statistics.success,
        results=[],
        suite_name=name,
        statistics={key: value for key, value in statistics._asdict().items() if key != "success"},
        meta={"great_expectations_version": gx.__version__, "active_batch_definition": _definition(name)},
        batch_id=name,
    )
    content: dict[str, Any] = suite.to_json_dict()
    return content


@dataclass(frozen=True)
class _ExpectationPlan:
    """The metrics of one expectation: their graph, and the id of each metric by the name that the expectation uses."""

    graph: ValidationGraph
    needed: Mapping[str, Any]


class _Run:
    """One suite on one engine: the metrics of all expectations as one graph, then the result of each expectation."""

    def __init__(self, engine: PolarsExecutionEngine) -> None:
        self.engine = engine
        self.calculator = MetricsCalculator(execution_engine=engine, show_progress_bars=False)

    def results(
        self, expectations: Sequence[Expectation], declared: Sequence[Expect]
    ) -> list[ExpectationValidationResult]:
        plans = [self._plan(*pair) for pair in zip(expectations, declared, strict=True)]
        edges = [edge for plan in plans if isinstance(plan, _ExpectationPlan) for edge in plan.graph.edges]
        graph = ValidationGraph(execution_engine=self.engine, edges=edges)
        metrics, aborted = graph.resolve(runtime_configuration=_RESULT_FORMAT, show_progress_bars=False)
        failures = {key: str(info["exception_info"].exception_message) for key, info in aborted.items()}
        return [
            self._verdict(expectation, plan, metrics, failures)
            for expectation, plan in zip(expectations, plans, strict=True)
        ]

    def _plan(self, expectation: Expectation, expect: Expect) -> _ExpectationPlan | Exception:
        """Return the metrics of one expectation, or the error that makes it impossible with the data's schema."""
        try:
            needed = expectation.get_validation_dependencies(self.engine, dict(_RESULT_FORMAT))
            _restore_condition(expectation, needed)
            graph = self.calculator.build_metric_dependency_graph(
                needed.get_metric_configurations(), dict(_RESULT_FORMAT)
            )
            _restore_bounds(expectation, expect, self.engine.batch({}).schema)
        except _NOT_COMPUTABLE as error:
            _declare_bounds(expectation, expect)
            return error
        return _ExpectationPlan(graph, {name: metric.id for name, metric in needed.metric_configurations.items()})

    def _verdict(
        self,
        expectation: Expectation,
        plan: _ExpectationPlan | Exception,
        metrics: Mapping[Any, Any],
        failures: Mapping[Any, str],
    ) -> ExpectationValidationResult:
        if isinstance(plan, Exception):
            return _failure_of(expectation, one_line(plan), misfit=isinstance(plan, Misfit))
        reasons = [failures[edge.left.id] for edge in plan.graph.edges if edge.left.id in failures]
        if reasons:
            return _failure_of(expectation, reasons[0])
        values = {name: metrics[key] for name, key in plan.needed.items()}
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # a share of no rows is not a number, and no warning
                judged = expectation._validate(values, dict(_RESULT_FORMAT), self.engine)  # noqa: SLF001  # its public form re-reads the bounds
        except _NOT_COMPUTABLE as error:
            return _failure_of(expectation, one_line(error))
        return expectation._build_evr(judged)  # noqa: SLF001


def _restore_condition(expectation: Expectation, needed: ValidationDependencies) -> None:
    """Put the row condition back where Great Expectations loses it: for pairs that are compared with a set."""
    rule = row_rule(expectation.expectation_type)
    condition = expectation.configuration.kwargs.get("row_condition")
    if rule is None or condition is None:
        return
    for name, metric in list(needed.metric_configurations.items()):
        if metric.metric_name.startswith(f"{rule.metric}.") and "row_condition" not in metric.metric_domain_kwargs:
            domain = {**metric.metric_domain_kwargs, "row_condition": condition}
            restored = MetricConfiguration(metric.metric_name, domain, metric.metric_value_kwargs)
            needed.set_metric_configuration(name, restored)


def _declare_bounds(expectation: Expectation, expect: Expect) -> None:
    """Put the declared bounds back as they are, for the report of an expectation that is not computed."""
    for key in _BOUNDS:
        if expect.kwargs.get(key) is not None:
            expectation.__dict__[key] = expect.kwargs[key]


def _restore_bounds(expectation: Expectation, expect: Expect, schema: pl.Schema) -> None:
    """Put the declared bounds back; those of a minimum or maximum are read as the column's own type."""
    for key in _BOUNDS:
        value = expect.kwargs.get(key)
        if value is None:
            continue
        if expect.type in _EXTREMES:
            column = argument_columns(expect.kwargs)[0]
            value = read_as(value, column, schema[column])
        if expect.type in _ORDERED or (isinstance(value, (int, Decimal)) and not isinstance(value, bool)):
            expectation.__dict__[key] = value


def expectation_of(expect: Expect) -> Expectation:
    """Return Great Expectations' own object for a declaration, with its arguments read and checked.

    Raises:
        InvalidDeclaration: an argument is missing, unknown, or of the wrong type.
    """
    kwargs = dict(expect.kwargs)
    condition = read_condition(kwargs.pop("row_condition", None), kwargs.pop("condition_parser", None))
    if condition is not None:
        kwargs["row_condition"] = condition
    values = kwargs.get("value_set")
    if isinstance(values, (list, tuple)):
        kwargs["value_set"] = [wrap_value(value) if isinstance(value, timedelta) else value for value in values]
    for key in _BOUNDS:
        if kwargs.get(key) is not None and expect.type in _ORDERED:
            kwargs[key] = 0.0 if expect.type in _EXTREMES else wrap_value(kwargs[key])
    try:
        kind: Callable[..., Expectation] = get_expectation_impl(expect.type)
        return kind(severity=expect.severity, **kwargs)
    except (ValidationError, TypeError) as error:
        raise InvalidDeclaration(
            f"Expectation `{expect.check_name}`",
            f"has arguments that Great Expectations refuses: {_reasons(error)}",
            f"Give it what `{expect.type}` takes; it was given {shorten(repr(dict(expect.kwargs)), 500)}.",
        ) from error


def _reasons(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    messages: dict[str, str] = {}
    for detail in error.errors():
        messages.setdefault(".".join(str(part) for part in detail["loc"]), str(detail["msg"]))
    return "; ".join(text if where == "__root__" else f"`{where}`: {text}" for where, text in messages.items())


def _failure_of(expectation: Expectation, reason: str, *, misfit: bool = False) -> ExpectationValidationResult:
    """Return a result that could not be computed.

    It is a `misfit` when no data with columns of these types would help.
    """
    return ExpectationValidationResult(
        success=False,
        expectation_config=expectation.configuration,
        exception_info={"raised_exception": True, "exception_message": reason, "exception_traceback": None}
        | ({MISFIT: True} if misfit else {}),
    )


def _definition(name: str) -> dict[str, object]:
    return {
        "datasource_name": "polars",
        "data_connector_name": "fluent",
        "data_asset_name": name,
        "batch_identifiers": {},
    }

"""What the quality floor leans on inside Great Expectations; a failure here means that it changed.

`LEANT_ON` is the one list of what is not public, why it is used, and a digest of its source. When a new version
changes one, read the change, see that parity still holds, and write the new digest down.
"""

import ast
import hashlib
import inspect
import os
import re
import textwrap
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from feature_platform.declarations.expectation import Expect
from feature_platform.quality import session
from feature_platform.quality.engine import PolarsExecutionEngine

QUALITY = Path(session.__file__).parent
_EXPECTATION = "great_expectations.expectations.expectation:Expectation"
_METRIC = "great_expectations.expectations.metrics.metric_provider:MetricProvider"
_ENGINE = "great_expectations.execution_engine.execution_engine:ExecutionEngine"
_CORE = "great_expectations.expectations.core"
_KL = f"{_CORE}.expect_column_kl_divergence_to_be_less_than:ExpectColumnKLDivergenceToBeLessThan"
_PAGE = "great_expectations.render.renderer.page_renderer:ValidationResultsPageRenderer"

LEANT_ON = {
    # the verdict is asked for directly: its public form reads the bounds again, as floats
    f"{_EXPECTATION}._build_evr": "8140a7472245",
    f"{_CORE}.expect_column_values_to_be_of_type:ExpectColumnValuesToBeOfType._validate": "5ee1677a305b",
    f"{_CORE}.expect_column_type_to_be:ExpectColumnTypeToBe._validate": "fe197a459ae5",
    f"{_CORE}.expect_column_values_to_be_in_type_list:ExpectColumnValuesToBeInTypeList._validate": "5c766d01b26c",
    # overridden: what a metric needs, and the clauses of a row condition
    f"{_METRIC}._get_evaluation_dependencies": "2c8cd39ecf50",
    f"{_ENGINE}._comparison_condition_to_filter_clause": "de0fb58b37bf",
    f"{_ENGINE}._nullity_condition_to_filter_clause": "0fdc675b3bc8",
    f"{_ENGINE}._and_condition_to_filter_clause": "b21fe6f7d429",
    f"{_ENGINE}._or_condition_to_filter_clause": "de6b6a97cbcd",
    # called: dependencies by name, the graph and its resolution
    f"{_ENGINE}._get_computed_metric_evaluation_dependencies_by_metric_name": "a3d7488d9b46",
    "great_expectations.validator.metrics_calculator:MetricsCalculator.build_metric_dependency_graph": "4162558d00af",
    "great_expectations.validator.validation_graph:ValidationGraph.resolve": "6114c9fbe280",
    "great_expectations.validator.validation_statistics:calc_validation_statistics": "70c6c9763b21",
    # read: how the expectations put their metrics together, and which arguments reach a metric
    "great_expectations.expectations.expectation:ColumnMapExpectation.get_validation_dependencies": "65744563d306",
    "great_expectations.expectations.expectation:ColumnPairMapExpectation.get_validation_dependencies": "42a35619f307",
    "great_expectations.expectations.expectation:MulticolumnMapExpectation.get_validation_dependencies": "e16a6202ba44",
    f"{_KL}._validate": "d7a8aef2ac5a",
    "great_expectations.expectations.registry:get_metric_kwargs": "1c6cab93be71",
    "great_expectations.expectations.registry:register_metric": "5bca64f7feef",
    # Data Docs: the page, its first header, and the filter that prints bare text
    f"{_PAGE}.render": "f2291f6b9a1c",
    f"{_PAGE}._render_validation_header": "deb2f822046e",
    "great_expectations.render.view.view:DefaultJinjaView.render_content_block": "747d948b3c41",
    "great_expectations.render.view.view:DefaultJinjaView.render_string_template": "97143176daea",
}


def found(path: str) -> Any:
    module, _, names = path.partition(":")
    value: Any = import_module(module)
    for name in names.split("."):
        value = getattr(value, name)
    return value


def digest(path: str) -> str:
    source = textwrap.dedent(inspect.getsource(original(found(path))))
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def original(value: Callable[..., object]) -> Callable[..., object]:
    """The function under our own wrapper, when there is one."""
    return inspect.unwrap(value)


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("great-expectations") == "1.24.1"


def test_what_is_leant_on_is_as_it_was_read() -> None:
    changed = {path: digest(path) for path in LEANT_ON if digest(path) != LEANT_ON[path]}
    assert changed == {}


def test_nothing_else_that_is_private_is_used() -> None:
    listed = {path.rpartition(".")[2] for path in LEANT_ON} | {"_registered_metrics", "_validate"}
    for module in QUALITY.glob("*.py"):
        text = module.read_text()
        called = {
            name for line in text.splitlines() if "SLF001" in line for name in re.findall(r"\w+\.(_[a-z]\w+)", line)
        }
        imported = {
            each.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("great_expectations")
            for each in node.names
            if each.name.startswith("_")
        }
        assert called | imported <= listed, module.name


def test_metrics_are_registered_by_name_with_the_keys_that_reach_them() -> None:
    from great_expectations.expectations.registry import _registered_metrics

    between = _registered_metrics["column_values.between.unexpected_count"]
    assert set(between) == {"metric_domain_keys", "metric_value_keys", "default_kwarg_values", "providers"}
    assert "row_condition" in between["metric_domain_keys"]


def test_the_pairs_of_a_set_still_lose_their_row_condition() -> None:
    """Why `session` puts it back; when this fails, that can go, and parity can test it."""
    from great_expectations.expectations.registry import get_expectation_impl

    kind = "expect_column_pair_values_to_be_in_set"
    rule = Expect(kind, column_A="x", column_B="y", value_pairs_set=[[1, 1]], row_condition='col("x") > 5')
    expectation = session.expectation_of(rule)
    needed = expectation.get_validation_dependencies(PolarsExecutionEngine(), {"result_format": "BASIC"})
    metric = needed.metric_configurations["column_pair_values.in_set.unexpected_count"]
    assert "row_condition" not in metric.metric_domain_kwargs
    assert get_expectation_impl(kind) is type(expectation)


def test_progress_bars_and_telemetry_are_off() -> None:
    assert os.environ["GX_ANALYTICS_ENABLED"].lower() in ("false", "0")


def test_a_divergence_without_a_partition_still_computes_inside_its_dependencies() -> None:
    """Why it is refused when declared: it would read the data once more, with a progress bar."""
    source = inspect.getsource(found(f"{_KL}.get_validation_dependencies"))
    assert "compute_metrics" in source
    assert "show_progress_bars=True" in source

"""The three type expectations of Great Expectations, taught to read Polars types.

They look at the built-in engines instead of a metric, so each gets one more branch for the Polars engine; for every
other engine the original code runs. A type is named as Polars prints it, `Datetime(time_unit='us', time_zone='UTC')`,
or by its family, `Datetime`.
"""

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

import polars as pl
from great_expectations.expectations.core.expect_column_type_to_be import ExpectColumnTypeToBe
from great_expectations.expectations.core.expect_column_values_to_be_in_type_list import (
    ExpectColumnValuesToBeInTypeList,
)
from great_expectations.expectations.core.expect_column_values_to_be_of_type import (
    ExpectColumnValuesToBeOfType,
)

from feature_platform.quality.engine import PolarsExecutionEngine
from feature_platform.quality.target import RuleTarget


@cache
def teach_type_names() -> None:
    """Add the Polars branch to the three expectations; once per process."""
    _teach(ExpectColumnValuesToBeOfType, "type_")
    _teach(ExpectColumnTypeToBe, "type_")
    _teach(ExpectColumnValuesToBeInTypeList, "type_list")


def _teach(expectation: Any, key: str) -> None:
    original: Callable[..., Any] = expectation._validate  # noqa: SLF001  # the one method that branches on the engine

    @wraps(original)
    def validate(
        self: Any, metrics: Mapping[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> Any:
        if not isinstance(execution_engine, PolarsExecutionEngine):
            return original(self, metrics, runtime_configuration, execution_engine)
        schema = {column["name"]: column["type"] for column in metrics["table.column_types"]}
        target = RuleTarget((self.column,), {}, pl.Schema(schema))
        return judge_column_type(target.schema[target.name], getattr(self, key))

    expectation._validate = validate  # noqa: SLF001


def judge_column_type(dtype: pl.DataType, expected: object) -> dict[str, object]:
    """Judge whether a column type is the wanted one, or one of those wanted; without a wanted type it passes.

    >>> judge_column_type(pl.Datetime("us", "UTC"), "Datetime")["success"]
    True
    """
    names = {str(dtype), repr(dtype), dtype.base_type().__name__}
    accepted = expected if isinstance(expected, (list, tuple, set)) else [expected]
    return {
        "success": expected is None or bool(names & set(accepted)),
        "result": {"observed_value": str(dtype)},
    }

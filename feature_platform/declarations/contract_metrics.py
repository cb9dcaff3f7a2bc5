"""The metrics of a data contract as expectations: nulls, duplicates, invalid values, and how many rows there are.

A limit in percent of rows is the share that must be well (`mostly`). A limit as a number of rows has no expectation,
unless it is zero.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from feature_platform.contracts.node import ContractNode

_LIMITS = (
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo"),
    *("mustBeBetween", "mustNotBeBetween"),
)
_ARGUMENTS = {"duplicateValues": {"properties"}, "invalidValues": {"validValues", "pattern"}}
Rule = tuple[str, dict[str, Any]]  # the type of an expectation, and its arguments


def rules_of_metric(check: ContractNode, column: str | None, names: Mapping[str, str]) -> list[Rule]:
    """Return the expectations of a check with a metric; none when no expectation says the same.

    Args:
        column: that the check stands at; None at the table.
        names: the columns in the data by their names in the contract.
    """
    metric, limit = check.text("metric") or check.text("rule"), next((key for key in _LIMITS if key in check), None)
    arguments = check.take("arguments") or {}
    if limit is None or set(arguments) - _ARGUMENTS.get(str(metric), set()):
        return []
    value, unit = check.take(limit), check.text("unit")
    if metric == "rowCount":
        return _count_rules(limit, value) if column is None and not arguments and unit in (None, "rows") else []
    share = share_that_must_be_well(limit, value, unit)
    if share is None:
        return []
    mostly = {} if share == 1 else {"mostly": share}
    subjects = _metric_subjects(str(metric), column, arguments, names)
    return [(kind, {**kwargs, **mostly}) for kind, kwargs in subjects] if len(subjects) < 2 or not mostly else []


def share_that_must_be_well(limit: str, value: object, unit: str | None) -> float | None:
    """Return the share of rows that a limit of bad ones leaves; None where no share says it.

    >>> share_that_must_be_well("mustBeLessOrEqualTo", 7, "percent"), share_that_must_be_well("mustBe", 0, "rows")
    (0.93, 1.0)
    >>> share_that_must_be_well("mustBeLessThan", 1, "percent") > 0.99  # so that 1 % bad rows are too many
    True
    """
    if limit == "mustBeBetween" and isinstance(value, list) and value[0] == 0:
        limit, value = "mustBeLessOrEqualTo", value[1]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if limit in ("mustBe", "mustBeLessOrEqualTo") and value == 0:
        return 1.0
    below = limit == "mustBeLessThan"
    if unit in ("percent", "%"):
        if not 0 < value < 100 or limit not in ("mustBeLessThan", "mustBeLessOrEqualTo"):
            return None
        share = float(1 - Decimal(str(value)) / 100)
        return min(math.nextafter(share, 2), 1.0) if below else share
    return 1.0 if below and unit in (None, "rows") and 0 < value <= 1 else None


def is_regex(pattern: str) -> bool:
    """Tell whether Polars reads a regular expression; without look-around and back-references it does."""
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True


def _metric_subjects(
    metric: str, column: str | None, arguments: Mapping[str, Any], names: Mapping[str, str]
) -> list[Rule]:
    listed = arguments.get("properties")
    columns = [names.get(str(each), str(each)) for each in listed] if isinstance(listed, list) else []
    if len(columns) > 1:
        return [("expect_compound_columns_to_be_unique", {"column_list": columns})]
    column = columns[0] if columns else column
    if column is None:
        return []
    match metric:
        case "nullValues":
            return [("expect_column_values_to_not_be_null", {"column": column})]
        case "duplicateValues":
            return [("expect_column_values_to_be_unique", {"column": column})]
        case "invalidValues":
            return _validity_rules(column, arguments.get("validValues"), arguments.get("pattern"))
    return []


def _validity_rules(column: str, values: object, pattern: object) -> list[Rule]:
    rules: list[Rule] = []
    if isinstance(values, list) and values:
        rules.append(("expect_column_values_to_be_in_set", {"column": column, "value_set": values}))
    if isinstance(pattern, str) and is_regex(pattern):
        rules.append(("expect_column_values_to_match_regex", {"column": column, "regex": pattern}))
    return rules if len(rules) == sum(each is not None for each in (values, pattern)) else []


def _count_rules(limit: str, value: object) -> list[Rule]:
    """Return the expectation of a number of rows; the bounds of the standard may be no whole numbers, ours are."""
    pair: list[Any] = value if isinstance(value, list) else [value]
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) or not math.isfinite(each) for each in pair):
        return []
    first, last = pair[0], pair[-1]
    if limit == "mustBe":
        return [("expect_table_row_count_to_equal", {"value": int(first)})] if first == int(first) else []
    bounds = {
        "mustBeGreaterThan": {"min_value": math.floor(first) + 1},
        "mustBeGreaterOrEqualTo": {"min_value": math.ceil(first)},
        "mustBeLessThan": {"max_value": math.ceil(last) - 1},
        "mustBeLessOrEqualTo": {"max_value": math.floor(last)},
        "mustBeBetween": {"min_value": math.ceil(first), "max_value": math.floor(last)},
    }
    return [("expect_table_row_count_to_be_between", bounds[limit])] if limit in bounds else []

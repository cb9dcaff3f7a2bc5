"""No expectation fails to be judged because a column holds lists: it has an outcome, or says why it cannot have one."""

from typing import Any

import polars as pl
import pytest

from feature_platform.quality import validate
from feature_platform_tests.quality.test_expectations import CASES

LISTS: list[tuple[list[Any], Any]] = [
    ([[1, 2], None, [1, None]], pl.List(pl.Int64)),
    ([["a"], None, ["b", "a"]], pl.List(pl.String)),
    ([[{"value": "a", "count": 2}], None, []], pl.List(pl.Struct({"value": pl.String, "count": pl.Int64}))),
    ([[float("nan")], None, [0.5]], pl.List(pl.Float64)),
]


@pytest.mark.parametrize(("values", "dtype"), LISTS, ids=lambda each: str(each)[:20])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_expectation_has_an_outcome_over_lists(case: Any, values: list[Any], dtype: Any) -> None:
    rows = pl.LazyFrame({name: pl.Series(values, dtype=dtype) for name in case.good})
    (outcome,) = validate(rows, [case.expect], name="lists").outcomes
    assert outcome.error is None or not outcome.success
    assert outcome.summary

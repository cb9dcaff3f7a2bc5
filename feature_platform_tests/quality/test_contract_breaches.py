"""What a source breaks of a contract: each kind of breach is one sentence, and what is stricter is none."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.contracts.columns import find_type_fault
from feature_platform.declarations.contract import read_contract
from feature_platform.quality.contract_breaches import find_breaches
from feature_platform.quality.contracts import contract_of

AT = pl.Datetime("us", "UTC")
SCHEMA = pl.Schema({"at": AT, "a": pl.Int64(), "tags": pl.List(pl.Struct({"x": pl.Int64}))})
BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
NOT_NULL = "expect_column_values_to_not_be_null"


def source(*rules: fp.Expect, **words: Any) -> fp.Source:
    return fp.Source("orders", fp.sources.Frame(pl.DataFrame()), expectations=rules, **{"event_time": "at", **words})


def breaches(folder: Path, promised: fp.Source, found: fp.Source, schema: pl.Schema | None = SCHEMA) -> list[str]:
    file = folder / "orders.yaml"
    file.write_text(contract_of(promised, SCHEMA))
    return find_breaches(read_contract(file), found, schema)


def test_a_column_that_is_missing_or_of_another_type_is_a_breach(tmp_path: Path) -> None:
    other = pl.Schema({"at": pl.Datetime("us"), "tags": pl.List(pl.Struct({"x": pl.Date})), "more": pl.Int8()})

    assert breaches(tmp_path, source(), source(), other) == [
        "column `at` is Datetime(time_unit='us', time_zone=None), not Datetime(time_unit='us', time_zone='UTC')",
        "column `a` is missing",
        "column `tags` is List(Struct({'x': Date})), not List(Struct({'x': Int64}))",
    ]
    assert breaches(tmp_path, source(), source(), None) == []


@pytest.mark.parametrize(
    ("column", "dtype", "fault"),
    [
        ({"logicalType": "number", "physicalType": "NUMERIC"}, pl.Int64(), None),
        ({"logicalType": "integer"}, pl.Float64(), "is Float64, not integer"),
        ({"physicalType": "JSON"}, pl.String(), None),
        ({"logicalType": "map"}, pl.List(pl.Struct({"key": pl.String, "value": pl.Int64})), None),
        ({"logicalType": "string"}, pl.Date(), "is Date, not string"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}}, AT, None),
        (
            {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
            AT,
            "is Datetime(time_unit='us', time_zone='UTC'), not without a time zone",
        ),
        (
            {"logicalType": "array", "items": {"logicalType": "string"}},
            pl.List(pl.Int64),
            "has items of which each is Int64, not string",
        ),
        (
            {"logicalType": "object", "properties": [{"name": "x", "logicalType": "string"}]},
            pl.Struct({"x": pl.Int64}),
            "has a field `x` that is Int64, not string",
        ),
        (
            {"logicalType": "object", "properties": [{"name": "y"}]},
            pl.Struct({"x": pl.Int64}),
            "has a field `y` that is missing",
        ),
    ],
)
def test_a_foreign_type_is_compared_by_its_family(
    column: dict[str, Any], dtype: pl.DataType, fault: str | None
) -> None:
    assert find_type_fault(column, dtype, exact=False) == fault


def test_clocks_and_freshness_are_part_of_the_promise(tmp_path: Path) -> None:
    promised = source(known_at="at", freshness="1d")

    assert breaches(tmp_path, promised, source(event_time="a")) == [
        "event_time is `a`, not `at`",
        "known_at is not declared, not `at`",
        "freshness is not declared; the contract promises 1d",
    ]
    assert breaches(tmp_path, promised, source(known_at="at", freshness="2d")) == [
        "freshness is 2d; the contract promises 1d"
    ]
    assert breaches(tmp_path, promised, source(known_at="at", freshness="24h")) == []


@pytest.mark.parametrize(
    ("promised", "found", "weakness"),
    [
        ((NOT_NULL, {}), (NOT_NULL, {"mostly": 0.9}), "mostly is 0.9, not 1"),
        ((NOT_NULL, {}), (NOT_NULL, {"mostly": 0}), "mostly is 0, not 1"),
        ((NOT_NULL, {"mostly": 0.9}), (NOT_NULL, {}), None),
        ((NOT_NULL, {}), (NOT_NULL, {"severity": "warning"}), "its severity is warning, not critical"),
        ((NOT_NULL, {"severity": "info"}), (NOT_NULL, {}), None),
        ((BETWEEN, {"min_value": 0}), (BETWEEN, {"min_value": -1}), "min_value is -1, not 0"),
        ((BETWEEN, {"min_value": 0}), (BETWEEN, {"min_value": 1, "max_value": 2}), None),
        ((BETWEEN, {"max_value": 0}), (BETWEEN, {"min_value": 1}), "max_value is None, not 0"),
        ((BETWEEN, {"max_value": "2024-01-02"}), (BETWEEN, {"max_value": "2024-01-01"}), None),
        ((BETWEEN, {"max_value": "2024-01-02"}), (BETWEEN, {"max_value": 3}), "max_value is 3, not 2024-01-02"),
        (
            (BETWEEN, {"min_value": 0, "strict_min": True}),
            (BETWEEN, {"min_value": 0}),
            "min_value is 0, not 0",
        ),
        ((BETWEEN, {"min_value": 0, "strict_min": True}), (BETWEEN, {"min_value": 1}), None),
        ((IN_SET, {"value_set": [1, 2]}), (IN_SET, {"value_set": [2]}), None),
        ((IN_SET, {"value_set": [1]}), (IN_SET, {"value_set": [1, 2]}), "value_set is [1, 2], not [1]"),
    ],
)
def test_an_expectation_that_asks_for_less_is_weaker(
    promised: tuple[str, dict[str, Any]], found: tuple[str, dict[str, Any]], weakness: str | None, tmp_path: Path
) -> None:
    ask, own = (fp.Expect(kind, column="a", **words) for kind, words in (promised, found))
    expected = [] if weakness is None else [f"expectation {ask.type} on a is weaker: {weakness}"]

    assert breaches(tmp_path, source(ask), source(own)) == expected


def test_an_expectation_about_other_rows_is_none(tmp_path: Path) -> None:
    ask, own = fp.Expect(NOT_NULL, column="a"), fp.Expect(NOT_NULL, column="a", row_condition='col("a") > 1')

    assert breaches(tmp_path, source(ask), source(own)) == [f"expectation {NOT_NULL} on a is missing"]


def test_of_several_expectations_the_one_that_asks_most_counts(tmp_path: Path) -> None:
    ask = fp.Expect(NOT_NULL, column="a")
    own = [fp.Expect(NOT_NULL, column="a", mostly=0.5), fp.Expect(NOT_NULL, column="a")]

    assert breaches(tmp_path, source(ask), source(*own)) == []

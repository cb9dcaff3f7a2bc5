"""Suites written in JSON: read back they judge the same, and Great Expectations' own loader reads them."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.quality import known_expectations, validate
from feature_platform.quality.session import gx  # type: ignore[attr-defined]
from feature_platform_tests.quality.test_expectations import CASES

BOUNDS = ("min_value", "max_value")
OURS = {"a", "b", "c", "08:30:00"}  # Great Expectations takes no text for a bound, save a date
PORTABLE = [case for case in CASES if not any(isinstance(value, timedelta) for value in case.expect.kwargs.values())]


def test_a_suite_read_back_judges_as_before() -> None:
    suite = [Expect("expect_column_to_exist", severity="info", column="a"), *(case.expect for case in PORTABLE)]
    found = fp.expectations_from_suite(fp.suite_of(suite, "all"))
    assert {each.type for each in found} == set(known_expectations())
    assert [each.severity for each in found] == [each.severity for each in suite]
    assert fp.suite_of(found, "all") == fp.suite_of(suite, "all")
    for case, read in zip(PORTABLE, found[1:], strict=True):
        for values in (case.good, case.bad):
            frame = pl.LazyFrame(values, strict=False)
            before, after = (validate(frame, [each], name="t").outcomes[0] for each in (case.expect, read))
            assert (before.success, before.unexpected_count, before.sample) == (
                after.success,
                after.unexpected_count,
                after.sample,
            )


def test_great_expectations_own_loader_reads_a_suite_and_gives_it_back() -> None:
    from great_expectations.core.expectation_suite import expectationSuiteSchema

    suite = [case.expect for case in PORTABLE if not OURS & {case.expect.kwargs.get(key) for key in BOUNDS}]
    text = fp.suite_of(suite, "all")
    loaded = gx.ExpectationSuite(**expectationSuiteSchema.loads(text))
    assert [each.expectation_type for each in loaded.expectations] == [each.type for each in suite]
    given_back = fp.expectations_from_suite(json.dumps(loaded.to_json_dict()))
    assert [(each.type, each.severity, each.subject) for each in given_back] == [
        (each.type, each.severity, each.subject) for each in suite
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2026, 1, 1), "2026-01-01"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (Decimal("1.10"), "1.10"),
        (2**70, 2**70),
        ("ç", "ç"),
    ],
)
def test_values_are_written_as_they_are_read(value: object, written: object) -> None:
    rule = Expect("expect_column_values_to_be_between", column="a", min_value=value)
    assert json.loads(fp.suite_of([rule], "t"))["expectations"][0]["kwargs"]["min_value"] == written


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        (
            'col("x") > 5',
            {"type": "comparison", "column": {"name": "x"}, "operator": ">", "parameter": 5},
        ),
        ("x > 5 AND s = 'a'", {"type": "pass_through", "pass_through_filter": "x > 5 AND s = 'a'"}),
    ],
)
def test_a_row_condition_is_written_as_great_expectations_writes_it(condition: str, written: object) -> None:
    rule = Expect("expect_column_to_exist", column="a", row_condition=condition)
    assert json.loads(fp.suite_of([rule], "t"))["expectations"][0]["kwargs"]["row_condition"] == written


def test_what_has_no_json_is_named() -> None:
    rule = Expect("expect_column_values_to_be_between", column="a", max_value=b"x")
    with pytest.raises(InvalidDeclaration, match="cannot be written in JSON: `max_value` holds"):
        fp.suite_of([rule], "t")

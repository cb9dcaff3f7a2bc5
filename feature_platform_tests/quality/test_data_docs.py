"""The page of a validation: whole, self-contained, and safe to open whatever the data says."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.quality import data_docs_page, validate
from feature_platform_tests.quality.test_expectations import CASES

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
RULE = Expect("expect_column_values_to_be_in_set", column="city", value_set=["Oslo"])


def page(folder: Path, values: dict[str, object], *suite: Expect, run: str = "run-1") -> str:
    validation = validate(pl.LazyFrame(values), suite, name="views/rides")
    return data_docs_page(validation, folder, run=run, at=AT).read_text(encoding="utf-8")


def test_a_page_says_what_was_expected_and_found(tmp_path: Path) -> None:
    found = page(tmp_path, {"city": ["Oslo", "Rome"]}, RULE)
    for words in ("views/rides", "run-1", "2026-01-31T12:00:00Z", "Failed", "Rome", "1 unexpected values found"):
        assert words in found
    assert [each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*.html")] == ["views/rides/run-1.html"]
    assert "Succeeded" in page(tmp_path, {"city": ["Oslo"]}, RULE)  # a page is replaced
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1


def test_a_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    found = page(tmp_path, {"city": ["Oslo", "Rome"]}, RULE)
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://", found)
    assert "default-src 'none'" in found


def test_markup_in_the_data_is_shown_not_run(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    frame: dict[str, object] = {"city": [evil, evil, "Oslo"], "other": [evil, "a", evil], evil: [1, 2, 3]}
    suite = [
        RULE,
        Expect("expect_column_values_to_be_unique", column="city"),
        Expect("expect_column_pair_values_to_be_equal", column_A="city", column_B="other"),
        Expect("expect_column_most_common_value_to_be_in_set", column="city", value_set=["Oslo"]),
        Expect("expect_column_distinct_values_to_be_in_set", column="city", value_set=["Oslo"]),
        Expect("expect_column_max_to_be_between", column="city", max_value="A"),
        Expect("expect_table_columns_to_match_set", column_set=["a"]),
        Expect("expect_column_mean_to_be_between", column=evil, max_value=1),
        Expect("expect_column_mean_to_be_between", column=f"{evil}2", max_value=1),
        Expect("expect_column_values_to_be_in_set", column="city", value_set=[f"{evil}3"]),
    ]
    found = page(tmp_path, frame, *suite)
    assert "<img" not in found
    assert "&lt;img" in found


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_expectation_can_be_shown_good_bad_and_impossible(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for number, case in enumerate(CASES):
        for values in (case.good, case.bad, {"nothing": [1]}):
            validation = validate(pl.LazyFrame(values, strict=False), [case.expect], name="t")
            text = data_docs_page(validation, tmp_path, run=f"run-{number}", at=AT).read_text(encoding="utf-8")
            assert ("Succeeded" in text) == validation.success
    assert [record.getMessage()[:400] for record in caplog.records] == []


def test_a_validation_that_expected_nothing_has_a_page(tmp_path: Path) -> None:
    assert "Succeeded" in page(tmp_path, {"a": [1]})


@pytest.mark.parametrize("run", ["../x", "a b", "", "/abs", ".."])
def test_a_run_that_makes_no_file_name_is_refused(tmp_path: Path, run: str) -> None:
    with pytest.raises(InvalidDeclaration, match="does not make a file name"):
        page(tmp_path, {"city": ["Oslo"]}, RULE, run=run)
    assert list(tmp_path.iterdir()) == []

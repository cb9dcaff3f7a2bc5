"""Whatever data and declarations hold, no page of ours makes an element of it: Data Docs, drift report, Markdown."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.expectation import Expect
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.quality import validate
from feature_platform.quality.data_docs import render_page
from feature_platform_tests.browser import loaded_page
from feature_platform_tests.quality.test_expectations import CASES

EVIL = """<img src=x onerror="document.title='ran'" data-evil=1>'"><b data-evil='2'>$column<!--"""
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROWS = {
    "city": [EVIL, EVIL, "Oslo"],
    "other": [EVIL, "a", EVIL],
    "pair": [{"x": EVIL}, {"x": EVIL}, {"x": "a"}],
    "many": [[EVIL], [EVIL], ["b"]],
    EVIL: [1.0, 2.0, 3.0],
    "n": [1, 2, 3],
}
SUITE = [
    Expect("expect_column_values_to_be_in_set", column="city", value_set=["Oslo", EVIL + "1"]),
    Expect("expect_column_values_to_be_unique", column="city"),
    Expect("expect_column_values_to_be_unique", column="pair"),
    Expect("expect_column_values_to_be_unique", column="many"),
    Expect("expect_compound_columns_to_be_unique", column_list=["city", "pair"]),
    Expect("expect_compound_columns_to_be_unique", column_list=["city", "many"]),
    Expect("expect_multicolumn_values_to_be_equal", column_list=["city", "other"]),
    Expect("expect_select_column_values_to_be_unique_within_record", column_list=["city", "other"]),
    Expect("expect_multicolumn_sum_to_equal", column_list=[EVIL, "n"], sum_total=1),
    Expect("expect_column_pair_values_to_be_equal", column_A="city", column_B="other"),
    Expect("expect_column_pair_values_to_be_in_set", column_A="city", column_B="other", value_pairs_set=[[EVIL, "b"]]),
    Expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="n", column_B=EVIL),
    Expect("expect_column_most_common_value_to_be_in_set", column="city", value_set=["Oslo"]),
    Expect("expect_column_distinct_values_to_be_in_set", column="city", value_set=["Oslo"]),
    Expect("expect_column_distinct_values_to_contain_set", column="city", value_set=[EVIL + "4"]),
    Expect("expect_column_distinct_values_to_equal_set", column="city", value_set=[EVIL + "5"]),
    Expect("expect_column_values_to_be_between", column="city", min_value=EVIL + "x", max_value=EVIL + "y"),
    Expect("expect_column_max_to_be_between", column="city", min_value=EVIL, max_value="A"),
    Expect("expect_column_min_to_be_between", column="city", min_value="z" + EVIL),
    Expect("expect_column_mean_to_be_between", column=EVIL, max_value=1),
    Expect("expect_column_mean_to_be_between", column=f"{EVIL}2", max_value=1),
    Expect("expect_column_to_exist", column=f"{EVIL}3"),
    Expect("expect_column_values_to_match_regex", column="city", regex=f"^{re.escape(EVIL)}$x"),
    Expect("expect_column_values_to_match_regex_list", column="city", regex_list=["<b data-evil=3>", "<i>"]),
    Expect("expect_column_values_to_match_like_pattern", column="city", like_pattern="<b data-evil=4>%"),
    Expect("expect_column_values_to_match_strftime_format", column="city", strftime_format="<b data-evil=5>%Y"),
    Expect("expect_column_values_to_match_json_schema", column="city", json_schema={"title": EVIL, "type": "object"}),
    Expect("expect_column_values_to_be_of_type", column="city", type_="<b data-evil=6>"),
    Expect("expect_column_values_to_be_in_type_list", column="city", type_list=["<b data-evil=7>"]),
    Expect("expect_table_columns_to_match_set", column_set=["a", EVIL]),
    Expect("expect_table_columns_to_match_ordered_list", column_list=["a", EVIL]),
    Expect(
        "expect_column_kl_divergence_to_be_less_than",
        column="city",
        threshold=0.1,
        partition_object={"values": [EVIL, "a"], "weights": [0.5, 0.5]},
    ),
    Expect("unexpected_rows_expectation", unexpected_rows_query=f"SELECT * FROM {{batch}} -- {EVIL}", description=EVIL),
    Expect(
        "expect_column_values_to_not_be_null",
        column="n",
        row_condition=f"city = '{EVIL.replace(chr(39), chr(39) * 2)}'",
    ),
    Expect("expect_column_values_to_be_null", column="n", row_condition='col("n") > 1', notes=EVIL),
]


class Elements(HTMLParser):
    """The elements of a page that our pages do not have, and those of the payload."""

    def __init__(self) -> None:
        super().__init__()
        self.strange: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if "data-evil" in names or tag in ("img", "script") or any(name.startswith("on") for name in names):
            self.strange.append(tag)


def strange_elements(page: str) -> list[str]:
    parser = Elements()
    parser.feed(page)
    parser.close()
    return parser.strange


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Pages about hostile data, without the policy that forbids scripts."""
    frame = pl.DataFrame(ROWS)
    rows = pl.DataFrame({EVIL: [EVIL, "a", "b", EVIL, "c"] * 20, "n": range(100)})
    shown = {
        "data docs": render_page(validate(frame.lazy(), SUITE, name="views/rides"), run="run-1", at=AT),
        "drift": str(fp.drift_report(rows, rows.with_columns(pl.lit(EVIL + "z").alias(EVIL)))),
    }
    return {name: re.sub(r"<meta http-equiv=[^>]*>", "", page) for name, page in shown.items()}


@pytest.mark.parametrize("name", ["data docs", "drift"])
def test_nothing_of_data_or_declarations_becomes_an_element_of_a_page(pages: dict[str, str], name: str) -> None:
    assert strange_elements(pages[name]) == []
    assert "data-evil=" in pages[name]  # it is shown


@pytest.mark.parametrize(
    "case", [each for each in CASES if "column" in each.expect.kwargs], ids=lambda each: each.expect.type
)
def test_every_expectation_shows_a_hostile_column_as_text(case: Any) -> None:
    expect: Expect = case.expect
    renamed = {EVIL if name == expect.kwargs["column"] else name: values for name, values in case.bad.items()}
    words: dict[str, Any] = {**expect.kwargs, "column": EVIL}
    rule = Expect(expect.type, severity=expect.severity, **words)
    page = render_page(validate(pl.LazyFrame(renamed, strict=False), [rule], name="t"), run="r", at=AT)
    assert strange_elements(page) == []


def test_in_a_real_browser_no_page_runs_or_makes_anything_of_what_data_holds(
    pages: dict[str, str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("\n".join(pages.values()), encoding="utf-8")
    document = loaded_page(page)
    assert "Data Docs" in document
    assert re.findall(r"<(?:img|script|b)\b[^>]*data-evil[^>]*>", document) == []
    assert "<title>ran</title>" not in document


def test_dagster_shows_rows_as_text_and_not_as_markdown() -> None:
    evil = "![x](http://example.com/x.png) <img src=x onerror=y> | `a` [b](javascript:c)"
    shown = markdown_table(pl.DataFrame({"a|b": [evil], "n": [None]}))
    assert shown.splitlines()[0] == "|a\\|b|n|"
    assert not re.search(r"(?<!\\)[<\[`]", shown.splitlines()[2])
    assert shown.splitlines()[2].count("|") - shown.splitlines()[2].count("\\|") == 3

"""Each supported expectation on a frame that is well and one that is not: success, count and sample."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from feature_platform.declarations.expectation import Expect
from feature_platform.quality import known_expectations, validate


@dataclass(frozen=True)
class Case:
    """One expectation, values that meet it, values that do not, and what it then says."""

    expect: Expect
    good: dict[str, object]
    bad: dict[str, object]
    count: int | None = None
    sample: tuple[object, ...] = ()
    observed: object = None

    def __str__(self) -> str:
        return self.expect.type.removeprefix("expect_")


def case(
    kind: str,
    good: object,
    bad: object,
    count: int | None = None,
    sample: tuple[object, ...] = (),
    observed: object = None,
    **kwargs: Any,
) -> Case:
    def columns(values: object) -> dict[str, object]:
        return values if isinstance(values, dict) else {"a": values}

    about_table = kind.startswith(("expect_table", "unexpected_rows"))
    about_columns = not {"column", "column_A", "column_list"} & set(kwargs) and not about_table
    if about_columns:
        kwargs = {"column": "a", **kwargs}
    return Case(Expect(kind, **kwargs), columns(good), columns(bad), count, sample, observed)


MONTH = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)]
LATE = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
PAIR_SET = "expect_column_pair_values_to_be_in_set"
LIKE = "expect_column_values_to_match_like_pattern"
LIKE_LIST = "expect_column_values_to_match_like_pattern_list"
Z_SCORE = "expect_column_value_z_scores_to_be_less_than"
OUTLIERS = "expect_column_values_to_not_be_outliers"
PAIR: dict[str, Any] = {"column_A": "a", "column_B": "b"}

CASES = [
    case("expect_column_values_to_not_be_null", [1, 2], [1, None, None], 2, (None, None)),
    case("expect_column_values_to_be_null", [None, None], [None, 3], 1, (3,)),
    case(BETWEEN, [1, 2, None], [0, 1, 3, None], 2, (0, 3), min_value=1, max_value=2),
    case(BETWEEN, [1.5], [1.0, 2.0], 2, (1.0, 2.0), min_value=1, max_value=2, strict_min=True, strict_max=True),
    case(BETWEEN, [0.0], [float("nan"), 1.0], 1, (None,), min_value=0),
    case(BETWEEN, [2**63 - 1], [2**63 - 2], 1, (2**63 - 2,), min_value=2**63 - 1),
    case(BETWEEN, [5], [5, 6], 1, (6,), max_value=5.5),
    case(BETWEEN, ["b"], ["a", "ç"], 2, ("a", "ç"), min_value="b", max_value="c"),
    case(BETWEEN, [True], [False, True], 1, (False,), min_value=True),
    case(BETWEEN, [Decimal("1.10")], [Decimal("1.11")], 1, (1.11,), max_value=Decimal("1.10")),
    case(BETWEEN, [Decimal("1.10")], [Decimal("1.11")], 1, (1.11,), max_value="1.105"),
    case(BETWEEN, [date(2026, 1, 2)], [date(2025, 1, 2)], 1, ("2025-01-02",), min_value="2026-01-01"),
    case(BETWEEN, [date(2026, 1, 2)], [date(2025, 1, 2)], 1, ("2025-01-02",), min_value=date(2026, 1, 1)),
    case(BETWEEN, MONTH, LATE, 1, ("2027-01-01T00:00:00+00:00",), max_value="2026-12-31T00:00:00Z"),
    case(BETWEEN, MONTH, LATE, 1, ("2027-01-01T00:00:00+00:00",), max_value="2026-12-31"),
    case(BETWEEN, MONTH, LATE, 1, ("2027-01-01T00:00:00+00:00",), max_value=datetime(2026, 12, 31, tzinfo=UTC)),
    case(
        BETWEEN,
        [datetime(2026, 1, 1, 5)],
        [datetime(2026, 1, 1, 4)],
        1,
        ("2026-01-01T04:00:00",),
        min_value=datetime(2026, 1, 1, 4, 30),
    ),
    case(BETWEEN, [timedelta(hours=1)], [timedelta(hours=3)], 1, ("3:00:00",), max_value=timedelta(hours=2)),
    case(BETWEEN, [time(9)], [time(8)], 1, ("08:00:00",), min_value="08:30:00"),
    case(IN_SET, ["a", None], ["a", "é", "é"], 2, ("é", "é"), value_set=["a", "b"]),
    case(IN_SET, [1, 2], [3], 1, (3,), value_set=[1, 2, None]),
    case(IN_SET, [1.0], [2.5], 1, (2.5,), value_set=[1, 2]),
    case(IN_SET, [True], [False], 1, (False,), value_set=[True]),
    case(IN_SET, [date(2026, 1, 1)], [date(2026, 1, 2)], 1, ("2026-01-02",), value_set=["2026-01-01"]),
    case(IN_SET, [], [1], 1, (1,), value_set=[]),
    case("expect_column_values_to_not_be_in_set", ["a"], ["b", "a"], 1, ("b",), value_set=["b"]),
    case("expect_column_values_to_match_regex", ["N123"], ["N123", "x", None], 1, ("x",), regex=r"^N\d+$"),
    case("expect_column_values_to_not_match_regex", ["x"], ["N1"], 1, ("N1",), regex=r"\d"),
    case("expect_column_values_to_match_regex_list", ["1", "a"], ["-"], 1, ("-",), regex_list=[r"\d", "a"]),
    case(
        "expect_column_values_to_match_regex_list",
        ["1a"],
        ["1"],
        1,
        ("1",),
        regex_list=[r"\d", "a"],
        match_on="all",
    ),
    case(
        "expect_column_values_to_not_match_regex_list",
        ["-"],
        ["1", "a"],
        2,
        ("1", "a"),
        regex_list=[r"\d", "a"],
    ),
    case(
        "expect_column_value_lengths_to_be_between",
        ["ab", "é"],
        ["", "abc"],
        2,
        ("", "abc"),
        min_value=1,
        max_value=2,
    ),
    case("expect_column_value_lengths_to_equal", ["éé"], ["é"], 1, ("é",), value=2),
    case("expect_column_values_to_be_unique", [1, 2, None, None], [1, 1, 2], 2, (1, 1)),
    case("expect_column_values_to_be_increasing", [1, 1, None, 2], [1, 3, 2, None, 1], 2, (2, 1)),
    case("expect_column_values_to_be_increasing", [1, 2], [1, 1], 1, (1,), strictly=True),
    case("expect_column_values_to_be_decreasing", [3, 3, 1], [1, 2], 1, (2,)),
    case(
        "expect_column_pair_values_to_be_equal",
        {"a": [1, None], "b": [1, None]},
        {"a": [1, 2, None], "b": [1, 3, 4]},
        2,
        ([2, 3], [None, 4]),
        column_A="a",
        column_B="b",
    ),
    case(
        "expect_column_pair_values_to_be_equal",
        {"a": [1, None], "b": [1, 2]},
        {"a": [1, None], "b": [2, 3]},
        1,
        ([1, 2],),
        column_A="a",
        column_B="b",
        ignore_row_if="either_value_is_missing",
    ),
    case(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"a": [2], "b": [1]},
        {"a": [2, 1], "b": [2, 2]},
        2,
        ([2, 2], [1, 2]),
        column_A="a",
        column_B="b",
    ),
    case(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"a": [2], "b": [2]},
        {"a": [1], "b": [2]},
        1,
        ([1, 2],),
        column_A="a",
        column_B="b",
        or_equal=True,
    ),
    case(
        "expect_compound_columns_to_be_unique",
        {"a": [1, 1], "b": [1, 2]},
        {"a": [1, 1, 2], "b": [None, None, 2]},
        2,
        ({"a": 1, "b": None}, {"a": 1, "b": None}),
        column_list=["a", "b"],
    ),
    case(
        "expect_select_column_values_to_be_unique_within_record",
        {"a": [1], "b": [2]},
        {"a": [1, 2], "b": [1, 3]},
        1,
        ({"a": 1, "b": 1},),
        column_list=["a", "b"],
    ),
    case(
        "expect_multicolumn_sum_to_equal",
        {"a": [1], "b": [2]},
        {"a": [1, None], "b": [1, 3]},
        2,
        ({"a": 1, "b": 1}, {"a": None, "b": 3}),
        column_list=["a", "b"],
        sum_total=3,
    ),
    case(
        "expect_multicolumn_values_to_be_equal",
        {"a": [1], "b": [1]},
        {"a": [1, None], "b": [2, 3]},
        2,
        ({"a": 1, "b": 2}, {"a": None, "b": 3}),
        column_list=["a", "b"],
    ),
    case(
        PAIR_SET,
        {"a": [1, 2, None], "b": ["x", None, None]},
        {"a": [1, 2, 1], "b": ["x", "x", None]},
        2,
        ([2, "x"], [1, None]),
        value_pairs_set=[[1, "x"], [2, None]],
        **PAIR,
    ),
    case(
        PAIR_SET,
        {"a": [date(2026, 1, 1)], "b": [True]},
        {"a": [date(2026, 1, 1)], "b": [False]},
        1,
        (["2026-01-01", False],),
        value_pairs_set=[["2026-01-01", True]],
        **PAIR,
    ),
    case(PAIR_SET, {"a": [None], "b": [None]}, {"a": [1], "b": [1]}, 1, ([1, 1],), value_pairs_set=[], **PAIR),
    case("expect_column_values_to_be_json_parseable", ['{"a": 1}', "2", None], ["{", "é"], 2, ("{", "é")),
    case(
        "expect_column_values_to_match_json_schema",
        ['{"a": 1}', None],
        ['{"a": "b"}', "{"],
        2,
        ('{"a": "b"}', "{"),
        json_schema={"properties": {"a": {"type": "integer"}}, "required": ["a"]},
    ),
    case(
        "expect_column_values_to_be_dateutil_parseable",
        ["2026-01-31", "Jan 3 2026 10:00 XYZ", None],
        ["2026-02-30", "", "soon"],
        3,
        ("2026-02-30", "", "soon"),
    ),
    case(
        "expect_column_values_to_match_strftime_format",
        ["31.01.2026", None],
        ["2026-01-31", "30.02.2026"],
        2,
        ("2026-01-31", "30.02.2026"),
        strftime_format="%d.%m.%Y",
    ),
    case(LIKE, ["N123", "N\n", None], ["n1", "XN1"], 2, ("n1", "XN1"), like_pattern="N%"),
    case(LIKE, ["a_c"], ["abc"], 1, ("abc",), like_pattern="a!_c", escape="!"),
    case(LIKE, ["a(é"], ["a(é.", "a("], 2, ("a(é.", "a("), like_pattern="a(_"),
    case("expect_column_values_to_not_match_like_pattern", ["x", None], ["N1"], 1, ("N1",), like_pattern="N_"),
    case(LIKE_LIST, ["ab", "b"], ["c"], 1, ("c",), like_pattern_list=["a%", "b%"]),
    case(LIKE_LIST, ["ab"], ["a", "b"], 2, ("a", "b"), like_pattern_list=["a%", "%b"], match_on="all"),
    case(
        "expect_column_values_to_not_match_like_pattern_list",
        ["c"],
        ["ab", "b"],
        2,
        ("ab", "b"),
        like_pattern_list=["a%", "b%"],
    ),
    case(Z_SCORE, [1, 2, 3, None], [0] * 9 + [9], 1, (9,), threshold=2, double_sided=True),
    case(Z_SCORE, [9] * 9 + [0], [0] * 9 + [9], 1, (9,), threshold=2, double_sided=False),
    case(Z_SCORE, [0.1] * 3, [1.0, 2.0, float("nan")], 1, (None,), threshold=2, double_sided=True),
    case(OUTLIERS, [1, 2, 3, 4, None], [1, 2, 3, 4, 100], 1, (100,)),
    case(OUTLIERS, [5.0, 5.0], [5.0] * 4 + [float("nan")], 1, (None,)),
    case(OUTLIERS, [1, 2, 3, 4], [0] * 9 + [9], 1, (9,), method="std", multiplier=2),
    case(
        "expect_column_kl_divergence_to_be_less_than",
        ["a", "b"],
        ["a", "a", None],
        observed=math.log(2),
        partition_object={"values": ["a", "b"], "weights": [0.5, 0.5]},
        threshold=0.1,
    ),
    case(
        "expect_column_kl_divergence_to_be_less_than",
        [0.5, 1.5],
        [0.5, 0.5, None],
        observed=math.log(2),
        partition_object={"bins": [0, 1, 2], "weights": [0.5, 0.5]},
        threshold=0.1,
    ),
    case(
        "unexpected_rows_expectation",
        [1, None],
        [-1, -2, 3],
        observed=2,
        unexpected_rows_query="SELECT * FROM {batch} WHERE a < 0;",
    ),
    case("expect_column_mean_to_be_between", [1, 2, None], [4, 5], observed=4.5, max_value=2),
    case("expect_column_median_to_be_between", [1, 2, 9], [4, 5], observed=4.5, max_value=2),
    case("expect_column_stdev_to_be_between", [1.0, 1.0], [1.0, 3.0], observed=2.0**0.5, max_value=1),
    case("expect_column_sum_to_be_between", [1, 2], [2, 2], observed=4, max_value=3),
    case("expect_column_sum_to_be_between", [1], [2**63 - 1, 1], observed=2**63, max_value=2**63 - 1),
    case("expect_column_min_to_be_between", [1, 2], [0], observed=0, min_value=1),
    case(
        "expect_column_max_to_be_between",
        MONTH,
        LATE,
        observed="2027-01-01T00:00:00+00:00",
        max_value="2026-12-31",
    ),
    case(
        "expect_column_max_to_be_between",
        [date(2026, 1, 1)],
        [date(2027, 1, 1)],
        observed="2027-01-01",
        max_value="2026-12-31",
    ),
    case("expect_column_max_to_be_between", ["a"], ["c"], observed="c", max_value="b"),
    case(
        "expect_column_unique_value_count_to_be_between",
        ["a", "a"],
        ["a", "b", None],
        observed=2,
        max_value=1,
    ),
    case("expect_column_proportion_of_unique_values_to_be_between", [1, 2], [1, 1], observed=0.5, min_value=1.0),
    case(
        "expect_column_proportion_of_non_null_values_to_be_between",
        [1],
        [1, None],
        observed=0.5,
        min_value=1.0,
    ),
    case("expect_column_distinct_values_to_be_in_set", ["a"], ["a", "z", "z"], 1, ("z",), value_set=["a", "b"]),
    case(
        "expect_column_distinct_values_to_contain_set",
        ["a", "b", "c"],
        ["a"],
        observed={"missing": ["b"]},
        value_set=["a", "b"],
    ),
    case(
        "expect_column_distinct_values_to_equal_set",
        ["a", "b", None],
        ["a", "c"],
        1,
        ("c",),
        observed={"missing": ["b"]},
        value_set=["a", "b"],
    ),
    case(
        "expect_column_most_common_value_to_be_in_set",
        ["a", "a", "b"],
        ["b", "b"],
        observed=["b"],
        value_set=["a"],
    ),
    case(
        "expect_column_quantile_values_to_be_between",
        [1, 2, 3],
        [7, 8, 9],
        observed={"quantiles": [0.5, 1.0], "values": [8.0, 9.0]},
        quantile_ranges={"quantiles": [0.5, 1.0], "value_ranges": [[1, 3], [None, 3]]},
    ),
    case("expect_column_to_exist", [1], {"b": [1]}),
    case("expect_column_values_to_be_of_type", [1], ["x"], observed="String", type_="Int64"),
    case("expect_column_type_to_be", MONTH, [1], observed="Int64", type_="Datetime"),
    case("expect_column_values_to_be_in_type_list", [1], ["x"], observed="String", type_list=["Int32", "Int64"]),
    case("expect_table_row_count_to_be_between", [1, 2], [1], observed=1, min_value=2),
    case("expect_table_row_count_to_equal", [1, 2], [1], observed=1, value=2),
    case("expect_table_column_count_to_be_between", [1], {"a": [1], "b": [1]}, observed=2, max_value=1),
    case("expect_table_column_count_to_equal", [1], {"a": [1], "b": [1]}, observed=2, value=1),
    case("expect_table_columns_to_match_ordered_list", [1], {"b": [1]}, observed=["b"], column_list=["a"]),
    case("expect_table_columns_to_match_set", [1], {"b": [1]}, observed=["b"], column_set=["a"]),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_expectation_passes_on_good_values_and_names_the_bad_ones(case: Case) -> None:
    good = validate(pl.LazyFrame(case.good, strict=False), [case.expect], name="t").outcomes[0]
    assert (good.success, good.error) == (True, None)
    bad = validate(pl.LazyFrame(case.bad), [case.expect], name="t").outcomes[0]
    assert (bad.success, bad.error) == (False, None)
    assert bad.unexpected_count == case.count
    assert bad.sample == case.sample
    assert bad.observed == (pytest.approx(case.observed) if isinstance(case.observed, float) else case.observed)


def test_every_known_expectation_has_a_case() -> None:
    assert {case.expect.type for case in CASES} == set(known_expectations())

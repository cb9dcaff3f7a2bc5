"""What a validation says: conditions, tolerance, severities, errors, and how often it reads the data."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime

import polars as pl
import pytest

from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.suite import expectations_from_suite
from feature_platform.ground.errors import InvalidDeclaration, UnsupportedExpectation
from feature_platform.quality import (
    Outcome,
    check_supported,
    known_expectations,
    validate,
)

RIDES = pl.LazyFrame(
    {
        "fare": [5.0, -1.0, None, -3.0, 8.0],
        "city": ["Oslo", "Oslo", "Rome", "Rome", None],
        "rides": [1, 2, 3, 4, 5],
        "day": [date(2026, 1, day) for day in (1, 2, 3, 4, 5)],
        "at": [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4, 5)],
    }
)
POSITIVE = Expect("expect_column_values_to_be_between", column="fare", min_value=0)
NOT_NULL = Expect("expect_column_values_to_not_be_null", column="fare")


def outcome(frame: pl.LazyFrame, expect: Expect) -> Outcome:
    return validate(frame, [expect], name="rides").outcomes[0]


def positive_where(condition: object, **kwargs: object) -> Expect:
    return Expect(POSITIVE.type, column="fare", min_value=0, row_condition=condition, **kwargs)  # type: ignore[arg-type]


def test_importing_the_light_modules_loads_neither_great_expectations_nor_pandas() -> None:
    code = (
        "import sys, polars as pl\n"
        "import feature_platform.quality as quality, feature_platform.quality.validation\n"
        "quality.validate(pl.LazyFrame({'a': [1]}), [], name='t')\n"
        "quality.known_expectations()\n"
        "assert not {'great_expectations', 'pandas'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of frames of each `collect_all` from now on."""
    passes: list[int] = []
    collect_all: Callable[..., list[pl.DataFrame]] = pl.collect_all

    def counted(frames: list[pl.LazyFrame], **options: object) -> list[pl.DataFrame]:
        passes.append(len(frames))
        return collect_all(frames, **options)

    monkeypatch.setattr(pl, "collect_all", counted)
    return passes


def test_data_that_is_well_is_read_once_and_a_failure_takes_one_pass_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = count_passes(monkeypatch)
    suite = [
        Expect("expect_column_values_to_not_be_null", column="rides"),
        Expect("expect_column_values_to_be_unique", column="rides"),
        Expect("expect_column_values_to_be_in_set", column="city", value_set=["Oslo", "Rome"]),
        Expect("expect_column_mean_to_be_between", column="rides", min_value=0),
        Expect("expect_column_values_to_be_between", column="rides", min_value=1, row_condition="rides > 2"),
        Expect("expect_table_row_count_to_be_between", min_value=1),
        Expect("expect_column_values_to_be_of_type", column="rides", type_="Int64"),
    ]
    assert validate(RIDES, suite, name="rides").success
    assert len(passes) == 1
    assert not validate(RIDES, [*suite, POSITIVE, NOT_NULL], name="rides").success
    assert len(passes) == 3


def test_nothing_expected_is_a_success_without_outcomes() -> None:
    validation = validate(RIDES, [], name="rides")
    assert (validation.success, validation.outcomes, validation.gx_result) == (True, (), {})
    assert validation.refused_rows(RIDES).collect().is_empty()


@pytest.mark.parametrize(
    "condition",
    [
        'col("city") == "Rome"',
        "col(\"city\") == 'Rome'",
        "city = 'Rome'",
        "city == 'Rome' AND rides > 0",
        {"type": "comparison", "column": {"name": "city"}, "operator": "==", "parameter": "Rome"},
        {"type": "comparison", "column": {"name": "city"}, "operator": "IN", "parameter": ["Rome", "Paris"]},
        {"type": "comparison", "column": {"name": "day"}, "operator": ">=", "parameter": "2026-01-03"},
        {
            "type": "comparison",
            "column": {"name": "at"},
            "operator": ">=",
            "parameter": "2026-01-03T00:00:00Z",
        },
        'col("day") >= date("2026-01-03")',
        {
            "type": "and",
            "conditions": [
                {"type": "nullity", "column": {"name": "city"}, "is_null": False},
                {"type": "comparison", "column": {"name": "rides"}, "operator": ">", "parameter": 2},
            ],
        },
        {
            "type": "or",
            "conditions": [
                {"type": "comparison", "column": {"name": "rides"}, "operator": "==", "parameter": 3},
                {"type": "comparison", "column": {"name": "rides"}, "operator": "==", "parameter": 4},
            ],
        },
    ],
)
def test_only_rows_under_the_row_condition_count(condition: object) -> None:
    found = outcome(RIDES, positive_where(condition))
    assert (found.error, found.unexpected_count, found.sample) == (None, 1, (-3.0,))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ('city == "Rome" and rides > 2', 2),
        ("city == 'Rome' & rides > 3", 1),
        ("2 < rides <= 4 or `city`.isnull()", 3),
        ('city in ["Rome", "Paris"]', 2),
        ('~(city not in ["Oslo"]) | fare < -2.5', 3),
        ("city.notnull() and rides + 1 > 4", 1),
        ("rides != 2", 4),
    ],
)
def test_the_condition_parser_of_pandas_reads_its_queries(query: str, count: int) -> None:
    import pandas as pd

    rule = Expect("expect_table_row_count_to_be_between", min_value=0, row_condition=query, condition_parser="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas on its own deprecations
        rows = pd.DataFrame(RIDES.select("fare", "city", "rides").collect().to_dict(as_series=False))
        assert len(rows.query(query, engine="python")) == count
    assert outcome(RIDES, rule).observed == count


@pytest.mark.parametrize("query", ["rides > @x", "city.str.len() > 1", "len(city) > 2", "rides >"])
def test_a_pandas_query_that_is_not_read_is_refused(query: str) -> None:
    with pytest.raises(InvalidDeclaration, match="cannot be read"):
        check_supported(positive_where(query, condition_parser="pandas"))


def test_a_bound_is_shown_as_declared_when_it_is_not_computed() -> None:
    rule = Expect(POSITIVE.type, column="far", min_value=0)
    config = validate(RIDES, [rule], name="rides").gx_result["results"][0]["expectation_config"]
    assert config["kwargs"]["min_value"] == 0


def test_great_expectations_own_condition_objects_work() -> None:
    outcome(RIDES, POSITIVE)  # the first call imports Great Expectations, its warnings silenced
    from great_expectations.expectations.row_conditions import Column

    found = outcome(RIDES, positive_where((Column("city") == "Rome") & (Column("rides") > 2)))
    assert (found.element_count, found.unexpected_count) == (2, 1)
    assert outcome(RIDES, positive_where(Column("city").is_null())).element_count == 1


def test_a_condition_that_is_null_selects_no_row() -> None:
    assert outcome(RIDES, positive_where("city <> 'Rome'")).element_count == 2
    assert outcome(RIDES, positive_where('col("city").notnull()')).element_count == 4


def test_an_index_is_the_position_in_the_whole_frame_under_a_row_condition() -> None:
    validation = validate(RIDES, [positive_where("city = 'Rome'")], name="rides")
    assert validation.gx_result["results"][0]["result"]["partial_unexpected_index_list"] == [3]


def test_mostly_tolerates_a_share_of_the_rows_that_are_not_missing() -> None:
    half = Expect(POSITIVE.type, column="fare", min_value=0, mostly=0.5)
    found = outcome(RIDES, half)
    assert (found.success, found.unexpected_count, found.unexpected_percent) == (True, 2, 50.0)
    assert not outcome(RIDES, Expect(POSITIVE.type, column="fare", min_value=0, mostly=0.51)).success


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (Expect(NOT_NULL.type, column="far"), "Column `far` is not in the data. It has: fare, city"),
        (
            Expect("expect_column_mean_to_be_between", column="city", min_value=0),
            "is String, but a number is needed",
        ),
        (Expect("expect_column_values_to_match_regex", column="rides", regex="a"), "but text is needed"),
        (Expect("expect_column_values_to_match_regex", column="city", regex="("), "regex parse error"),
        (Expect(POSITIVE.type, column="rides", min_value="five"), "is Int64, and 'five' cannot be compared"),
        (Expect(POSITIVE.type, column="city", min_value=5), "is String, and 5 cannot be compared"),
        (Expect(POSITIVE.type, column="at", min_value="soon"), "Give a time, e.g. 2026-01-31T00:00:00Z"),
        (Expect("expect_column_max_to_be_between", column="day", max_value="soon"), "Give a date"),
        (
            Expect("expect_column_values_to_be_in_set", column="rides", value_set=["a"]),
            "is Int64, and 'a' cannot",
        ),
        (
            Expect("expect_column_values_to_be_of_type", column="far", type_="Int64"),
            "`far` is not in the data",
        ),
        (
            Expect("expect_column_pair_values_to_be_equal", column_A="city", column_B="rides"),
            "cannot compare",
        ),
        (positive_where("nowhere > 1"), "The row condition `nowhere > 1` cannot be computed"),
        (positive_where("rides > 'a'"), "cannot compare string with numeric type"),
        (positive_where('col("nowhere") > 1'), "names column `nowhere`, which is not in the data"),
    ],
)
def test_what_the_data_makes_impossible_fails_with_one_clear_line(expect: Expect, words: str) -> None:
    first, second = validate(RIDES, [expect, Expect("expect_column_to_exist", column="fare")], name="rides").outcomes
    assert not first.success
    assert words in str(first.error)
    assert "\n" not in str(first.error)
    assert "could not be computed" in first.summary
    assert second.success


def test_a_value_that_breaks_one_computation_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_passes(monkeypatch)
    broken = positive_where("CAST(city AS INTEGER) > 1")
    validation = validate(RIDES, [broken, NOT_NULL, POSITIVE], name="rides")
    first, second, third = validation.outcomes
    assert "conversion from `str` to `i32` failed" in str(first.error)
    assert (second.unexpected_count, third.unexpected_count) == (1, 2)
    assert len(passes) <= 2 + 6  # together, each metric alone, and the details; never retried


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (Expect(POSITIVE.type, column="fare"), "min_value and max_value cannot both be None"),
        (Expect(POSITIVE.type, column="fare", min=0), "`min`: extra fields not permitted"),
        (Expect(NOT_NULL.type), "`column`: field required"),
        (
            Expect(NOT_NULL.type, column="fare", mostly=2),
            "`mostly`: ensure this value is less than or equal to 1",
        ),
        (positive_where("fare >"), "Row condition 'fare >' cannot be read"),
        (positive_where(5), "Row condition 5 cannot be read"),
        (positive_where('col("fare") ~ 5'), "cannot be read"),
        (Expect(POSITIVE.type, column="fare", min_value={"$PARAMETER": "low"}), "to a suite parameter"),
    ],
)
def test_arguments_that_cannot_be_read_are_refused_before_any_data(expect: Expect, words: str) -> None:
    with pytest.raises(InvalidDeclaration, match=r"^[^\n]+$") as error:
        check_supported(expect)
    assert words in str(error.value)
    with pytest.raises(InvalidDeclaration):
        validate(RIDES, [expect], name="rides")


def test_an_unknown_expectation_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedExpectation, match=r"expect_miracles` is not supported.*expect_column_to_exist"):
        check_supported(Expect("expect_miracles"))
    with pytest.raises(UnsupportedExpectation):
        validate(RIDES, [Expect("expect_column_chisquare_to_be_low", column="a")], name="t")
    check_supported(NOT_NULL)
    assert known_expectations() == sorted(known_expectations())


def test_outcomes_keep_the_order_of_the_expectations_and_their_severity() -> None:
    suite = [
        Expect("expect_table_row_count_to_equal", severity="info", value=4),
        Expect(POSITIVE.type, severity="warning", column="fare", min_value=0),
        Expect("expect_column_to_exist", column="fare"),
        NOT_NULL,
        Expect("expect_column_to_exist", column="nowhere"),
    ]
    validation = validate(RIDES, suite, name="rides")
    assert [o.expectation for o in validation.outcomes] == suite
    assert [o.expectation for o in validation.failures] == [suite[0], suite[1], suite[3], suite[4]]
    assert [o.expectation for o in validation.critical_failures] == suite[3:]
    assert not validation.success
    assert [r["expectation_config"]["severity"] for r in validation.gx_result["results"]][:2] == [
        "info",
        "warning",
    ]
    assert validation.gx_result["statistics"]["evaluated_expectations"] == 5


@pytest.mark.parametrize("frame", [RIDES.head(0), RIDES.with_columns(fare=pl.lit(None, dtype=pl.Float64))])
def test_nothing_or_nothing_but_nulls_breaks_no_rule_about_values(frame: pl.LazyFrame) -> None:
    suite = [
        POSITIVE,
        Expect("expect_column_values_to_be_unique", column="fare"),
        Expect("expect_column_values_to_be_in_set", column="fare", value_set=[1]),
        Expect("expect_column_sum_to_be_between", column="fare", min_value=0, max_value=0),
        Expect("expect_column_unique_value_count_to_be_between", column="fare", max_value=0),
    ]
    assert validate(frame, suite, name="rides").success
    mean = outcome(frame, Expect("expect_column_mean_to_be_between", column="fare", min_value=0))
    assert (mean.success, mean.observed, mean.error) == (False, None, None)


@pytest.mark.parametrize("aggregate", ["mean", "median", "min", "max", "sum", "stdev"])
def test_an_aggregate_over_nan_lies_between_nothing(aggregate: str) -> None:
    frame = pl.LazyFrame({"a": [1.0, float("nan")]})
    assert not outcome(frame, Expect(f"expect_column_{aggregate}_to_be_between", column="a", min_value=-9)).success


def test_nan_is_present_equals_itself_and_is_greater_than_nothing() -> None:
    nan = float("nan")
    frame = pl.LazyFrame({"a": [nan, nan, 1.0], "b": [nan, 0.0, 0.0]})
    assert outcome(frame, Expect(NOT_NULL.type, column="a")).success
    assert outcome(frame, Expect("expect_column_values_to_be_unique", column="a")).unexpected_count == 2
    pair = {"column_A": "a", "column_B": "b"}
    assert outcome(frame, Expect("expect_column_pair_values_to_be_equal", **pair)).unexpected_count == 2  # type: ignore[arg-type]
    greater = Expect("expect_column_pair_values_a_to_be_greater_than_b", **pair)  # type: ignore[arg-type]
    assert outcome(frame, greater).unexpected_count == 2


def test_a_column_of_no_type_breaks_nothing() -> None:
    assert outcome(pl.LazyFrame({"a": [None]}), Expect(POSITIVE.type, column="a", min_value=0)).success


def test_a_sample_holds_at_most_twenty_values_in_order() -> None:
    found = outcome(pl.LazyFrame({"a": range(100)}), Expect(POSITIVE.type, column="a", max_value=9))
    assert (found.unexpected_count, found.sample) == (90, tuple(range(10, 30)))


def test_a_summary_is_one_line_for_people() -> None:
    assert outcome(RIDES, POSITIVE).summary == (
        "expect_column_values_to_be_between on fare failed: 2 of 5 rows unexpected (50%), such as -1.0, -3.0"
    )
    assert outcome(RIDES, Expect("expect_column_max_to_be_between", column="rides", max_value=4)).summary == (
        "expect_column_max_to_be_between on rides failed: found 5"
    )


def test_nothing_is_printed_and_no_file_is_written(
    capfd: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(here)
    validate(RIDES, [POSITIVE, NOT_NULL], name="rides")
    assert capfd.readouterr() == ("", "")
    assert list(here.iterdir()) == []


def test_a_suite_in_json_is_read_as_its_expectations() -> None:
    text = (
        '{"name": "s", "expectations": ['
        '{"type": "expect_column_values_to_be_between", "severity": "warning",'
        ' "kwargs": {"column": "fare", "min_value": 0, "batch_id": "x"}, "meta": {}},'
        '{"expectation_type": "expect_column_to_exist", "kwargs": {"column": "fare"}}]}'
    )
    assert expectations_from_suite(text) == (
        Expect(POSITIVE.type, severity="warning", column="fare", min_value=0),
        Expect("expect_column_to_exist", column="fare"),
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"expectations": 1}', '{"expectations": [1]}', '{"expectations": [{}]}'])
def test_text_that_is_no_suite_says_what_one_is(text: str) -> None:
    with pytest.raises(InvalidDeclaration, match=r"^The expectation suite .* Write \{"):
        expectations_from_suite(text)

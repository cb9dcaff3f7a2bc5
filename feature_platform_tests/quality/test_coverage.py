"""What of Great Expectations is supported, said in the documentation and when a rule is declared."""

import sqlite3
import string

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration, UnsupportedExpectation
from feature_platform.quality import Outcome, check_supported, known_expectations, validate
from feature_platform.quality.coverage import NOTES, UNSUPPORTED
from feature_platform.quality.readable import like_regex
from feature_platform_tests.effort import tries
from feature_platform_tests.quality.coverage_page import PAGE, coverage_page, registered_expectations
from feature_platform_tests.quality.test_validation import count_passes

RIDES = pl.LazyFrame({"fare": [1.0, 2.0, 3.0, 2.0, 90.0, None], "city": ["a", "b", "a", "c", "b", "a"]})
KL = "expect_column_kl_divergence_to_be_less_than"


def outcome(frame: pl.LazyFrame, kind: str, **kwargs: object) -> Outcome:
    return validate(frame, [Expect(kind, **kwargs)], name="t").outcomes[0]  # type: ignore[arg-type]


def test_the_page_of_expectations_is_what_great_expectations_registers() -> None:
    assert PAGE.read_text() == coverage_page(), "run `python -m feature_platform_tests.quality.coverage_page`"


def test_every_registered_expectation_is_supported_or_says_why_not() -> None:
    known = set(known_expectations())
    assert known.isdisjoint(UNSUPPORTED)
    assert known | set(UNSUPPORTED) == set(registered_expectations())
    assert set(NOTES) <= known


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (Expect("expect_table_row_count_to_equal_other_table", other_table_name="b"), "a validation sees one frame"),
        (Expect("expect_query_results_to_match_comparison", base_query="q"), "a validation sees one frame"),
        (Expect(KL, column="fare", threshold=0.1), "it has no `partition_object`"),
        (Expect("unexpected_rows_expectation", unexpected_rows_query="SELECT 1"), "does not read `{batch}`"),
        (Expect("expect_column_mean_to_be_between", column="fare", max_value=1, windows=[{}]), "asks for `windows`"),
    ],
    ids=lambda value: value.type if isinstance(value, Expect) else "",
)
def test_what_one_frame_cannot_answer_is_refused_when_it_is_declared(expect: Expect, words: str) -> None:
    with pytest.raises(UnsupportedExpectation, match=r"is not supported: .*Supported: ") as error:
        check_supported(expect)
    assert words in str(error.value)
    with pytest.raises(UnsupportedExpectation):
        validate(RIDES, [expect], name="t")


@pytest.mark.parametrize(
    ("kind", "kwargs", "words"),
    [
        ("expect_column_values_to_match_regex", {"regex": "(?=a)"}, "Rust does not read: (?=a)"),
        ("expect_column_values_to_not_match_regex_list", {"regex_list": ["a", "("]}, "Rust does not read: ("),
        ("expect_column_values_to_match_like_pattern", {"like_pattern": "a!", "escape": "!"}, "ends with its escape"),
        ("expect_column_values_to_match_json_schema", {"json_schema": {"type": "objct"}}, "has no JSON schema"),
    ],
)
def test_arguments_that_no_data_makes_readable_are_refused_when_declared(
    kind: str, kwargs: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidDeclaration) as error:
        check_supported(Expect(kind, column="city", **kwargs))  # type: ignore[arg-type]
    assert words in str(error.value)


@settings(max_examples=tries(60), deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from("aA%_!é.\\\n(" + string.digits[:2]), max_size=4), min_size=1, max_size=8),
    pattern=st.text(st.sampled_from("aA%_é.\\("), max_size=4),
    escaped=st.booleans(),
)
def test_like_patterns_mean_what_sql_says(texts: list[str], pattern: str, escaped: bool) -> None:
    wanted = pattern.replace("%", "!%") if escaped else pattern
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like = ON")
    query = f"SELECT ? LIKE ? {'ESCAPE ' + repr('!') if escaped else ''}"
    sql = [bool(database.execute(query, (text, wanted)).fetchone()[0]) for text in texts]
    database.close()
    found = pl.Series(texts, dtype=pl.String).str.contains(like_regex(wanted, "!" if escaped else None))
    assert found.to_list() == sql


def test_rows_far_from_their_column_are_refused_and_their_statistics_are_of_the_rows_under_the_condition() -> None:
    rule = Expect("expect_column_values_to_not_be_outliers", column="fare", row_condition="city <> 'c'")
    validation = validate(RIDES, [rule], name="t")
    assert validation.outcomes[0].sample == (90.0,)
    assert validation.refused_rows(RIDES).collect()["fare"].to_list() == [90.0]
    among = Expect("expect_column_values_to_not_be_outliers", column="fare", row_condition="city = 'b'")
    assert validate(RIDES, [among], name="t").success


def test_pairs_against_a_set_count_only_rows_under_the_condition() -> None:
    found = outcome(
        RIDES,
        "expect_column_pair_values_to_be_in_set",
        column_A="fare",
        column_B="city",
        value_pairs_set=[[90.0, "b"]],
        row_condition="city = 'b'",
    )
    assert (found.element_count, found.unexpected_count, found.sample) == (2, 1, ([2.0, "b"],))


def test_a_nan_makes_a_divergence_fail() -> None:
    bins = {"bins": [0, 1], "weights": [1.0]}
    frame = pl.LazyFrame({"a": [0.5, float("nan")]})
    found = outcome(frame, KL, column="a", partition_object=bins, threshold=9)
    assert (found.success, found.error, found.observed) == (False, None, None)
    assert outcome(frame.head(1), KL, column="a", partition_object=bins, threshold=0.1).success


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM {batch} WHERE nowhere > 1", "nowhere"),
        ("SELECT * FROM {batch} JOIN other ON 1 = 1", "other"),
        (
            "SELECT * FROM {batch} WHERE fare > (SELECT count(*) FROM read_csv('/etc/passwd'))",
            "only `{batch}` can be read",
        ),
        ("SELECT FROM WHERE {batch}", "cannot be computed"),
        ("SELECT * FROM {batch} WHERE fare > {limit}", "limit"),
    ],
)
def test_a_query_that_polars_cannot_compute_fails_with_one_clear_line(query: str, words: str) -> None:
    found = outcome(RIDES, "unexpected_rows_expectation", unexpected_rows_query=query)
    assert not found.success
    assert words in str(found.error)
    assert "\n" not in str(found.error)


def test_rules_of_every_kind_together_read_data_that_is_well_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_passes(monkeypatch)
    suite = [
        Expect("expect_column_value_z_scores_to_be_less_than", column="fare", threshold=9, double_sided=True),
        Expect("expect_column_values_to_not_be_outliers", column="fare", multiplier=100),
        Expect("expect_column_values_to_match_like_pattern", column="city", like_pattern="_"),
        Expect("expect_column_values_to_be_json_parseable", column="json"),
        Expect("unexpected_rows_expectation", unexpected_rows_query="SELECT * FROM {batch} WHERE fare < 0"),
        Expect(KL, column="city", partition_object={"values": ["a", "b", "c"], "weights": [0.5, 0.3, 0.2]}),
        Expect(KL, column="fare", partition_object={"bins": [0, 50, 99], "weights": [0.5, 0.5]}),
        Expect("expect_compound_columns_to_be_unique", column_list=["fare", "city"]),
    ]
    frame = RIDES.with_columns(json=pl.lit("[]"))
    validation = validate(frame, suite, name="t")
    assert [each.summary for each in validation.failures] == []
    assert len(passes) == 1


def test_rules_that_differ_in_their_condition_or_query_have_checks_of_their_own() -> None:
    kind = "expect_column_values_to_be_between"
    suite = [
        *(Expect(kind, column="fare", min_value=0, row_condition=f"city = '{city}'") for city in "ab"),
        Expect(kind, column="fare", min_value=0),
        *(Expect("unexpected_rows_expectation", unexpected_rows_query=f"SELECT {n} FROM {{batch}}") for n in (1, 2)),
    ]
    assert len({each.check_name for each in suite}) == len(suite)
    assert suite[2].check_name == "expect_column_values_to_be_between__fare"

"""Row conditions of any size and depth: computed, or refused by name; they never end the process."""

import polars as pl
import pytest

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.quality import validate
from feature_platform.quality.conditions import expression_of_condition, read_condition
from feature_platform.quality.target import NotComputable

RIDES = pl.DataFrame({"n": [1, 2, 3, None], "city": ["a", "b", "c", None], "fare": [1.0, 2.5, 3.0, None]})
MANY = 10_000


def selected(condition: object, parser: str | None = None, frame: pl.DataFrame = RIDES) -> list[bool | None]:
    return (
        frame.select(expression_of_condition(read_condition(condition, parser) or {}, frame.schema))
        .to_series()
        .to_list()
    )


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (" OR ".join(f"n = {number}" for number in range(2, MANY)), [False, True, True, None]),
        (" OR ".join(f"city = '{number}' OR n = {number}" for number in range(3, 3_000)), [False, False, True, None]),
        (
            " OR ".join(f"(fare > {number} AND fare < {number + 1})" for number in range(3_000)),
            [False, True, False, None],
        ),
        (" AND ".join(f"n <> {number}" for number in range(2, MANY)), [True, False, False, None]),
        ("NOT (" + " OR ".join(f"n = {number}" for number in range(2, MANY)) + ")", [True, False, False, None]),
        (" OR ".join(f"n = {10**number}" for number in range(30)), [True, False, False, None]),
        ("(" * 90 + "n = 2" + ")" * 90, [False, True, False, None]),
        ("NOT " * 90 + "n = 2", [False, True, False, None]),
    ],
    ids=["one column", "two columns", "ranges", "and not", "not or", "beyond Int64", "parentheses", "nots"],
)
def test_a_generated_condition_of_ten_thousand_parts_is_computed(condition: str, wanted: list[bool | None]) -> None:
    assert selected(condition) == wanted


@pytest.mark.parametrize("joined", [" or ", " | "])
def test_a_generated_condition_in_the_words_of_pandas_is_computed(joined: str) -> None:
    condition = joined.join(f"(n == {number})" for number in range(2, MANY))
    assert [bool(each) for each in selected(condition, "pandas")] == [False, True, True, False]


def test_an_expectation_under_such_a_condition_is_judged() -> None:
    condition = " OR ".join(f"n = {number}" for number in range(2, MANY))
    rule = Expect("expect_column_values_to_be_between", column="fare", max_value=2.7, row_condition=condition)
    validation = validate(RIDES.lazy(), [rule], name="t")
    assert (validation.outcomes[0].element_count, validation.outcomes[0].sample) == (2, (3.0,))
    assert validation.refused_rows(RIDES.lazy()).collect()["n"].to_list() == [3]


@pytest.mark.parametrize(
    ("condition", "parser", "words"),
    [
        (
            " OR ".join(f"fare > {number}" for number in range(MANY + 1)),
            None,
            "joins 10,001 comparisons by OR, and at most",
        ),
        ("(" * MANY + "n = 2" + ")" * MANY, None, "nested deeper than"),
        ("NOT " * MANY + "n = 2", None, "nested deeper than"),
        ("+".join(["n"] * MANY) + " > 1", None, "operators, and at most 1,000"),
        ("case " + "when n = 1 then true " * MANY + "end", None, "operators, and at most 1,000"),
        ("(" * MANY + "n == 2" + ")" * MANY, "pandas", "cannot be read"),
        ("not " * MANY + "n == 2", "pandas", "cannot be read"),
    ],
    ids=["ranges", "parentheses", "nots", "sum", "case", "pandas parentheses", "pandas nots"],
)
def test_a_condition_that_is_too_large_is_refused_by_name_and_shortly(
    condition: str, parser: str | None, words: str
) -> None:
    with pytest.raises((InvalidDeclaration, NotComputable)) as error:
        selected(condition, parser)
    assert words in str(error.value)
    assert len(str(error.value)) < 1000


def test_conditions_of_great_expectations_nested_too_deeply_are_refused() -> None:
    from great_expectations.expectations.row_conditions import Column

    chain = Column("n") == 0
    for number in range(1, 3_000):
        chain = chain | (Column("n") == number)
    with pytest.raises(InvalidDeclaration, match="nested deeper than 100 levels"):
        read_condition(chain)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("n = 1 OR n = 2.5", [True, False, False, None]),
        ("fare = 1 OR fare = 3", [True, False, True, None]),
        ("n BETWEEN 2 AND 3 AND city <> 'c'", [False, True, False, None]),
        ("CASE WHEN n = 1 AND fare = 1 THEN TRUE ELSE FALSE END OR n = 2", [True, True, False, None]),
        ("NOT n = 1 AND n IS NOT NULL", [False, True, True, False]),
        ("NOT (n = 1 OR city = 'b')", [False, False, True, None]),
        ("n = 1 OR city IS NULL", [True, False, False, True]),
    ],
)
def test_a_condition_taken_apart_means_what_polars_says(condition: str, wanted: list[bool | None]) -> None:
    assert selected(condition) == RIDES.select(pl.sql_expr(condition)).to_series().to_list() == wanted

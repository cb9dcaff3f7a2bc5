"""The rows a failed validation refuses."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_platform.declarations.expectation import Expect
from feature_platform.ground.errors import ColumnCollision
from feature_platform.quality import validate

FRAME = pl.LazyFrame({"id": [1, 2, 2, 3, 4], "fare": [1.0, -1.0, None, 5.0, -2.0], "city": ["a", "a", "b", "b", "b"]})
POSITIVE = Expect("expect_column_values_to_be_between", column="fare", min_value=0)
PRESENT = Expect("expect_column_values_to_not_be_null", column="fare")
UNIQUE = Expect("expect_column_values_to_be_unique", column="id")
ROWS = Expect("expect_table_row_count_to_equal", value=4)


def refused_rows(*suite: Expect) -> list[tuple[object, ...]]:
    return validate(FRAME, suite, name="t").refused_rows(FRAME).collect().rows()


def test_refused_rows_keep_their_order_and_name_the_first_expectation_they_break() -> None:
    validation = validate(FRAME, [POSITIVE, UNIQUE, PRESENT, ROWS], name="t")
    wanted = pl.DataFrame(
        {
            "id": [2, 2, 4],
            "fare": [-1.0, None, -2.0],
            "city": ["a", "b", "b"],
            "expectation": [POSITIVE.check_name, UNIQUE.check_name, POSITIVE.check_name],
        }
    )
    assert_frame_equal(validation.refused_rows(FRAME).collect(), wanted)


def test_rows_outside_the_row_condition_are_not_refused() -> None:
    under = Expect(POSITIVE.type, column="fare", min_value=0, row_condition="city = 'b'")
    assert refused_rows(under) == [(4, -2.0, "b", under.check_name)]
    lonely = Expect(UNIQUE.type, column="id", row_condition="city = 'b'")
    assert refused_rows(lonely) == []


@pytest.mark.parametrize(
    "expect",
    [ROWS, Expect("expect_column_to_exist", column="nowhere"), Expect(PRESENT.type, column="nowhere")],
)
def test_a_failure_that_points_at_no_row_refuses_all(expect: Expect) -> None:
    found = validate(FRAME, [expect], name="t").refused_rows(FRAME).collect()
    assert_frame_equal(found.drop("expectation"), FRAME.collect())
    assert found["expectation"].unique().to_list() == [expect.check_name]


def test_warnings_tolerated_failures_and_successes_refuse_nothing() -> None:
    warning = Expect(POSITIVE.type, severity="warning", column="fare", min_value=0)
    tolerated = Expect(POSITIVE.type, column="fare", min_value=0, mostly=0.5)
    assert refused_rows(warning, tolerated) == []


def test_a_failure_beyond_mostly_refuses_every_row_that_breaks_it() -> None:
    assert [row[0] for row in refused_rows(Expect(POSITIVE.type, column="fare", min_value=0, mostly=0.9))] == [
        2,
        4,
    ]


def test_order_and_pairs_point_at_rows() -> None:
    falling = Expect("expect_column_values_to_be_decreasing", column="id")
    assert [row[0] for row in refused_rows(falling)] == [2, 3, 4]
    pair = Expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="fare", column_B="id")
    assert [row[0] for row in refused_rows(pair)] == [1, 2, 2, 4]


def test_a_column_called_expectation_collides() -> None:
    frame = FRAME.with_columns(expectation=pl.lit(1))
    with pytest.raises(ColumnCollision, match="expectation"):
        validate(frame, [POSITIVE], name="t").refused_rows(frame)

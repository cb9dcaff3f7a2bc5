"""Arguments are read as the column's type, or refused before anything is written; a suite in JSON judges the same."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.suite import expectations_from_suite
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.pipelines.publishing import Run
from feature_platform.pipelines.results import Candidate
from feature_platform.quality import check_supported, suite_of, validate

BETWEEN, IN_SET, NOT_IN_SET = (
    f"expect_column_values_to_{words}" for words in ("be_between", "be_in_set", "not_be_in_set")
)
MAX, DISTINCT = "expect_column_max_to_be_between", "expect_column_distinct_values_to_be_in_set"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "int": pl.Series([0, 1, 2], dtype=pl.Int64),
        "small": pl.Series([0, 1, 2], dtype=pl.UInt8),
        "float": [0.0, 0.1, 2.0],
        "bool": [True, False, True],
        "text": ["0", "1", "2"],
        "date": [date(2026, 1, day) for day in (1, 2, 3)],
        "at": [NOON - timedelta(days=1), NOON, NOON + timedelta(days=1)],
        "naive": [datetime(2026, 1, day, 12) for day in (1, 2, 3)],  # a column without a zone
        "time": [time(hour) for hour in (1, 2, 3)],
        "took": [timedelta(hours=hours) for hours in (1, 2, 3)],
        "price": pl.Series([Decimal("0.10"), Decimal("1.25"), Decimal("2.00")], dtype=pl.Decimal(10, 2)),
    }
)
FITTING: list[tuple[str, list[object], list[int]]] = [
    ("int", [0.0, 1.0], [2]),
    ("int", [Decimal(0), Decimal("1.0")], [2]),
    ("int", ["0", "1"], [2]),
    ("small", [0.0, 1.0], [2]),
    ("float", [Decimal("0"), Decimal("0.1")], [2]),
    ("float", [0, 2], [1]),
    ("bool", [1], [1]),
    ("bool", [0.0, True], []),
    ("text", ["0", "1"], [2]),
    ("date", [datetime(2026, 1, 1), datetime(2026, 1, 2)], [2]),
    ("date", [datetime(2026, 1, 1, tzinfo=UTC), "2026-01-02T00:00:00Z", "2026-01-03"], []),
    ("at", [NOON, "2026-01-01T12:00:00"], [2]),
    ("naive", [datetime(2026, 1, 1, 12), "2026-01-02T12:00:00"], [2]),
    ("time", [time(1), "02:00:00"], [2]),
    ("took", [timedelta(hours=1), timedelta(hours=2)], [2]),
    ("price", [0.1, Decimal("1.25")], [2]),
    ("price", ["0.10", 2], [1]),
]
BOUNDS: list[tuple[str, object, list[int]]] = [
    ("int", Decimal("1.5"), [2]),
    ("int", 1.0, [2]),
    ("int", "1", [2]),
    ("small", 1.5, [2]),
    ("float", Decimal("0.1"), [2]),
    ("bool", 0, [0, 2]),
    ("text", "1", [2]),
    ("date", datetime(2026, 1, 2, tzinfo=UTC), [2]),
    ("at", NOON, [2]),
    ("at", date(2026, 1, 3), [2]),
    ("time", time(2), [2]),
    ("took", timedelta(hours=2), [2]),
    ("price", Decimal("1.255"), [2]),
    ("price", 1.25, [2]),
]
MISFITS: list[tuple[str, object]] = [
    ("small", -0.5),
    ("int", "one"),
    ("int", True),
    ("bool", 2),
    ("text", 1),
    ("date", NOON),
    ("naive", NOON),
    ("at", "yesterday"),
    ("took", 5),
    ("price", "cheap"),
]


def both_ways(rule: Expect, column: str) -> list[object]:
    """The failed values, as declared and as read back from a suite in JSON."""
    found = []
    for each in (rule, *expectations_from_suite(suite_of([rule], "t"))):
        validation = validate(ROWS.lazy(), [each], name="t")
        assert validation.outcomes[0].error is None
        found.append(validation.refused_rows(ROWS.lazy()).collect()[column].to_list())
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(("column", "values", "strangers"), FITTING, ids=lambda value: str(value)[:40])
def test_a_value_set_is_read_as_the_type_of_its_column(column: str, values: list[object], strangers: list[int]) -> None:
    wanted = ROWS[column].gather(strangers).to_list()
    assert both_ways(Expect(IN_SET, column=column, value_set=values), column) == wanted
    others = ROWS[column].gather([each for each in range(3) if each not in strangers]).to_list()
    assert both_ways(Expect(NOT_IN_SET, column=column, value_set=values), column) == others
    distinct = validate(ROWS.lazy(), [Expect(DISTINCT, column=column, value_set=values)], name="t").outcomes[0]
    assert (distinct.error, distinct.success) == (None, not strangers)


@pytest.mark.parametrize(("column", "bound", "above"), BOUNDS, ids=lambda value: str(value)[:40])
def test_a_bound_is_read_as_the_type_of_its_column(column: str, bound: object, above: list[int]) -> None:
    wanted = ROWS[column].gather(above).to_list()
    assert both_ways(Expect(BETWEEN, column=column, max_value=bound), column) == wanted
    for rule in (Expect(MAX, column=column, max_value=bound),):
        for each in (rule, *expectations_from_suite(suite_of([rule], "t"))):
            outcome = validate(ROWS.lazy(), [each], name="t").outcomes[0]
            assert (outcome.error, outcome.success) == (None, False)


@pytest.mark.parametrize(("column", "value"), MISFITS, ids=str)
def test_what_no_column_of_its_type_can_hold_is_said_of_the_declaration(column: str, value: object) -> None:
    rules = [Expect(kind, column=column, max_value=value) for kind in (BETWEEN, MAX)]
    if column == "small":
        rules = []  # a bound may lie between two values
    for rule in (
        *rules,
        Expect(IN_SET, column=column, value_set=[value]),
        Expect(DISTINCT, column=column, value_set=[value]),
    ):
        validation = validate(ROWS.lazy(), [rule], name="views/t")
        with pytest.raises(InvalidDeclaration, match=f"`{rule.check_name}` of `views/t` does not fit") as error:
            validation.raise_misfit()
        assert f"Column `{column}` is" in str(error.value)


def test_a_rule_that_fits_no_data_is_refused_before_the_write_and_no_row_is_blamed(tmp_path: Path) -> None:
    store = fp.OfflineStore(str(tmp_path))
    rule = Expect(BETWEEN, column="date", max_value=NOON)
    with (
        pytest.raises(InvalidDeclaration, match="Give a date"),
        Run(store, "sources/t") as run,
    ):
        run.publish(Candidate("sources/t", ROWS.select("date"), "v1", [rule]))
    assert not store.exists("sources/t")
    assert not store.exists("quarantine/sources/t")
    mild = Expect(BETWEEN, column="date", max_value=NOON, severity="warning")
    with Run(store, "sources/t") as run:
        assert run.publish(Candidate("sources/t", ROWS.select("date"), "v1", [mild])).commit is not None


def test_a_parameter_left_open_anywhere_inside_is_refused_when_it_is_declared() -> None:
    for value in ([{"$PARAMETER": "x"}], {"a": [{"$PARAMETER": "x"}]}, {"$PARAMETER": "x"}):
        with pytest.raises(InvalidDeclaration, match="leaves `value_set` to a suite parameter"):
            check_supported(Expect(IN_SET, column="int", value_set=value))

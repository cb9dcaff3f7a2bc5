"""`example_frame` makes rows that keep the contract of a source or view."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.rows import feature_rows
from feature_platform.examples.flights import project as flights
from feature_platform.ground.errors import (
    InvalidDeclaration,
    SourceUnreadable,
)
from feature_platform.quality.validation import validate
from feature_platform.testing import example_frame, values_at
from feature_platform_tests.orders import source, spine, view

EVERY_TYPE = pl.DataFrame(
    schema={
        "k": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "seen_at": pl.Datetime("us", "UTC"),
        "n8": pl.Int8,
        "u": pl.UInt64,
        "f": pl.Float32,
        "d": pl.Decimal(10, 2),
        "b": pl.Boolean,
        "day": pl.Date,
        "naive": pl.Datetime("ms"),
        "nano": pl.Datetime("ns", "UTC"),
        "clock": pl.Time,
        "took": pl.Duration("ms"),
        "kind": pl.Enum(["p", "q"]),
        "cat": pl.Categorical,
        "raw": pl.Binary,
        "tags": pl.List(pl.String),
        "pair": pl.Array(pl.Int64, 2),
        "place": pl.Struct({"lat": pl.Float64, "on": pl.Date}),
        "none": pl.Null,
    }
)
typed = source(connector=fp.sources.Frame(EVERY_TYPE), known_at="seen_at")


def expecting(*expectations, schema=EVERY_TYPE.schema, **changes):
    connector = fp.sources.Frame(pl.DataFrame(schema=schema))
    return source(connector=connector, expectations=expectations, **changes)


def rule(name, column=None, **kwargs):
    return fp.Expect(f"expect_{name}", **({"column": column} if column else {}), **kwargs)


def test_every_type_has_values():
    found = example_frame(typed, rows=40)
    assert found.schema == EVERY_TYPE.schema
    assert found.height == 40
    assert found.drop("none").null_count().sum_horizontal().item() == 0


def test_the_same_seed_gives_the_same_rows():
    assert_frame_equal(example_frame(typed), example_frame(typed))
    assert not example_frame(typed).equals(example_frame(typed, seed=1))


def test_a_new_column_changes_no_other():
    wider = expecting(schema={**EVERY_TYPE.schema, "new": pl.Int64}, known_at="seen_at")
    assert_frame_equal(example_frame(wider).drop("new"), example_frame(typed))


def test_example_values_are_pinned():
    found = example_frame(expecting(schema={"k": pl.String, "at": pl.Datetime("us", "UTC"), "x": pl.Int64}), rows=3)
    assert found.select("k", "x").rows() == [("value_2", 17), ("value_2", 61), ("value_0", 10)]


def test_event_times_are_distinct_ascending_and_of_the_30_days_before():
    times = example_frame(typed, rows=500)["at"]
    assert times.is_sorted()
    assert times.n_unique() == 500
    assert datetime(2024, 1, 1, tzinfo=UTC) <= times[0] < datetime(2024, 1, 2, tzinfo=UTC)
    assert datetime(2024, 1, 29, tzinfo=UTC) < times[-1] < datetime(2024, 1, 31, tzinfo=UTC)


def test_nothing_is_known_before_it_happens():
    lags = example_frame(typed).select(pl.col("seen_at") - pl.col("at")).to_series().to_list()
    assert timedelta(0) <= min(lags) <= max(lags) < timedelta(hours=1)


@pytest.mark.parametrize(
    "expectation",
    [
        rule("column_values_to_be_between", "n8", min_value=-3, max_value=4),
        rule("column_values_to_be_between", "n8", min_value=1, max_value=3, strict_min=True, strict_max=True),
        rule("column_values_to_be_between", "f", min_value=0.25, max_value=0.5),
        rule("column_values_to_be_between", "f", max_value=-10),
        rule("column_values_to_be_between", "d", min_value=1000),
        rule(
            "column_values_to_be_between",
            "at",
            min_value=datetime(2020, 5, 1, tzinfo=UTC),
            max_value=datetime(2020, 5, 2, tzinfo=UTC),
        ),
        rule("column_values_to_be_between", "day", min_value=date(2020, 5, 1), max_value=date(2020, 8, 1)),
        rule("column_values_to_not_be_null", "k"),
        rule("column_values_to_be_null", "f"),
        rule("column_values_to_be_in_set", "k", value_set=["UA", "é", "航"]),
        rule("column_values_to_be_in_set", "n8", value_set=[1, 5]),
        rule("column_distinct_values_to_equal_set", "k", value_set=["UA", "DL"]),
        rule("column_distinct_values_to_contain_set", "k", value_set=["UA", "DL"]),
        rule("column_values_to_be_unique", "k"),
        rule("column_values_to_be_unique", "u"),
        rule("column_values_to_be_unique", "f"),
        rule("column_values_to_be_unique", "day"),
        rule("column_values_to_be_increasing", "u"),
        rule("column_values_to_be_decreasing", "f", strictly=True),
        rule("column_value_lengths_to_be_between", "k", min_value=12, max_value=15),
        rule("column_value_lengths_to_equal", "k", value=2),
        rule("column_mean_to_be_between", "f", min_value=-5, max_value=-4),
        rule("column_max_to_be_between", "n8", min_value=3, max_value=7),
        rule("column_pair_values_a_to_be_greater_than_b", column_A="f", column_B="g", or_equal=True),
        rule("column_pair_values_to_be_equal", column_A="f", column_B="g"),
        rule("compound_columns_to_be_unique", column_list=["k", "day"]),
        rule("compound_columns_to_be_unique", column_list=["b", "kind", "n8"]),
        rule("column_to_exist", "k"),
        rule("table_row_count_to_be_between", min_value=1),
    ],
    ids=lambda each: each.check_name.removeprefix("expect_"),
)
def test_example_rows_satisfy_an_expectation(expectation):
    found = example_frame(expecting(expectation, schema={**EVERY_TYPE.schema, "g": pl.Float32}), rows=20)
    result = validate(found.lazy(), [expectation], name="orders")
    assert result.success, [outcome.summary for outcome in result.failures]


def test_expectations_on_one_column_are_satisfied_together():
    rules = [
        rule("column_values_to_be_between", "n8", min_value=0, max_value=50),
        rule("column_mean_to_be_between", "n8", min_value=20, max_value=30, severity="warning"),
        rule("column_values_to_be_unique", "n8"),
        rule("column_values_to_be_in_set", "k", value_set=["a", "b"]),
        rule("column_values_to_be_in_set", "kind", value_set=["p"]),
        rule("compound_columns_to_be_unique", column_list=["k", "b"]),
    ]
    found = example_frame(expecting(*rules), rows=4)
    assert validate(found.lazy(), rules, name="orders").success


@pytest.mark.parametrize(
    ("expectations", "words"),
    [
        ([rule("column_values_to_be_unique", "b")], "`b`, can have 2 different values, not 100"),
        (
            [rule("column_values_to_be_unique", "k"), rule("column_values_to_be_in_set", "k", value_set=["a"])],
            "`k`, can have 1 different values",
        ),
        ([rule("column_values_to_be_between", "n8", min_value=4, max_value=3)], "`n8`, can have 0 different values"),
        ([rule("compound_columns_to_be_unique", column_list=["b"])], "Source `orders`, b, can have 2"),
    ],
)
def test_a_contract_without_room_for_the_rows_is_refused(expectations, words):
    with pytest.raises(InvalidDeclaration, match=f"{words}.*Ask for fewer rows."):
        example_frame(expecting(*expectations))


def test_no_rows_have_all_columns():
    assert example_frame(typed, rows=0).schema == EVERY_TYPE.schema


def test_the_weather_of_the_reference_project_satisfies_its_contract():
    found = example_frame(flights.weather)
    assert found.height == 100
    result = validate(found.lazy(), flights.weather.expectations, name="weather")
    assert result.success, [outcome.summary for outcome in result.failures]


def test_a_row_view_gives_its_feature_rows_and_a_windowed_view_its_events():
    last = view(
        lambda rows: rows.select("k", "at", amount="n8"),
        source=typed.__class__("orders", typed.connector, event_time="at"),
    )
    assert example_frame(last).columns == ["k", "at", "amount"]
    counts = view(lambda rows: rows.filter(pl.col("n8") > 50), source=typed, aggregations=[fp.Count(windows=["1d"])])
    events = example_frame(counts)
    assert events.columns == EVERY_TYPE.columns
    assert min(events["n8"].to_list()) > 50
    assert_frame_equal(events, feature_rows(counts, example_frame(typed).lazy()).collect())


def test_a_view_over_windows_reads_published_example_rows():
    counts = view(source=typed, aggregations=[fp.Count(windows=["1d"])], name="counts")
    trend = example_frame(view(source=counts, name="trend"))
    assert trend.columns == ["k", "as_of", "count_1d", "known_at"]
    assert min(trend["count_1d"].to_list()) >= 1
    over_rows = view(source=view(source=typed, name="last"), name="again")
    assert example_frame(over_rows).height == 100


def test_example_rows_can_be_asked():
    counts = view(source=typed, aggregations=[fp.Count(windows=["30d"])])
    asked = spine(
        *((key, datetime(2024, 1, 31, tzinfo=UTC)) for key in ("value_0", "value_1", "value_2", "value_3", "value_4"))
    )
    found = values_at(counts, {"orders": example_frame(typed)}, asked).collect()
    assert found["count_30d"].sum() >= 98  # all but what is known only after the end


def test_a_source_that_is_not_there_has_no_columns():
    with pytest.raises(SourceUnreadable, match="Source `orders`"):
        example_frame(source(connector=fp.sources.Csv("nowhere.csv")))

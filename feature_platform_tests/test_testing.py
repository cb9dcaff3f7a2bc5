"""`values_at` says what a view means; `example_frame` makes rows that keep their contract."""

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.features import joined_features
from feature_platform.compute.rows import feature_rows, window_rows
from feature_platform.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingColumns,
    NotUtc,
    SourceUnreadable,
    UnknownName,
)
from feature_platform.examples.flights import project as flights
from feature_platform.quality.validation import validate
from feature_platform.testing import example_frame, values_at

FIRST = datetime(2013, 3, 4, tzinfo=UTC)  # a Monday
FRAME = fp.sources.Frame(pl.DataFrame({"k": ["a"]}))
customer = fp.Entity("customer", ["k"])


def at(hour):
    return FIRST + timedelta(hours=hour)


def source(**changes):
    return fp.Source("orders", changes.pop("connector", FRAME), **{"event_time": "at"} | changes)


def view(function=lambda rows: rows, **changes):
    return fp.feature_view(**{"entity": customer, "source": source(), "name": "spending"} | changes)(function)


def spine(*rows):
    return pl.DataFrame(rows, schema={"k": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}, orient="row")


def said(of, frame, asked, *features, name="orders"):
    return values_at(of, {name: frame}, asked).select(*features).collect().rows()


EVENTS = pl.DataFrame({"k": ["a", "a", "b"], "at": [at(1), at(30), at(2)], "x": [1, 2, 3]})


# ---------------------------------------------------------------- values_at


def test_a_row_view_says_its_newest_row():
    asked = spine(("a", at(29)), ("b", at(2)), ("a", at(30)), ("b", at(1)))
    assert said(view(ttl="28h"), EVENTS, asked, "x") == [(1,), (3,), (2,), (None,)]
    assert said(view(ttl="27h"), EVENTS, asked, "x")[0] == (None,)


def test_a_windowed_view_says_its_newest_published_instant():
    daily = view(aggregations=[fp.Sum("x", windows=["1d"]), fp.Count(windows=["2d"])])
    asked = spine(("a", at(23)), ("a", at(24)), ("a", at(47)), ("a", at(48)), ("c", at(48)), (None, at(48)))
    assert said(daily, EVENTS, asked, "x_sum_1d", "count_2d") == [(0, 0), (1, 1), (1, 1), (2, 2), (0, 0), (None, None)]


def test_values_are_out_only_after_the_delay():
    delayed = view(aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(every="1d", delay="2h"))
    asked = spine(("a", at(25)), ("a", at(26)), ("a", at(49)), ("a", at(50)))
    assert said(delayed, EVENTS, asked, "count_1d") == [(0,), (1,), (1,), (1,)]


def test_values_older_than_the_ttl_are_null():
    aged = view(aggregations=[fp.Count(windows=["1d"])], ttl="3h")
    asked = spine(("a", at(27)), ("a", at(27.01)), ("c", at(27)))
    assert said(aged, EVENTS, asked, "count_1d") == [(1,), (None,), (0,)]


def test_an_exact_view_ends_at_the_spine():
    exact = view(aggregations=[fp.Count(windows=["2h"])], accuracy="exact")
    assert said(exact, EVENTS, spine(("a", at(1)), ("a", at(1.5)), ("a", at(3.5))), "count_2h") == [(0,), (1,), (0,)]


def test_events_count_from_their_known_at_on():
    late = EVENTS.with_columns(seen_at=pl.Series([at(24), at(30), at(25)]))
    counts = view(aggregations=[fp.Count(windows=["1d"])], source=source(known_at="seen_at"))
    assert said(counts, late, spine(("a", at(24)), ("b", at(24))), "count_1d") == [(1,), (0,)]


def test_a_global_view_says_one_value():
    everyone = view(entity=None, aggregations=[fp.Count(windows=["1d"])])
    assert said(everyone, EVENTS, spine(("a", at(24)), (None, at(24))), "count_1d") == [(2,), (2,)]


def test_facts_need_no_clock():
    facts = view(source=fp.Source("shops", FRAME))
    assert said(facts, pl.DataFrame({"k": ["a"], "city": ["Oslo"]}), spine(("a", at(0))), "city", name="shops") == [
        ("Oslo",)
    ]


def parsed(rows):
    return rows.with_columns(at=pl.col("when").str.to_datetime("%Y-%m-%d", time_zone="UTC"), x=pl.col("x") * 10)


def parsed_in_place(rows):
    return rows.with_columns(pl.col("at").str.to_datetime("%Y-%m-%d", time_zone="UTC"), x=pl.col("x") * 10)


@pytest.mark.parametrize(("prepare", "column"), [(parsed, "when"), (parsed_in_place, "at")])
def test_a_raw_frame_is_prepared_and_a_prepared_one_is_not(prepare, column):
    of = view(source=source(prepare=prepare))
    raw = pl.DataFrame({"k": ["a"], column: ["2013-03-04"], "x": [1]})
    assert said(of, raw, spine(("a", at(1))), "x") == [(10,)]
    assert said(of, EVENTS, spine(("a", at(1))), "x") == [(1,)]


def test_a_view_over_a_view_reads_the_rows_of_that_view():
    counts = view(aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(delay="1h"), name="counts")
    trend = view(source=counts, name="trend")
    rows = window_rows(counts, EVENTS.lazy(), at(0), at(48))
    asked = spine(("a", at(24.5)), ("a", at(25)), ("a", at(49)))
    assert said(trend, rows, asked, "count_1d", name="counts") == [(None,), (1,), (1,)]


def test_the_spine_comes_back_as_it_was():
    asked = spine(("b", at(48)), ("a", at(24)), ("a", at(24))).with_columns(note=pl.Series(["p", "q", None]))
    for of in (view(), view(aggregations=[fp.Count(windows=["1d"])])):
        assert_frame_equal(values_at(of, {"orders": EVENTS}, asked).select(asked.columns).collect(), asked)


def test_a_wrong_source_name_is_refused():
    with pytest.raises(UnknownName, match=r"The frames given to `values_at` has no source `orders`. It has: order."):
        values_at(view(), {"order": EVENTS}, spine())


@pytest.mark.parametrize("of", [view(), view(aggregations=[fp.Count(windows=["1d"])])])
def test_a_spine_or_frame_that_cannot_be_used_is_refused(of):
    asked = spine(("a", at(0)))
    with pytest.raises(MissingColumns, match="`k`"):
        values_at(of, {"orders": EVENTS}, asked.drop("k"))
    with pytest.raises(NotUtc, match="The spine: column `event_timestamp`"):
        values_at(of, {"orders": EVENTS}, asked.with_columns(pl.col("event_timestamp").dt.replace_time_zone(None)))
    with pytest.raises(NotUtc, match="The frame of source `orders`: column `at`"):
        values_at(of, {"orders": EVENTS.with_columns(pl.col("at").dt.replace_time_zone(None))}, asked)
    with pytest.raises(ColumnCollision, match=r"x|count_1d"):
        values_at(of, {"orders": EVENTS}, asked.with_columns(x=1, count_1d=1))


def naive(events, key, t, *, every, delay, ttl, window, lag):
    """Rules 5 to 7: values of x in the window of the newest instant that is out; None when expired."""
    if key is None:
        return None
    since_monday = int((t - FIRST).total_seconds() // 3600) - delay
    instant = since_monday - since_monday % every
    if ttl is not None and (t - FIRST).total_seconds() / 3600 - instant > ttl:
        return None
    return [
        x
        for other, hour, x in sorted(events, key=lambda event: event[1])
        if other == key and instant - window <= hour < instant and hour + lag <= instant
    ]


KEYS = st.sampled_from(["a", "b", None])
HOURS = st.integers(-30, 60)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    events=st.lists(st.tuples(KEYS, HOURS, st.one_of(st.none(), st.integers(-5, 5))), max_size=12),
    asked=st.lists(st.tuples(KEYS, HOURS), max_size=6),
    every=st.sampled_from([1, 6, 24, 168]),
    delay=st.sampled_from([0, 1, 30]),
    ttl=st.sampled_from([None, 1, 24]),
    window=st.sampled_from([1, 24, 48]),
    lag=st.sampled_from([0, 2]),
)
def test_a_snapshot_is_what_the_naive_definition_says(events, asked, every, delay, ttl, window, lag):
    length = f"{window}h"
    of = view(
        aggregations=[
            fp.Count(windows=[length]),
            *(kind("x", windows=[length]) for kind in (fp.Sum, fp.Mean, fp.Max, fp.Last)),
        ],
        cadence=fp.Cadence(every=f"{every}h", delay=f"{delay}h" if delay else None),
        ttl=None if ttl is None else f"{ttl}h",
        source=source(known_at="seen_at"),
    )
    frame = pl.DataFrame(
        [(key, at(hour), at(hour + lag), x) for key, hour, x in events],
        schema={"k": pl.String, "at": pl.Datetime("us", "UTC"), "seen_at": pl.Datetime("us", "UTC"), "x": pl.Int64},
        orient="row",
    )
    rows = spine(*((key, at(hour)) for key, hour in asked))
    found = values_at(of, {"orders": frame}, rows).collect()
    assert found.select("k", "event_timestamp").equals(rows)
    for row, (key, hour) in zip(found.drop("k", "event_timestamp").rows(), asked, strict=True):
        inside = naive(events, key, at(hour), every=every, delay=delay, ttl=ttl, window=window, lag=lag)
        values = [x for x in inside or [] if x is not None]
        mean = math.fsum(values) / len(values) if values else None
        wanted = (
            (len(inside), sum(values), mean, max(values, default=None), values[-1] if values else None)
            if inside is not None
            else (None,) * 5
        )
        assert row == pytest.approx(wanted), (key, hour)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    events=st.lists(st.tuples(KEYS, HOURS, st.integers(-5, 5)), max_size=8),
    asked=st.lists(st.tuples(KEYS, HOURS), min_size=1, max_size=5),
    delay=st.sampled_from([None, "1h", "30h"]),
    ttl=st.sampled_from([None, "12h"]),
)
def test_values_at_says_what_the_published_table_says(events, asked, delay, ttl):
    of = view(
        aggregations=[fp.Count(windows=["1d"]), fp.Mean("x", windows=["2d"])],
        cadence=fp.Cadence(every="6h", delay=delay),
        ttl=ttl,
    )
    frame = pl.DataFrame(
        [(key, at(hour), x) for key, hour, x in events],
        schema={"k": pl.String, "at": pl.Datetime("us", "UTC"), "x": pl.Int64},
        orient="row",
    )
    rows = spine(*((key, at(hour)) for key, hour in asked))
    published = window_rows(of, frame.lazy(), at(-24 * 10), at(24 * 10))
    stored = joined_features(fp.FeatureService("s", [of]), rows.lazy(), {of.asset: published})
    assert_frame_equal(values_at(of, {"orders": frame}, rows).collect(), stored.collect())


# ---------------------------------------------------------------- example_frame

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
    lag = example_frame(typed).select(pl.col("seen_at") - pl.col("at")).to_series()
    assert timedelta(0) <= lag.min() <= lag.max() < timedelta(hours=1)


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
    assert result.success, [outcome.summary for outcome in result.failed]


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
    assert result.success, [outcome.summary for outcome in result.failed]


def test_a_row_view_gives_its_feature_rows_and_a_windowed_view_its_events():
    last = view(
        lambda rows: rows.select("k", "at", amount="n8"),
        source=typed.__class__("orders", typed.connector, event_time="at"),
    )
    assert example_frame(last).columns == ["k", "at", "amount"]
    counts = view(lambda rows: rows.filter(pl.col("n8") > 50), source=typed, aggregations=[fp.Count(windows=["1d"])])
    events = example_frame(counts)
    assert events.columns == EVERY_TYPE.columns
    assert events["n8"].min() > 50
    assert_frame_equal(events, feature_rows(counts, example_frame(typed).lazy()).collect())


def test_a_view_over_windows_reads_published_example_rows():
    counts = view(source=typed, aggregations=[fp.Count(windows=["1d"])], name="counts")
    trend = example_frame(view(source=counts, name="trend"))
    assert trend.columns == ["k", "as_of", "count_1d", "known_at"]
    assert trend["count_1d"].min() >= 1
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

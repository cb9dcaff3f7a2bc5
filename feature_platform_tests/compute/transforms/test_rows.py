"""What a declaration makes of rows, and one clear error where it makes nothing of them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.rows import (
    as_events,
    drop_default_rows,
    feature_names,
    feature_rows,
    outcome_rows,
    prepare_rows,
    window_rows,
)
from feature_platform.ground.errors import MissingColumns, NotUtc, TransformFailed, WrongColumnType

FRAME = fp.sources.Frame(pl.DataFrame({"k": ["a"]}))
orders = fp.Source("orders", FRAME, event_time="at")
lagging = fp.Source("lagging", FRAME, event_time="at", known_at="seen_at")
facts = fp.Source("facts", FRAME)
customer = fp.Entity("customer", ["k"])


def at(hour):
    return datetime(2013, 3, 1, tzinfo=UTC) + timedelta(hours=hour)


EVENTS = pl.LazyFrame(
    {"k": ["a", "a", "b", "a"], "at": [at(1), at(2), at(1), at(1)], "x": [1, 2, 3, 4], "note": list("pqrs")}
)


def source(prepare, **changes):
    return fp.Source("orders", FRAME, **{"event_time": "at", "prepare": prepare} | changes)


def view(function=lambda rows: rows, **changes):
    fields: dict[str, Any] = {"entity": customer, "source": orders, "name": "spending"} | changes
    return fp.feature_view(**fields)(function)


def label(function=lambda rows: rows, **changes):
    fields: dict[str, Any] = {"entity": customer, "source": orders, "name": "churned"} | changes
    return fp.label(**fields)(function)


OWNERS = {
    "Source `orders`: prepare": lambda function: prepare_rows(source(function), EVENTS),
    "Feature view `spending`: its function": lambda function: feature_rows(view(function), EVENTS),
    "Label `churned`: its function": lambda function: outcome_rows(label(function), EVENTS),
}


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda rows: None, ["returned NoneType", "Return a Polars LazyFrame"]),
        (lambda rows: rows.select("x").collect()["x"], ["returned Series"]),
        (lambda rows: rows.select("amount"), ["ColumnNotFoundError", "amount", "It was given: k, at, x, note."]),
        (lambda rows: rows.filter(pl.col("amount") > 1), ["amount", "It was given: k, at, x, note."]),
        (lambda rows: rows.collect().select(pl.col("note").cast(pl.Int64)), ["InvalidOperationError", "It was given"]),
    ],
    ids=["None", "a series", "a missing column", "a filter", "a failing cast"],
)
def test_a_function_that_fails_is_one_error_that_says_whose_it_is(owner, function, words):
    with pytest.raises(TransformFailed) as raised:
        OWNERS[owner](function)
    message = str(raised.value)
    assert message.startswith(f"{owner} ")
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda rows: rows.drop("at"), MissingColumns, ["`at`", "It has: k, x, note"]),
        (lambda rows: rows.with_columns(pl.col("at").dt.replace_time_zone(None)), NotUtc, ["`at`", "zone"]),
        (
            lambda rows: rows.with_columns(pl.col("at").dt.to_string("iso")),
            NotUtc,
            ["`at` is String", "str.to_datetime"],
        ),
        (lambda rows: rows.with_columns(pl.col("at").dt.date()), NotUtc, ["`at` is Date"]),
        (lambda rows: rows.with_columns(at=1), WrongColumnType, ["`at`", "a time with a zone"]),
    ],
    ids=["dropped", "naive", "text", "date", "number"],
)
def test_a_clock_that_is_lost_or_unclear_is_refused(owner, function, error, words):
    with pytest.raises(error) as raised:
        OWNERS[owner](function)
    message = str(raised.value)
    assert message.startswith(owner.split(":")[0])
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("made", [lambda f: feature_rows(view(f), EVENTS), lambda f: outcome_rows(label(f), EVENTS)])
def test_a_lost_join_key_is_refused(made):
    with pytest.raises(MissingColumns, match=r"lacks the column.*`k`. It has: at, x, note"):
        made(lambda rows: rows.drop("k"))


def test_a_lost_known_at_is_refused():
    events = EVENTS.with_columns(seen_at="at")
    with pytest.raises(MissingColumns, match="`seen_at`"):
        feature_rows(view(lambda rows: rows.drop("seen_at"), source=lagging), events)
    with pytest.raises(MissingColumns, match="`seen_at`"):
        outcome_rows(label(lambda rows: rows.drop("seen_at"), source=lagging), events)


def test_clocks_become_microseconds_of_utc():
    oslo = timezone(timedelta(hours=1))
    raw = pl.LazyFrame({"at": [datetime(2013, 3, 1, 1, tzinfo=oslo)]}).with_columns(
        pl.col("at").dt.convert_time_zone("Europe/Oslo").dt.cast_time_unit("ns"), seen_at=None
    )
    found = prepare_rows(fp.Source("s", FRAME, event_time="at", known_at="seen_at"), raw).collect()
    assert found.schema == {"at": pl.Datetime("us", "UTC"), "seen_at": pl.Datetime("us", "UTC")}
    assert found.rows() == [(at(0), None)]


def test_rows_without_prepare_or_clocks_are_as_they_were():
    raw = pl.LazyFrame({"k": ["a"], "when": [datetime(2013, 1, 1)]})
    assert_frame_equal(prepare_rows(facts, raw), raw)


def test_prepare_may_return_an_eager_frame():
    assert prepare_rows(source(lambda rows: rows.collect()), EVENTS).collect().height == 4


def test_of_rows_of_one_key_and_instant_the_last_is_kept():
    found = feature_rows(view(), EVENTS).collect()
    assert found["x"].to_list() == [2, 3, 4]


def test_known_at_tells_rows_of_one_event_time_apart():
    events = EVENTS.with_columns(seen_at=pl.Series([at(1), at(2), at(1), at(5)]))
    assert feature_rows(view(source=lagging), events).collect()["x"].to_list() == [1, 2, 3, 4]


def test_of_facts_the_last_row_of_a_key_is_kept():
    assert feature_rows(view(source=facts), EVENTS).collect().select("k", "x").rows() == [("b", 3), ("a", 4)]


def test_of_global_facts_the_last_row_is_kept():
    assert feature_rows(view(source=facts, entity=None), EVENTS).collect()["x"].to_list() == [4]


def test_of_global_rows_the_last_of_each_instant_is_kept():
    assert feature_rows(view(entity=None), EVENTS).collect()["x"].to_list() == [2, 4]


def test_a_windowed_view_keeps_all_events():
    found = feature_rows(view(aggregations=[fp.Count(windows=["1d"])]), EVENTS).collect()
    assert found.height == 4


@pytest.mark.parametrize(
    ("aggregation", "error", "words"),
    [
        (fp.Mean("amount", windows=["1d"]), MissingColumns, ["`spending`, Mean('amount'", "`amount`", "It has: k, at"]),
        (fp.Rate(pl.col("late") > 1, name="l", windows=["1d"]), MissingColumns, ["`late`"]),
        (fp.Sum("note", windows=["1d"]), WrongColumnType, ["Sum('note'", "`note` is String", "number", "Cast it"]),
    ],
)
def test_an_aggregation_that_cannot_be_computed_is_refused_with_its_view(aggregation, error, words):
    with pytest.raises(error) as raised:
        feature_rows(view(aggregations=[aggregation]), EVENTS)
    assert [word for word in words if word not in str(raised.value)] == [], str(raised.value)


def test_windows_are_rows_of_the_view_for_its_instants():
    counts = view(aggregations=[fp.Count(windows=["1d"])])
    rows = window_rows(counts, EVENTS, at(0), at(24)).collect()
    assert rows.rows() == [(None, at(24), 0), ("a", at(24), 3), ("b", at(24), 1)]
    assert drop_default_rows(counts, rows.lazy()).collect().rows() == [("a", at(24), 3), ("b", at(24), 1)]
    late = view(aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(delay="2h"))
    assert as_events(late, rows.lazy()).collect()["known_at"].to_list() == [at(26), at(26)]


def test_a_view_over_windows_reads_them_once_they_are_out():
    counts = view(aggregations=[fp.Count(windows=["1d"])], cadence=fp.Cadence(delay="2h"))
    trend = view(lambda rows: rows.rename({"count_1d": "orders"}), source=counts, name="trend")
    rows = as_events(counts, window_rows(counts, EVENTS, at(0), at(24)))
    found = feature_rows(trend, rows).collect()
    assert found.select("k", "as_of", "known_at", "orders").rows() == [
        ("a", at(24), at(26), 3),
        ("b", at(24), at(26), 1),
    ]
    assert feature_names(trend, found.schema) == ("orders",)


def test_features_are_the_columns_that_are_neither_keys_nor_clocks():
    schema = EVENTS.with_columns(seen_at="at").collect_schema()
    assert feature_names(view(source=lagging), schema) == ("x", "note")
    assert feature_names(view(source=facts), schema) == ("at", "x", "note", "seen_at")
    assert feature_names(view(aggregations=[fp.Count(windows=["1d", "2d"])]), schema) == ("count_1d", "count_2d")


def test_outcomes_keep_every_row_and_its_clocks():
    assert outcome_rows(label(), EVENTS).collect().height == 4
    known = label(lambda rows: rows.with_columns(paid_at="at"), known_at="paid_at")
    assert outcome_rows(known, EVENTS).collect()["paid_at"].to_list() == [at(1), at(2), at(1), at(1)]

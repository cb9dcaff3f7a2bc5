"""`values_at` says what a view means, on literal frames."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.features.service import join_features
from feature_platform.compute.transforms.rows import window_rows
from feature_platform.ground.errors import (
    ColumnCollision,
    MissingColumns,
    NotUtc,
    UnknownName,
)
from feature_platform.testing import values_at
from feature_platform_tests.effort import tries
from feature_platform_tests.orders import FIRST, FRAME, at, source, spine, view


def said(of, frame, asked, *features, name="orders"):
    return values_at(of, {name: frame}, asked).select(*features).collect().rows()


EVENTS = pl.DataFrame({"k": ["a", "a", "b"], "at": [at(1), at(30), at(2)], "x": [1, 2, 3]})


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


@settings(derandomize=True, deadline=None, max_examples=tries(60))
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


@settings(derandomize=True, deadline=None, max_examples=tries(30))
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
    stored = join_features(fp.FeatureService("s", [of]), rows.lazy(), {of.asset: published})
    assert_frame_equal(values_at(of, {"orders": frame}, rows).collect(), stored.collect())

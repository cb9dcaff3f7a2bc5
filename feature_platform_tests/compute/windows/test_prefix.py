from datetime import datetime, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import window_features
from feature_platform.compute.windows.prefix import totals_over
from feature_platform.parts.aggregations import Any as AtLeastOnce
from feature_platform.parts.aggregations import Count, First, Last, Rate, Sum
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.windows.ranges import line_of, ranges_of

ANY = ["1d"]


@DRAWN
@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), max_size=30))
def test_counts_shares_and_ends_are_those_of_the_gathered_range(values):
    line, (low, high) = line_of(values, pl.Int64), ranges_of(values)
    for aggregation in (
        Count(windows=ANY),
        Count("x", windows=ANY),
        Rate((pl.col("x") > 0) & (pl.col("text") != "7"), name="positive", windows=ANY),
        AtLeastOnce((pl.col("x") > 0) & (pl.col("text") != "7"), name="positive", windows=ANY),
        First("text", windows=ANY),
        Last("text", windows=ANY),
    ):
        over_ranges = totals_over(aggregation, line)
        assert over_ranges is not None
        found = over_ranges(low, high)
        over = aggregation.over(line.events.schema)
        wanted = [
            line.events[i:j].select(over).to_series()[0] for i, j in zip(low.tolist(), high.tolist(), strict=True)
        ]
        assert found.to_list() == wanted, aggregation


def test_conditions_that_look_at_more_than_one_row_and_users_aggregations_are_left_to_others():
    x = pl.col("x")
    conditions = (x > x.mean(), x.shift(1) > 0, x.map_batches(lambda s: s > 0, return_dtype=pl.Boolean))
    aggregations = [kind(each, name="above", windows=ANY) for each in conditions for kind in (Rate, AtLeastOnce)]
    aggregations += map(of_a_user, [Count(windows=ANY), First("x", windows=ANY)])
    for aggregation in [*aggregations, Sum("x", windows=ANY)]:
        assert totals_over(aggregation, line_of([1.0, 2.0])) is None


@pytest.mark.parametrize("kind", [Rate, AtLeastOnce])
def test_a_condition_says_of_one_event_what_it_says_of_it_among_others(kind):
    tenths = [number / 10 for number in range(1, 60)]
    exact = kind(pl.col("x") / 10 == pl.col("y"), name="exact", windows=["2d"])
    first, second = (datetime(2013, 3, day, tzinfo=timezone.utc) for day in (1, 2))
    events = pl.DataFrame({"key": range(59), "at": [first] * 59, "x": range(1, 60), "y": tenths})
    events = events.with_columns(pl.col("x").cast(pl.Float64))

    def rates(some):
        spine = some.select("key", t=pl.lit(second))
        found = window_features(spine, some, on=["key"], aggregations=[exact], spine_time="t", event_time="at")
        return found.collect()[exact.features[0]]

    alone = pl.concat([rates(events[place]) for place in range(59)])
    assert alone.to_list() == rates(events).to_list()

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.aggregations import Count, CountDistinct, First, Last, Mean, Min, Rate, Std, Sum, Var
from feature_platform.clock import UTC
from feature_platform.compute.prefix import exactly, summed
from feature_platform.compute.timeline import timeline
from feature_platform_tests.compute.drawn import DRAWN

ANY = ["1d"]
NASTY = st.one_of(
    st.sampled_from([1e16, 1.0, -1e16, 1e100, -1e100, 1e-100, 0.0, 0.1]),
    st.floats(-1e120, 1e120),
    st.floats(-10, 10),
)
NUMBERS = st.lists(NASTY, min_size=1, max_size=40)


def line_of(values, dtype=pl.Float64, known_at=None):
    events = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).with_row_index("t")
    events = events.with_columns(pl.col("t").cast(pl.Int64).cast(UTC), text=pl.col("x").cast(pl.String))
    return timeline(events, {}, event_time="t", known_at=known_at, inputs=["x", "text"], owner="test")


def ranges_of(values):
    low, high = zip(*[(i, j) for i in range(len(values) + 1) for j in range(i, len(values) + 1)], strict=True)
    return np.array(low), np.array(high)


def exact_variance(values):
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    return float(sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))


# ---------------------------------------------------------------- laws


@DRAWN
@given(NUMBERS)
def test_sums_that_are_vouched_for_are_within_a_billionth_of_the_sum_of_magnitudes(values):
    line, (low, high) = line_of(values), ranges_of(values)
    for aggregation in (Sum("x", windows=ANY), Mean("x", windows=ANY)):
        found, doubtful = summed(aggregation, line)(low, high)
        for i, j, total, doubt in zip(low, high, found, doubtful, strict=True):
            size = j - i if isinstance(aggregation, Mean) else 1
            if size == 0:
                assert total is None
            elif not doubt:
                held = values[i:j]
                assert abs(total * size - math.fsum(held)) <= 1e-9 * math.fsum(map(abs, held))


@DRAWN
@given(NUMBERS)
def test_spreads_that_are_vouched_for_are_within_a_billionth_of_themselves(values):
    line, (low, high) = line_of(values), ranges_of(values)
    variances, doubtful = summed(Var("x", windows=ANY), line)(low, high)
    deviations, _ = summed(Std("x", windows=ANY), line)(low, high)
    for i, j, variance, deviation, doubt in zip(low, high, variances, deviations, doubtful, strict=True):
        if j - i < 2:
            assert variance is None
            assert deviation is None
        elif not doubt:
            assert variance == pytest.approx(exact_variance(values[i:j]), rel=1e-9, abs=0)
            assert deviation == pytest.approx(math.sqrt(exact_variance(values[i:j])), rel=1e-9, abs=0)


@DRAWN
@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), max_size=30))
def test_whole_sums_counts_shares_and_ends_are_those_of_the_gathered_range(values):
    line, (low, high) = line_of(values, pl.Int64), ranges_of(values)
    for aggregation in (
        Count(windows=ANY),
        Count("x", windows=ANY),
        Sum("x", windows=ANY),
        Rate((pl.col("x") > 0) & (pl.col("text") != "7"), name="positive", windows=ANY),
        First("text", windows=ANY),
        Last("text", windows=ANY),
    ):
        found = exactly(aggregation, line)(low, high)
        over = aggregation.over(line.events.schema)
        wanted = [
            line.events[i:j].select(over).to_series()[0] for i, j in zip(low.tolist(), high.tolist(), strict=True)
        ]
        assert found.to_list() == wanted, aggregation


# ---------------------------------------------------------------- literal cases


def test_what_cancels_in_the_window_leaves_the_small_change():
    found, doubtful = summed(Sum("x", windows=ANY), line_of([1e16, 1.0, -1e16]))(np.array([0]), np.array([3]))
    assert found.to_list() == [1.0]
    assert not doubtful.any()


def test_what_a_huge_value_before_the_window_swallowed_is_doubted():
    values = [1e100, 1.0, 2.0]
    _, doubtful = summed(Sum("x", windows=ANY), line_of(values))(np.array([1, 0]), np.array([3, 3]))
    assert doubtful.tolist() == [True, False]


def test_ordinary_numbers_are_never_doubted():
    values = np.random.default_rng(0).normal(15, 40, 20_000)
    low = np.arange(0, 19_000)
    for aggregation in (Sum("x", windows=ANY), Std("x", windows=ANY)):
        found, doubtful = summed(aggregation, line_of(values))(low, low + 1_000)
        assert not doubtful.any()
        exact = math.fsum(values[:1000]) if isinstance(aggregation, Sum) else values[:1000].std(ddof=1)
        assert found[0] == pytest.approx(exact, rel=1e-12)


def test_a_mean_far_above_the_spread_is_doubted_where_it_is_not_that_of_the_key():
    values = [0.0] * 50 + [1e9 + each for each in range(50)]
    _, doubtful = summed(Var("x", windows=ANY), line_of(values))(np.array([0, 60]), np.array([100, 90]))
    assert doubtful.tolist() == [False, True]


def test_totals_beyond_the_range_of_floats_are_gathered():
    for aggregation in (Sum("x", windows=ANY), Mean("x", windows=ANY), Std("x", windows=ANY)):
        assert summed(aggregation, line_of([1.7e308, 1.7e308, 1.0])) is None


def test_running_totals_do_not_know_when_events_were_known():
    line = line_of([1.0, 2.0], known_at="t")
    assert exactly(Count(windows=ANY), line) is None
    assert summed(Sum("x", windows=ANY), line) is None


def test_what_cannot_be_undone_is_gathered():
    class Doubled(Sum):
        """An aggregation of a user, which is not the sum it inherits from."""

    aggregations = [Min("x", windows=ANY), CountDistinct("x", windows=ANY), Doubled("x", windows=ANY)]
    x = pl.col("x")
    conditions = (x > x.mean(), x.shift(1) > 0, x.map_batches(lambda s: s > 0, return_dtype=pl.Boolean))
    aggregations += [Rate(condition, name="above", windows=ANY) for condition in conditions]
    for aggregation in aggregations:
        assert exactly(aggregation, line_of([1.0, 2.0])) is None
        assert summed(aggregation, line_of([1.0, 2.0])) is None

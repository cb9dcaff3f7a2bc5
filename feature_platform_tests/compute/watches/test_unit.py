"""The watch of units."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.watches import Unit
from feature_platform.compute.watches.unit import UNITS
from feature_platform_tests.compute.watches.world import column, looked, only, table
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(80))
FACTORS = st.sampled_from(sorted({each for unit in UNITS for each in (unit, 1 / unit)}))
BEFORE = [column(at, mean=12.0 + 0.2 * (at % 3), deviation=3.0 + 0.05 * (at % 2)) for at in range(8)]


def seen(mean, deviation, history=BEFORE, **told):
    return only(Unit(), history, [column(20, mean=mean, deviation=deviation, **told)])


@given(factor=FACTORS, mean=st.floats(12.0, 12.4), deviation=st.floats(3.0, 3.05))
@DRAWN
def test_every_known_factor_is_seen_where_earlier_partitions_hardly_moved(factor, mean, deviation):
    sight = seen(mean * factor, deviation * factor)
    assert sight.wrong
    assert sight.threshold == pytest.approx(factor)


@given(FACTORS, st.floats(1e-100, 1e6), st.sampled_from([-1, 1]))
@DRAWN
def test_the_scale_and_sign_of_a_column_make_no_difference(factor, size, sign):
    scale = size * sign
    history = [{**row, "mean": row["mean"] * scale, "deviation": row["deviation"] * abs(scale)} for row in BEFORE]
    assert seen(12.1 * scale * factor, 3.0 * abs(scale) * factor, history).wrong


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.3, 1.5, 3.0, 7.0, 0.8, 35.0, 5000.0])
def test_other_factors_are_no_units(factor):
    assert seen(12.2 * factor, 3.0 * factor).wrong is False


def test_the_sentence_has_the_numbers():
    sight = seen(12_100.0, 3000.0)
    assert sight.severity == "critical"
    assert sight.evidence == (
        "The mean is 12,100 and the deviation 3,000, where 12.2 and 3.025 are usual: "
        "1,000 times as much, as if the unit had changed."
    )
    assert "1/60 of it" in seen(12.2 / 60, 3.0 / 60).evidence


def test_a_shift_or_an_outlier_is_no_unit():
    assert seen(122.0, 3.0).wrong is False  # the mean alone
    assert seen(12.2, 30.0).wrong is False  # the deviation alone
    assert seen(122.0, 3000.0).wrong is False  # one enormous value


def test_a_hundredfold_in_one_of_ten_stores_is_not_called_ten_times_as_much_in_all():
    restless = [column(at, mean=12.0, deviation=3.0 * 4 ** (at % 2)) for at in range(8)]
    stores = seen(120.0, 6.0 * 30, restless)  # the mean is ten times as large, the deviation thirty times
    assert stores.wrong is False
    assert "times as much" not in stores.evidence
    assert seen(120.0, 6.0 * 10, restless).wrong is True


def test_a_restless_deviation_must_have_come_near_the_factor():
    restless = [column(at, mean=12.0, deviation=3.0 * 4 ** (at % 2)) for at in range(8)]
    assert seen(120.0, 75.0, restless).wrong is True
    assert seen(120.0, 7.5, restless).wrong is False


def test_numbers_that_wander_as_far_by_themselves_have_no_unit():
    restless = [column(at, mean=12.0 * 10 ** (at % 3), deviation=3.0 * 10 ** (at % 3)) for at in range(9)]
    assert seen(120.0, 30.0, restless).wrong is False
    once = [*BEFORE, column(9, mean=12_000.0, deviation=3000.0)]
    assert seen(12_000.0, 3000.0, once).wrong is False


def test_a_column_around_zero_is_told_by_its_deviation():
    history = [column(at, mean=0.01 * (-1) ** at, deviation=3.0) for at in range(8)]
    assert seen(-4.0, 3000.0, history).wrong
    assert seen(0.0, 3000.0, history).wrong
    assert seen(0.0, 3.0, history).wrong is False


def test_a_constant_has_no_unit():
    history = [column(at, mean=1.0, deviation=0.0) for at in range(8)]
    assert seen(10.0, 0.0, history).wrong is False
    assert seen(10.0, 1.0, history).wrong is False
    zeros = [column(at, mean=0.0, deviation=0.0) for at in range(8)]
    assert seen(0.0, 0.0, zeros).wrong is False
    assert seen(5.0, 1.0, zeros).wrong is False


def test_too_few_values_or_earlier_partitions_say_nothing():
    assert seen(12_000.0, 3000.0, BEFORE[:4]).wrong is None
    assert seen(12_000.0, 3000.0, rows=29).wrong is None
    assert seen(12_000.0, 3000.0, rows=1000, nulls=975).wrong is None
    assert seen(12_000.0, 3000.0, [{**row, "rows": 20} for row in BEFORE]).wrong is None
    assert seen(12_000.0, 3000.0, rows=30).wrong is True


@pytest.mark.parametrize("mean", [None, math.nan, math.inf])
def test_columns_without_a_mean_are_not_looked_at(mean):
    assert Unit().look(looked(BEFORE, [table(20), column(20, mean=mean)])) == []


@pytest.mark.parametrize(("before", "after"), [(1e-300, 1e300), (1e300, 1e-300), (1e308, 1e308), (5e-324, 1.0)])
def test_numbers_at_the_ends_of_floats_do_no_harm(before, after):
    history = [column(at, mean=before, deviation=before) for at in range(8)]
    assert seen(after, after, history).wrong is False


def test_the_median_of_a_summary_would_not_tell():
    """Why mean and deviation are asked: bins far from where they were learnt are wide."""
    values = np.random.default_rng(1).lognormal(2, 1, 2000)
    layouts = layouts_of(pl.DataFrame({"x": values}), ["x"])
    smaller = profile_of(pl.DataFrame({"x": values / 1000}), layouts)["x"]
    assert smaller.quantile(0.5) > 10 * np.median(values) / 1000
    assert smaller.mean == pytest.approx(values.mean() / 1000)
    assert smaller.deviation == pytest.approx(values.std() / 1000)

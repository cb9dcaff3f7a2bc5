import math
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.aggregations import Mean, Min, Std, Sum, Var
from feature_platform.compute.windows import blocks, exact_moments
from feature_platform.compute.windows import moments as module
from feature_platform.compute.windows.moments import moments
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.ranges import NASTY, line_of, ranges_of

ANY = ["1d"]
NUMBERS = st.lists(NASTY, min_size=1, max_size=40)
KINDS = (Sum, Mean, Std, Var)


BLOCKS = pytest.mark.parametrize("size", [2, blocks.BLOCK])  # values are mostly in whole blocks, or none are


@contextmanager
def blocks_of(size):
    with pytest.MonkeyPatch.context() as patch:
        if size != blocks.BLOCK:
            for part in (blocks, exact_moments):
                patch.setattr(part, "BLOCK", size)
                patch.setattr(part, "SHORT", 1)
        yield


def exact_variance(values):
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    return sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)


def exact_mean(values):
    return float(sum(map(Fraction, values)) / len(values))


# ---------------------------------------------------------------- laws


@BLOCKS
@DRAWN
@given(values=NUMBERS)
def test_sums_and_means_are_within_a_billionth_of_themselves_whatever_cancels(size, values):
    line, (low, high) = line_of(values), ranges_of(values)
    with blocks_of(size):
        sums, means = (moments(kind("x", windows=ANY), line)(low, high) for kind in (Sum, Mean))
    for i, j, total, mean in zip(low, high, sums, means, strict=True):
        assert total == pytest.approx(math.fsum(values[i:j]), rel=1e-9, abs=0)
        assert mean is None if i == j else mean == pytest.approx(exact_mean(values[i:j]), rel=1e-9, abs=1e-300)


@BLOCKS
@DRAWN
@given(values=NUMBERS, far=st.booleans())
def test_spreads_are_within_a_billionth_of_themselves_whatever_the_mean(size, values, far):
    values = [1e9 + math.remainder(value, 1e-3) for value in values] if far else values
    line, (low, high) = line_of(values), ranges_of(values)
    with blocks_of(size):
        variances, deviations = (moments(kind("x", windows=ANY), line)(low, high) for kind in (Var, Std))
    for i, j, variance, deviation in zip(low, high, variances, deviations, strict=True):
        if j - i < 2:
            assert variance is None
            assert deviation is None
        else:
            wanted = float(exact_variance(values[i:j]))
            assert variance == pytest.approx(wanted, rel=1e-9, abs=1e-300)
            assert deviation == pytest.approx(math.sqrt(wanted), rel=1e-9, abs=1e-150)


@DRAWN
@given(NUMBERS, NUMBERS, st.integers(0, 39))
def test_what_lies_outside_a_range_changes_no_bit_of_it(values, others, place):
    inside = np.arange(len(values) + 1)
    low, high = np.zeros_like(inside), inside
    for kind in KINDS:
        alone = moments(kind("x", windows=ANY), line_of(values))(low, high)
        before, after = others[:place], others[place:]
        among = moments(kind("x", windows=ANY), line_of(before + values + after))(low + len(before), high + len(before))
        assert among.equals(alone, null_equal=True)


# ---------------------------------------------------------------- literal cases


@BLOCKS
def test_what_cancels_in_the_window_leaves_the_small_change(size):
    with blocks_of(size):
        found = moments(Sum("x", windows=ANY), line_of([1e16, 1.0, -1e16]))(np.array([0]), np.array([3]))
    assert found.to_list() == [1.0]


def test_a_range_is_summed_pairwise():
    values = np.full(blocks.SHORT, 0.1)
    found = blocks.Blocks(values, np.add, empty=0.0).over(np.array([0]), np.array([len(values)]))
    assert abs(found[0] - math.fsum(values)) <= blocks.ROUNDINGS / 4 * 2.0**-52 * math.fsum(values)


def test_a_huge_value_before_the_window_or_of_another_key_swallows_nothing():
    line = line_of([1e100, 1.0, 2.0, 1e100, 1.0, 2.0], keys=[1, 1, 1, 2, 2, 2])
    found = moments(Sum("x", windows=ANY), line)(np.array([1, 4]), np.array([3, 6]))
    assert found.to_list() == [3.0, 3.0]


@pytest.mark.parametrize("kind", KINDS)
def test_long_ranges_are_those_of_whole_numbers_added_exactly(kind):
    values = [n * n % 7919 for n in range(100_000)]
    low, high = np.array([0, 1, 50_000, 99_000]), np.array([100_000, 99_999, 50_001, 100_000])
    found = moments(kind("x", windows=ANY), line_of(values))(low, high)
    for i, j, value in zip(low.tolist(), high.tolist(), found, strict=True):
        some = values[i:j]
        if kind in (Sum, Mean):
            assert value == pytest.approx(sum(some) / (j - i if kind is Mean else 1), rel=1e-12)
        elif j - i > 1:
            variance = (sum(x * x for x in some) - Fraction(sum(some) ** 2, j - i)) / (j - i - 1)
            assert value == pytest.approx(float(variance) ** (0.5 if kind is Std else 1), rel=1e-12)


def test_long_ranges_of_a_key_whose_level_moved_far_away_keep_their_spread():
    values = np.concatenate([np.full(60_000, 7.0), 1e9 + np.arange(60_000) % 2 * 1e-6])
    found = moments(Var("x", windows=ANY), line_of(values))(np.array([60_000]), np.array([120_000]))
    wanted = exact_variance(values[60_000:].tolist())
    assert found[0] == pytest.approx(float(wanted), rel=1e-9)


def test_ordinary_numbers_are_hardly_ever_summed_twice(monkeypatch):
    values = np.random.default_rng(0).normal(15, 40, 20_000)
    low = np.arange(0, 19_000)
    asked = []
    for kind in (exact_moments.ExactSums, exact_moments.ExactSpreads):
        over = kind.over
        monkeypatch.setattr(kind, "over", lambda *a, over=over: asked.append(len(a[1])) or over(*a))
    for aggregation in (Sum("x", windows=ANY), Std("x", windows=ANY)):
        moments(aggregation, line_of(values))(low, low + 1_000)
    assert sum(asked) < 100


def test_the_laws_reach_both_ways(monkeypatch):
    line, (low, high) = line_of([1e16, 1.0, -1e16, 3.0, 4.0]), ranges_of([0] * 5)
    sums = moments(Sum("x", windows=ANY), line)(low, high)
    monkeypatch.setattr(module, "ROUNDINGS", 0)
    unchecked = moments(Sum("x", windows=ANY), line)(low, high)
    assert 0 < (sums != unchecked).sum() < len(sums)


@pytest.mark.parametrize("largest", [1.7e308, 1e160])
def test_totals_beyond_the_range_of_floats_are_left_to_the_gather(largest):
    line = line_of([largest, largest, 1.0])
    for kind in KINDS:
        beyond = largest > 1e300 or kind in (Std, Var)
        assert (moments(kind("x", windows=ANY), line) is None) == beyond


def test_only_the_catalogues_own_sums_and_spreads_are_computed():
    for aggregation in [Min("x", windows=ANY), *(of_a_user(kind("x", windows=ANY)) for kind in KINDS)]:
        assert moments(aggregation, line_of([1.0, 2.0])) is None


def test_a_column_of_nothing_has_no_sum_but_zero():
    for dtype in (pl.Null, pl.Float64):
        line = line_of([None, None], dtype())
        over = np.array([0]), np.array([2])
        assert [moments(kind("x", windows=ANY), line)(*over)[0] for kind in KINDS] == [0.0, None, None, None]

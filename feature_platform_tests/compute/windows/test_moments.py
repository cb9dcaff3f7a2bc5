import math
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.compute.windows import blocks, exact_spreads, exact_sums
from feature_platform.compute.windows.asked import AskedWindows, is_moment
from feature_platform.compute.windows.moments import Moments
from feature_platform.parts.aggregations import Mean, Min, Std, Sum, Var
from feature_platform.parts.aggregations.windows import Span
from feature_platform_tests.compute.catalogue import of_a_user
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.windows.ranges import NASTY, ranges_of

ANY = ["1d"]
DAY = 86_400_000_000
NUMBERS = st.lists(NASTY, min_size=1, max_size=40)
KINDS = (Sum, Mean, Std, Var)


WAYS = pytest.mark.parametrize("size", [2, blocks.BLOCK])  # values are mostly in whole blocks, or none are


@contextmanager
def blocks_of(size):
    with pytest.MonkeyPatch.context() as patch:
        if size != blocks.BLOCK:
            for part in (blocks, exact_sums):
                patch.setattr(part, "BLOCK", size)
            for part in (blocks, exact_spreads):
                patch.setattr(part, "SHORT", 1)
            patch.setattr(exact_spreads, "PIECE", 3)
        yield


def moments(kind, values, low, high, dtype=pl.Float64):
    """One aggregation of some values over ranges of them."""
    aggregation = kind("x", windows=ANY)
    asked = AskedWindows.of([aggregation])
    (found,) = Moments(pl.Series(values, dtype=dtype)).values(asked.features, {Span(DAY): (low, high)}).values()
    return found


def exact_variance(values):
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    return sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)


# ---------------------------------------------------------------- laws


@WAYS
@DRAWN
@given(values=NUMBERS)
def test_a_sum_is_the_true_one_rounded_once_and_a_mean_that_over_the_count(size, values):
    low, high = ranges_of(values)
    with blocks_of(size):
        sums, means = (moments(kind, values, low, high) for kind in (Sum, Mean))
    for i, j, total, mean in zip(low, high, sums, means, strict=True):
        assert total == math.fsum(values[i:j])
        assert mean is None if i == j else mean == math.fsum(values[i:j]) / (j - i)


@WAYS
@DRAWN
@given(values=NUMBERS, far=st.booleans())
def test_spreads_are_within_a_billionth_of_themselves_whatever_the_mean(size, values, far):
    values = [1e9 + math.remainder(value, 1e-3) for value in values] if far else values
    low, high = ranges_of(values)
    with blocks_of(size):
        variances, deviations = (moments(kind, values, low, high) for kind in (Var, Std))
    for i, j, variance, deviation in zip(low, high, variances, deviations, strict=True):
        if j - i < 2:
            assert variance is None
            assert deviation is None
        else:
            wanted = float(exact_variance(values[i:j]))
            assert variance == pytest.approx(wanted, rel=1e-9, abs=1e-300)
            assert deviation == pytest.approx(math.sqrt(wanted), rel=1e-9, abs=1e-150)


@DRAWN
@given(NUMBERS, NUMBERS, st.integers(0, 39), st.randoms(use_true_random=False))
def test_neither_what_lies_outside_a_range_nor_the_order_within_changes_a_bit(values, others, place, chance):
    inside = np.array([len(values)])
    before, after = others[:place], others[place:]
    mixed = chance.sample(values, len(values))
    for kind in KINDS:
        alone = moments(kind, values, inside - inside, inside)
        among = moments(kind, before + mixed + after, inside - inside + len(before), inside + len(before))
        assert among.equals(alone, null_equal=True)


# ---------------------------------------------------------------- literal cases


@WAYS
def test_what_cancels_in_the_window_leaves_the_small_change(size):
    with blocks_of(size):
        found = moments(Sum, [1e16, 1.0, -1e16], np.array([0]), np.array([3]))
    assert found.to_list() == [1.0]


def test_a_range_is_summed_pairwise():
    values = np.full(blocks.SHORT, 0.1)
    found = blocks.Blocks(values, np.add, empty=0.0).over(np.array([0]), np.array([len(values)]))
    assert abs(found[0] - math.fsum(values)) <= blocks.ROUNDINGS / 4 * 2.0**-52 * math.fsum(values)


@pytest.mark.parametrize("kind", KINDS)
def test_long_ranges_are_those_of_whole_numbers_added_exactly(kind):
    values = [n * n % 7919 for n in range(100_000)]
    low, high = np.array([0, 1, 50_000, 99_000]), np.array([100_000, 99_999, 50_001, 100_000])
    found = moments(kind, values, low, high)
    for i, j, value in zip(low.tolist(), high.tolist(), found, strict=True):
        some = values[i:j]
        if kind in (Sum, Mean):
            assert value == pytest.approx(sum(some) / (j - i if kind is Mean else 1), rel=1e-12)
        elif j - i > 1:
            variance = (sum(x * x for x in some) - Fraction(sum(some) ** 2, j - i)) / (j - i - 1)
            assert value == pytest.approx(float(variance) ** (0.5 if kind is Std else 1), rel=1e-12)


def test_long_ranges_of_a_key_whose_level_moved_far_away_keep_their_spread():
    values = np.concatenate([np.full(60_000, 7.0), 1e9 + np.arange(60_000) % 2 * 1e-6])
    found = moments(Var, values, np.array([60_000]), np.array([120_000]))
    wanted = exact_variance(values[60_000:].tolist())
    assert found[0] == pytest.approx(float(wanted), rel=1e-9)


def test_ordinary_spreads_are_hardly_ever_computed_twice(monkeypatch):
    values = np.random.default_rng(0).normal(15, 40, 20_000)
    low, asked = np.arange(0, 19_000), []
    over = exact_spreads.ExactSpreads.over
    monkeypatch.setattr(exact_spreads.ExactSpreads, "over", lambda *a: asked.append(len(a[1])) or over(*a))
    moments(Std, values, low, low + 1_000)
    assert not asked


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Int64, [2**62, 2**62 + 1, 2**62 + 2]),
        (pl.Int64, [-(2**63), 2**63 - 1, 5]),
        (pl.UInt64, [2**64 - 1, 2**64 - 2, 2**64 - 3]),
        (pl.Int128, [2**70, 3, -(2**70)]),
    ],
)
def test_whole_numbers_beyond_what_floats_hold_keep_their_mean_and_spread(dtype, values):
    ends = np.array([0]), np.array([len(values)])
    assert moments(Mean, values, *ends, dtype)[0] == float(sum(values)) / len(values)
    assert moments(Var, values, *ends, dtype)[0] == pytest.approx(float(exact_variance(values)), rel=1e-9)


@pytest.mark.parametrize("largest", [1.7e308, 1e160])
def test_totals_beyond_the_range_of_floats_are_infinite_and_means_and_deviations_are_not(largest):
    values = [largest, largest, largest, -largest]
    ends = np.array([0]), np.array([4])
    total, mean, deviation, variance = (moments(kind, values, *ends)[0] for kind in (Sum, Mean, Std, Var))
    assert total == (math.inf if largest > 1e300 else 2 * largest)
    assert mean == largest / 2
    assert deviation == (pytest.approx(largest, rel=1e-9))
    assert variance == math.inf


def test_a_column_of_nothing_has_no_sum_but_zero():
    for dtype in (pl.Null, pl.Float64):
        ends = np.array([0]), np.array([2])
        assert [moments(kind, [None, None], *ends, dtype)[0] for kind in KINDS] == [0.0, None, None, None]


def test_only_the_catalogues_own_sums_and_spreads_are_moments():
    assert all(is_moment(kind("x", windows=ANY)) for kind in KINDS)
    assert not any(map(is_moment, [Min("x", windows=ANY), *(of_a_user(kind("x", windows=ANY)) for kind in KINDS)]))

"""Metrics from bins against SciPy from raw values, within the bounds that docs/monitoring.md states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import spatial, stats

from feature_platform.parts.drift import (
    ChiSquare,
    Hellinger,
    JensenShannon,
    Ks,
    NewCategories,
    NullRate,
    Psi,
    Wasserstein,
)
from feature_platform.parts.drift import significance as tails
from feature_platform_tests.effort import tries
from feature_platform_tests.parts.drift.pairs import between, counted

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(50))
SHAPES = ["normal", "lognormal", "uniform", "heavy", "counts", "zeros", "two"]
COUNTS = st.lists(st.integers(0, 400), min_size=3, max_size=12)


def drawn(shape, rows, shift, stretch, rng):
    if shape == "normal":
        values = rng.standard_normal(rows)
    elif shape == "lognormal":
        values = np.exp(rng.standard_normal(rows))
    elif shape == "uniform":
        values = rng.random(rows)
    elif shape == "heavy":
        values = rng.standard_t(3, rows)
    elif shape == "counts":
        values = rng.poisson(5, rows).astype(float)
    elif shape == "zeros":
        values = np.where(rng.random(rows) < 0.7, 0.0, rng.standard_gamma(2, rows))
    else:
        values = rng.integers(0, 2, rows).astype(float)
    return values * stretch + shift


@given(
    shape=st.sampled_from(SHAPES),
    rows=st.tuples(st.integers(200, 20_000), st.integers(200, 20_000)),
    shift=st.sampled_from([0.0, 0.0, 0.03, 0.15, 0.5, 3.0]),
    stretch=st.sampled_from([1.0, 1.0, 0.7, 1.5]),
    seed=st.integers(0, 2**32),
)
@DRAWN
def test_ks_and_wasserstein_agree_with_scipy(shape, rows, shift, stretch, seed):
    rng = np.random.default_rng(seed)
    reference = drawn(shape, rows[0], 0.0, 1.0, rng)
    current = drawn(shape, rows[1], shift, stretch, rng)
    pairs = between(reference, current)

    exact = stats.ks_2samp(reference, current, method="asymp")
    assert Ks().score(pairs)[0] == pytest.approx(exact.statistic, abs=0.002)
    distance = stats.wasserstein_distance(reference, current) / reference.std()
    dense = len(reference) >= 5000 and reference.min() <= current.min() and current.max() <= reference.max()
    assert Wasserstein().score(pairs)[0] == pytest.approx(distance, abs=0.005, rel=0.02 if dense else 0.05)


@given(reference=COUNTS, data=st.data())
@DRAWN
def test_jensen_shannon_hellinger_and_chi_square_agree_with_scipy(reference, data):
    current = data.draw(st.lists(st.integers(0, 400), min_size=len(reference), max_size=len(reference)))
    reference[0], current[-1] = reference[0] + 1, current[-1] + 1
    pairs = counted(reference, current)
    p, q = (np.array(each) / sum(each) for each in (reference, current))

    assert JensenShannon().score(pairs)[0] == pytest.approx(spatial.distance.jensenshannon(p, q, base=2), abs=1e-7)
    assert Hellinger().score(pairs)[0] == pytest.approx(np.sqrt(max(1 - np.sqrt(p * q).sum(), 0)), abs=1e-7)
    seen = np.array([reference, current])[:, (p + q) > 0]
    exact = stats.chi2_contingency(seen, correction=False)
    statistic, freedom = tails.homogeneity(pairs)
    assert (statistic[0], freedom[0]) == pytest.approx((exact.statistic, exact.dof))
    assert ChiSquare().p_value(pairs)[0] == pytest.approx(exact.pvalue, rel=1e-8, abs=1e-300)


def test_chi_square_is_cramers_v_when_the_sides_have_one_size():
    table = np.array([[30, 50, 20, 0], [45, 25, 30, 0]])
    assert ChiSquare().score(counted(*table.tolist()))[0] == pytest.approx(stats.contingency.association(table[:, :3]))


def test_psi_is_its_formula():
    p, q = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    expected = ((p - q) * np.log(p / q)).sum()
    assert Psi().score(counted([50, 50], [20, 80]))[0] == pytest.approx(expected)


@given(x=st.floats(0, 300), freedom=st.integers(1, 60))
@DRAWN
def test_the_chi_square_tail_is_exact(x, freedom):
    found = tails.chi_square_tail(np.array([x]), np.array([freedom]))[0]
    assert found == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-300)


@given(x=st.floats(0, 4))
@DRAWN
def test_the_kolmogorov_tail_is_exact(x):
    assert tails.kolmogorov_tail(np.array([x]))[0] == pytest.approx(stats.kstwobign.sf(x), abs=1e-9)


@given(found=st.integers(0, 200), mean=st.floats(0, 200))
@DRAWN
def test_the_poisson_tail_is_exact(found, mean):
    chance = tails.poisson_tail(np.array([found]), np.array([mean]))[0]
    assert chance == pytest.approx(stats.poisson.sf(found - 1, mean), rel=1e-7, abs=1e-12)


def test_null_rates_are_judged_by_the_test_of_two_proportions():
    found = NullRate().p_value(counted([90, 0], [160, 0], (10, 40)))[0]
    table = [[90, 10], [160, 40]]
    assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)


def test_one_row_of_a_new_category_is_no_discovery_where_the_reference_had_many_seen_once():
    quiet = counted([1000, 0], [990, 10])
    many_seen_once = counted([1000, 0], [990, 10])
    object.__setattr__(many_seen_once, "rare", 12)
    assert NewCategories().p_value(quiet)[0] < 1e-4
    assert NewCategories().p_value(many_seen_once)[0] > 0.5

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.windows import blocks, exact_sums, true_sums
from feature_platform.compute.windows.running_sums import RunningSums
from feature_platform.compute.windows.true_sums import TrueSums
from feature_platform_tests.compute.drawn import DRAWN
from feature_platform_tests.compute.windows.ranges import NASTY, ranges_of
from feature_platform_tests.effort import tries

ANY_SIZE = st.one_of(NASTY, st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([1.7e308, 5e-324]))
WAYS: dict[str, list[tuple[Any, str, float]]] = {
    "as it comes": [],
    "in blocks": [(blocks, "BLOCK", 2), (blocks, "SHORT", 1), (exact_sums, "BLOCK", 2)],
    "always in doubt": [(true_sums, "ROUNDINGS", 1e15)],
    "always cut again": [(true_sums, "ROUNDINGS", 1e15), (true_sums, "_RANGE", 0), (true_sums, "_VALUE", 0)],
}


def true_sum(values):
    """What all values add up to, rounded once."""
    total = sum(map(Fraction, values))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    for module, name, value in WAYS[request.param]:
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("drawn", [st.lists(ANY_SIZE, max_size=25), st.lists(st.floats(-10, 10), max_size=25)])
def test_a_sum_is_the_true_one_rounded_once_whatever_the_values(drawn):
    @settings(DRAWN, max_examples=tries(30))
    @given(drawn)
    def law(values):
        low, high = ranges_of(values)
        wanted = [true_sum(values[i:j]) for i, j in zip(low, high, strict=True)]
        for sums in (TrueSums, RunningSums):
            assert sums(np.array(values, dtype=np.float64)).over(low, high).tolist() == wanted

    law()


def test_nan_and_infinities_show_in_the_ranges_that_hold_them_and_in_no_other():
    values = [1.0, math.inf, 2.0, -math.inf, math.nan, 3.0]
    low, high = np.array([0, 0, 1, 3, 4, 5]), np.array([1, 2, 4, 4, 6, 6])
    for sums in (TrueSums, RunningSums):
        assert str(sums(np.array(values)).over(low, high).tolist()) == "[1.0, inf, nan, -inf, nan, 3.0]"


def test_long_ranges_are_true_sums_too():
    values = np.random.default_rng(0).normal(15, 40, 50_000)
    low, high = np.array([0, 1, 7, 40_000]), np.array([50_000, 49_999, 30_001, 45_000])
    for sums in (TrueSums, RunningSums):
        found = sums(values).over(low, high).tolist()
        assert found == [math.fsum(values[i:j]) for i, j in zip(low, high, strict=True)]


@pytest.mark.parametrize("outlier", [1.0, 1e300])
def test_ranges_are_hardly_ever_added_up_one_by_one(monkeypatch, outlier):
    values = np.append(np.random.default_rng(0).normal(15, 40, 200_000), outlier)
    asked = []
    over = exact_sums.ExactSums.over
    monkeypatch.setattr(exact_sums.ExactSums, "over", lambda *a: asked.append(len(a[1])) or over(*a))
    low = np.arange(0, 190_000)
    for longest in (1, 2, 3, 1_000):
        TrueSums(values, longest).over(low, low + longest)
    assert sum(asked) < 1_000

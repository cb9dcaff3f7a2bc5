"""Rows of one key are alike: they are not counted as if each told something of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.scores import ScoredWindow, score_windows
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.watches import Constant, Dead, ImputedShare, Observation
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.monitoring.judging.alike import design_effect
from feature_platform.parts.drift import METRICS, Kind, NewCategories, NullRate, VanishedCategories
from feature_platform.parts.drift.significance import binomial_tails
from feature_platform_tests.compute.watches.world import column, day, frame, table
from feature_platform_tests.parts.drift.pairs import counted

KEYS, ROWS, WINDOWS = 16, 20, 30
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def window(rng, alike, shift=0.0):
    """The rows of some keys: all of a key nearly the same, or each for itself."""
    level = np.repeat(rng.normal(0, 1, KEYS), ROWS) if alike else 0.0
    own = rng.normal(0, 0.05 if alike else 1.0, KEYS * ROWS)
    return pl.DataFrame({"x": level + own + shift})


def p_values(alike, keys, shift=0.0, many=40):
    """Of each metric in windows that are like those of the reference, but for a shift."""
    rng = np.random.default_rng(5)
    before, now = ([window(rng, alike, by) for _ in range(n)] for n, by in ((WINDOWS, 0.0), (many, shift)))
    layouts = layouts_of(pl.concat(before), ["x"])
    reference = Reference(layouts["x"], [profile_of(each, layouts)["x"] for each in before], [None] * WINDOWS)
    windows = [
        ScoredWindow(MONDAY + timedelta(at), None, profile_of(each, layouts), keys) for at, each in enumerate(now)
    ]
    found = score_windows({"x": reference}, windows, DriftRule())
    return found.filter(pl.col("metric").is_in(["psi", "ks", "wasserstein"]), pl.col("p_value").is_not_null())


def small(found):
    """The share of differences below what is certain that could not be chance."""
    certain = {each.name: each.certain for each in METRICS}
    below = found.filter(pl.col("score") < pl.col("metric").replace_strict(certain))
    return (below["p_value"] < 0.001).mean()


def test_rows_of_one_key_do_not_make_a_difference_of_shapes_certain():
    assert small(p_values(alike=True, keys=None)) > 0.8  # counted as if independent nearly every healthy window differs
    assert small(p_values(alike=True, keys=KEYS)) < 0.05


def test_rows_that_differ_within_a_key_count_each_so_that_a_shift_of_all_is_seen():
    without, by_key = (p_values(alike=False, keys=keys, shift=0.5, many=5) for keys in (None, KEYS))
    assert (by_key["p_value"] < 1e-4).all()
    assert by_key["p_value"].log().to_list() == pytest.approx(without["p_value"].log().to_list(), rel=0.3)


def test_a_difference_that_is_certain_is_told_however_few_keys_it_is_of():
    found = p_values(alike=True, keys=KEYS, shift=3.0, many=3)
    assert (found["p_value"] < 1e-6).all()


@pytest.mark.parametrize(("lost", "before"), [(7, 4), (3, 4), (2, 0), (0, 90), (112, 1850)])
def test_few_rows_without_a_value_are_judged_by_the_exact_test(lost, before):
    pairs = counted([1904 - before, 0], [112 - lost, 0], (before, lost))
    rarer, of = (lost, before + lost) if before < 1000 else (112 - lost, 2016 - before - lost)
    tails = [stats.binom.sf(rarer - 1, of, 112 / 2016), stats.binom.cdf(rarer, of, 112 / 2016)]
    assert NullRate().p_value(pairs)[0] == pytest.approx(min(1, 2 * min(tails)), rel=1e-6)


def test_tails_of_a_binomial_are_those_of_scipy_and_lie_between_them_for_parts_of_a_row():
    rng = np.random.default_rng(1)
    for tries, share in zip(rng.integers(1, 3000, 60), rng.uniform(0, 1, 60) ** 2, strict=True):
        hits = int(min(tries, rng.poisson(tries * share)))
        exact = min(1, 2 * min(stats.binom.sf(hits - 1, tries, share), stats.binom.cdf(hits, tries, share)))
        found = binomial_tails(*(np.array([float(each)]) for each in (hits, tries, share)))[0]
        assert found == pytest.approx(exact, rel=1e-7, abs=1e-12)
    low, middle, high = binomial_tails(np.array([1.0, 1.5, 2.0]), np.full(3, 2.0), np.full(3, 0.05))
    assert high < middle < low


def test_rows_without_a_value_of_one_key_count_as_one():
    pairs = counted([1900, 0], [105, 0], (4, 7))
    object.__setattr__(pairs, "missing_alike", np.array([7.0]))
    assert NullRate().p_value(counted([1900, 0], [105, 0], (4, 7)))[0] < 1e-5
    assert NullRate().p_value(pairs)[0] > 0.05


@pytest.mark.parametrize("metric", [NewCategories(), VanishedCategories()], ids=lambda each: each.name)
def test_new_and_vanished_categories_of_one_key_are_no_discovery(metric):
    pairs = counted([970, 30, 0], [93, 0, 7], kind=Kind.CATEGORY)
    assert metric.p_value(pairs)[0] < 0.2
    object.__setattr__(pairs, "alike", np.array([20.0]))
    assert metric.p_value(pairs)[0] > 0.4
    assert metric.score(pairs)[0] == metric.score(counted([970, 30, 0], [93, 0, 7], kind=Kind.CATEGORY))[0]


@pytest.mark.parametrize(
    ("lost", "as_one"), [([7, 0, 0, 0], 7.0), ([2, 2, 2, 2], 1.0), ([7, 7, 0, 0], 7.0), ([0, 0, 0, 0], 1.0)]
)
def test_how_alike_rows_without_a_value_are_is_told_by_the_keys_that_lack_them(lost, as_one):
    assert design_effect(pl.Series([7] * 4), pl.Series(lost)) == pytest.approx(as_one)
    assert design_effect(pl.Series([30]), pl.Series([3])) == 30


def looked(history, now, keys):
    """Twenty partitions and one more, in a table of so many keys; None: of none."""
    rows = [
        row for at, told in enumerate([*history, now]) for row in (table(at) | {"distinct": keys}, column(at, **told))
    ]
    parts = frame(rows)
    last = day(len(history))
    earlier, current = parts.filter(pl.col("partition") != last), parts.filter(pl.col("partition") == last)
    return Observation(earlier, current, dict.fromkeys(parts["partition"]), last)


RESTLESS = [0.55, 0.95] * 10  # shares as those of few keys are

CASES: dict[str, tuple[Any, list[dict[str, Any]], dict[str, Any]]] = {
    "constant": (Constant(), [{"distinct": 2, "top_share": each} for each in RESTLESS], {"distinct": 1}),
    "dead": (Dead(), [{"nulls": int(1000 * each)} for each in RESTLESS], {"nulls": 1000}),
    "imputed_share": (
        ImputedShare(),
        [{"name": "x_was_missing", "dtype": "Boolean", "true_share": each} for each in [0.4, 0.6] * 10],
        {"name": "x_was_missing", "dtype": "Boolean", "true_share": 0.72},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_watches_do_not_take_the_rows_of_few_keys_for_as_many_chances(case):
    watch, history, now = CASES[case]
    (alone,), (by_key,) = (watch.look(looked(history, now, keys)) for keys in (None, 8))
    assert alone.wrong is True
    assert by_key.wrong is False


@pytest.mark.parametrize("case", CASES)
def test_watches_still_see_what_few_keys_never_showed(case):
    watch, history, now = CASES[case]
    steady = [each | {"top_share": 0.6, "nulls": 0, "true_share": 0.5} for each in history]
    (sight,) = watch.look(looked(steady, now, 8))
    assert sight.wrong is True

"""Drift: thresholds from the reference's own windows, discoveries, what lasts, and what all columns show together."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

from feature_platform.compute.drift import classifier
from feature_platform.compute.drift.classifier import measure_separation
from feature_platform.compute.drift.decision import discoveries, lasting
from feature_platform.compute.drift.habits import judge_ratio
from feature_platform.compute.drift.pairs import leave_one_out, pair_each, scale_of
from feature_platform.compute.drift.reference import Reference, threshold_of
from feature_platform.compute.drift.scores import score_columns
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.profile import add_profiles
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.parts.drift import METRICS, Ks, Psi, Wasserstein
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(60))
KS, PSI = Ks(), Psi()


def windows_of(*values):
    """Profiles of lists of numbers over one layout."""
    frames = [pl.DataFrame({"x": pl.Series(each, dtype=pl.Float64)}) for each in values]
    layouts = layouts_of(pl.concat(frames), ["x"])
    return [profile_of(frame, layouts)["x"] for frame in frames]


def normal(seed, rows=1000, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1.0, rows)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.sampled_from("ab")), min_size=5, max_size=12
    )
)
@DRAWN
def test_each_window_is_compared_with_the_sum_of_the_others_of_its_season_or_of_all(drawn):
    windows, seasons = windows_of(*(values for values, _ in drawn)), [season for _, season in drawn]
    together = leave_one_out(windows, seasons, 1.0)
    for at, season in enumerate(seasons):
        enough = seasons.count(season) >= 4
        others = [w for i, w in enumerate(windows) if i != at and (not enough or seasons[i] == season)]
        alone = pair_each([add_profiles(others, windows[0].layout)], [windows[at]])
        assert together.reference[at].tolist() == alone.reference[0].tolist()
        assert together.current[at].tolist() == alone.current[0].tolist()


def test_a_threshold_is_the_floor_or_a_margin_beyond_what_the_reference_shows_itself():
    assert threshold_of(KS, np.array([0.01, 0.02, np.nan]), 1.5) == KS.floor
    assert threshold_of(KS, np.array([0.01, 0.2]), 1.5) == pytest.approx(0.3)
    assert threshold_of(PSI, np.array([0.2]), 1.5) == pytest.approx(0.45)  # grows with the square of a shift
    assert threshold_of(KS, np.array([]), 1.5) == KS.floor


def test_a_restless_reference_has_higher_thresholds_than_a_quiet_one_and_few_windows_none_of_their_own():
    quiet = windows_of(*(normal(at) for at in range(8)))
    restless = windows_of(*(normal(at, shift=at % 2) for at in range(8)))
    rule = DriftRule()
    levels = [Reference(each[0].layout, each, [0] * 8).thresholds(rule) for each in (quiet, restless)]
    assert levels[0].by_metric["wasserstein"] < 0.2 < 0.7 < levels[1].by_metric["wasserstein"]
    assert [each.windows for each in levels] == [8, 8]
    few = Reference(restless[0].layout, restless[:4], [0] * 4).thresholds(rule)
    assert (few.windows, few.by_metric["ks"]) == (0, KS.floor)


def test_windows_with_too_few_rows_teach_nothing():
    windows = windows_of(*(normal(at) for at in range(8)), normal(99, rows=50, shift=5.0))
    assert Reference(windows[0].layout, windows, [0] * 9).thresholds(DriftRule()).windows == 8


def test_a_season_is_compared_with_its_like():
    windows = windows_of(*(normal(at, shift=3.0 * (at % 2)) for at in range(10)))
    reference = Reference(windows[0].layout, windows, [at % 2 for at in range(10)])
    (calm,) = windows_of(normal(50, shift=3.0))
    current = {"x": profile_of(pl.DataFrame({"x": normal(50, shift=3.0)}), {"x": windows[0].layout})["x"]}
    assert calm.mean > 2.5
    of_its_season = score_columns({"x": reference}, current, DriftRule(), season=1)
    of_the_other = score_columns({"x": reference}, current, DriftRule(), season=0)
    assert not of_its_season["drifted"].any()
    assert of_the_other["drifted"].any()


@given(
    st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1), st.floats(0, 0.02)), max_size=20),
    st.sampled_from([0.01, 0.05, 0.2]),
)
@DRAWN
def test_discoveries_are_those_of_benjamini_and_hochberg(p_values, rate):
    found = discoveries(np.array(p_values, dtype=np.float64), rate)
    known = [each for each in p_values if not np.isnan(each)]
    adjusted = iter(stats.false_discovery_control(known) if known else [])
    naive = [False if np.isnan(each) else bool(next(adjusted) <= rate) for each in p_values]
    close = [
        not np.isnan(p) and abs(p * len(known) / max(1, sorted(known).index(p) + 1) - rate) < 1e-12 for p in p_values
    ]
    assert any(close) or found.tolist() == naive


@given(st.lists(st.sampled_from([True, False, None]), max_size=12), st.integers(1, 3), st.integers(0, 2))
@DRAWN
def test_what_lasts_differs_now_and_in_enough_of_the_last_windows(flags, needed, more):
    of = needed + more
    frame = pl.DataFrame({"d": pl.Series(flags, dtype=pl.Boolean)})
    found = frame.select(lasting(pl.col("d"), pl.lit(value=False), needed, of)).to_series().to_list()
    naive = [
        flags[at] is True and sum(each is True for each in flags[max(0, at + 1 - of) : at + 1]) >= needed
        for at in range(len(flags))
    ]
    assert (found if flags else []) == naive


def test_scales_are_deviations_or_sizes_of_constants():
    assert [scale_of(each) for each in windows_of([1.0, 3.0], [5.0, 5.0], [0.0, 0.0])] == [1.0, 5.0, 1.0]


def test_scores_of_an_unchanged_constant_are_nothing_and_of_a_changed_one_large():
    constant, same, moved = windows_of([5.0] * 500, [5.0] * 500, [6.0] * 500)
    assert Wasserstein().score(pair_each([constant], [same]))[0] == 0
    assert KS.score(pair_each([constant], [moved]))[0] == 1


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_too_few_rows_are_insufficient_never_fine(metric):
    frame = pl.DataFrame({"x": [1.0] * 199, "c": ["a"] * 199})
    layouts = layouts_of(frame, ["x", "c"])
    profile = profile_of(frame, layouts)
    references = {name: Reference(layout, [profile[name]], [None]) for name, layout in layouts.items()}
    rows = score_columns(references, profile, DriftRule()).filter(pl.col("metric") == metric.name)
    assert rows.height
    assert rows["drifted"].null_count() == rows.height
    assert rows["status"].unique().to_list() == ["insufficient"]


def test_a_classifier_names_the_columns_whose_relation_broke_although_each_is_as_before():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 3000))
    before = pl.DataFrame({"a": x[0], "b": x[0] + 0.3 * x[1], "c": rng.standard_normal(3000), "k": ["u", "v"] * 1500})
    after = before.with_columns(pl.col("b").shuffle(seed=1), pl.col("c").shuffle(seed=2))
    found = measure_separation(before, after, before.columns)
    assert found.drifted
    assert {name for name, _ in found.columns} == {"a", "b"}
    same = measure_separation(before.head(1500), before.tail(1500), before.columns)
    assert (same.drifted, same.columns) == (False, ())
    assert measure_separation(before.head(100), after, before.columns).drifted is None


def test_a_classifier_computes_in_one_thread_and_leaves_the_others_to_whoever_wants_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Threads that wait for one another cost a busy machine fifty times the work, and change the last digits."""
    fit, used = classifier._fit_regression, []

    def threads() -> set[int]:
        return {int(each["num_threads"]) for each in threadpool_info() if each["user_api"] == "blas"}

    def watched(*words: Any) -> Any:
        used.append(threads())
        return fit(*words)

    monkeypatch.setattr(classifier, "_fit_regression", watched)
    rows = pl.DataFrame({"a": range(400), "b": range(400)})
    with threadpool_limits(2, user_api="blas"):
        measure_separation(rows.head(200), rows.tail(200), rows.columns)
        assert (used, threads()) == ([{1}, {1}], {2})


def test_a_number_of_each_window_is_unusual_beyond_what_its_season_shows():
    weekend, week = [100.0] * 6, [1000.0, 1100.0, 900.0, 1000.0, 1050.0, 950.0]
    windows, seasons = weekend + week, [6] * 6 + [1] * 6
    assert judge_ratio(windows, seasons, 100.0, 6, 1.3, 1.5).unusual is False
    assert judge_ratio(windows, seasons, 100.0, 1, 1.3, 1.5).unusual is True
    assert judge_ratio(windows, seasons, 2000.0, 1, 1.3, 1.5).unusual is True
    assert judge_ratio(windows[:4], seasons[:4], 1.0, 6, 1.3, 1.5).unusual is None

"""Many windows scored at once are what each of them is scored by itself, and by the definition."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.drift.decision import discoveries
from feature_platform.compute.drift.pairs import pair_each
from feature_platform.compute.drift.reference import Reference
from feature_platform.compute.drift.scores import SCHEMA, ScoredWindow, score_columns, score_windows
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.parts.drift import METRICS, Kind, Metric
from feature_platform_tests.effort import tries

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(20))
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
RULE = DriftRule(least_rows=20)


def rows(rng, many, shift):
    """Numbers, a number that is beyond floats' squares, text, moments, and a column that is mostly null."""
    codes = rng.integers(0, 4 + 4 * int(shift > 0), many)
    return pl.DataFrame(
        {
            "x": rng.normal(shift, 1.0, many),
            "huge": rng.normal(0, 1.0, many) * 1e300,
            "c": pl.Series([f"k{code}" for code in codes], dtype=pl.String),
            "at": pl.Series([MONDAY] * many, dtype=pl.Datetime("us", "UTC")),
            "sparse": pl.Series([1.0 if each < 0.1 else None for each in rng.random(many)], dtype=pl.Float64),
        }
    )


def world(seed, sizes, seasons, shift):
    """References of ten windows of two seasons, and windows to score."""
    rng = np.random.default_rng(seed)
    reference = [rows(rng, 200, 0.3 * (at % 2)) for at in range(10)]
    layouts = layouts_of(pl.concat(reference), reference[0].columns)
    parts = [profile_of(each, layouts) for each in reference]
    references = {
        name: Reference(layout, [each[name] for each in parts], [at % 2 for at in range(10)])
        for name, layout in layouts.items()
    }
    windows = [
        ScoredWindow(MONDAY + timedelta(days=at), season, profile_of(rows(rng, size, shift * (at % 3)), layouts))
        for at, (size, season) in enumerate(zip(sizes, seasons, strict=True))
    ]
    return references, windows


def by_definition(references, window, rule, why_not):
    """One window, metric by metric."""
    found = []
    for name, reference in references.items():
        learnt, before, now = reference.thresholds(rule), reference.for_season(window.season), window.columns[name]
        pairs = pair_each([before], [now])
        for metric in METRICS:
            if metric.applies(reference.layout.kind):
                score, threshold = float(metric.score(pairs)[0]), learnt.by_metric[metric.name]
                size = "values" if metric.kinds != frozenset(Kind) else "rows"
                sizes = [getattr(each, size) for each in (before, now)]
                enough = min(sizes) >= rule.least_rows and not np.isnan(score)
                certain = score >= max(metric.certain, 2 * threshold)
                chance = float(metric.p_value(pairs)[0])
                found.append([name, metric.name, score, threshold, enough, certain, chance, *sizes, learnt.windows])
        if name in why_not:
            found.append([name, "values", None, None, False, None, None, None, None, None])
    tried = np.array([each[6] if each[4] else np.nan for each in found], dtype=np.float64)
    significant = discoveries(tried, rule.false_discovery)
    return [
        (
            name,
            metric,
            None if score is None or np.isnan(score) else score,
            threshold,
            (score >= threshold and bool(flag)) if enough else None,
            None if chance is None or np.isnan(chance) else chance,
            certain and (score >= threshold and bool(flag) if enough else None),  # what is small is not certain, ever
            *sizes,
        )
        for (name, metric, score, threshold, enough, certain, chance, *sizes), flag in zip(
            found, significant, strict=True
        )
    ]


@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.sampled_from([0, 1, 19, 60, 300]), min_size=1, max_size=6),
    shift=st.sampled_from([0.0, 0.4, 2.0]),
    data=st.data(),
)
@DRAWN
def test_windows_at_once_are_windows_one_by_one_and_those_of_the_definition(seed, sizes, shift, data):
    seasons = data.draw(st.lists(st.sampled_from([0, 1, None]), min_size=len(sizes), max_size=len(sizes)))
    references, windows = world(seed, sizes, seasons, shift)
    why_not = {"at": "moments always move on"}
    together = score_windows(references, windows, RULE, why_not=why_not)
    alone = [
        score_columns(references, each.columns, RULE, season=each.season, why_not=why_not).with_columns(
            pl.lit(each.start).dt.cast_time_unit("us").alias("window")
        )
        for each in windows
    ]
    assert_frame_equal(together, pl.concat(alone).select(together.columns), check_exact=False, rel_tol=1e-12)
    for each in windows:
        mine = together.filter(pl.col("window") == each.start).drop("window")
        assert mine.columns == list(SCHEMA)
        naive = pl.DataFrame(by_definition(references, each, RULE, why_not), mine.drop("status").schema, orient="row")
        assert_frame_equal(mine.drop("status"), naive, check_exact=False, rel_tol=1e-9)


def test_a_finding_of_one_window_is_no_help_to_another():
    """Were all windows one family of tests, the many small p-values of the bad ones would let others through."""
    references, windows = world(3, [300] * 6, [0] * 6, 2.0)
    together = score_windows(references, windows, RULE)
    assert together.filter(pl.col("window") == MONDAY)["drifted"].sum() == 0
    assert together.filter(pl.col("window") == MONDAY + timedelta(days=2))["drifted"].sum() > 5


def test_a_metric_sees_a_column_once_however_many_windows_there_are(monkeypatch):
    references, windows = world(5, [60] * 8, [0, 1] * 4, 0.0)
    learnt = {name: each.thresholds(RULE) for name, each in references.items()}
    calls: list[Any] = []
    for metric in METRICS:
        monkeypatch.setattr(type(metric), "score", counting(type(metric).score, calls))
    score_windows(references, windows[:1], RULE, learnt)
    for_one = len(calls)
    score_windows(references, windows, RULE, learnt)
    assert len(calls) == 2 * for_one > 10


def counting(method, calls):
    def called(self: Metric, pairs):
        calls.append(self.name)
        return method(self, pairs)

    return called


def test_two_windows_that_begin_at_once_stay_two_and_none_give_an_empty_table():
    references, (window, *_) = world(7, [300], [0], 0.0)
    twice = score_windows(references, [window, window], RULE)
    assert_frame_equal(twice.head(twice.height // 2), twice.tail(twice.height // 2))
    nothing = score_windows(references, [], RULE)
    assert (nothing.height, nothing.schema) == (0, twice.schema)
    assert score_windows({}, [window], RULE).schema == twice.schema


def test_many_windows_are_scored_in_parts_that_make_no_difference(monkeypatch):
    references, windows = world(9, [60, 300, 1, 60, 60], [0, 1, 0, None, 1], 0.4)
    whole = score_windows(references, windows, RULE)
    monkeypatch.setattr("feature_platform.compute.drift.scores._AT_ONCE", 2)
    assert_frame_equal(score_windows(references, windows, RULE), whole)


def test_profiles_of_other_layouts_are_refused():
    references, (window,) = world(1, [60], [0], 0.0)
    others, _ = world(2, [60], [0], 0.0)
    with pytest.raises(ValueError, match="cannot be compared"):
        pair_each([others["x"].whole], [window.columns["x"]])
    assert references["x"].layout.id == window.columns["x"].layout.id

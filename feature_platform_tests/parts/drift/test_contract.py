"""What every drift metric of the catalogue keeps; a new one is covered without a new test."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.parts.drift import METRICS, DistributionPairs, Kind, Metric
from feature_platform_tests.effort import tries
from feature_platform_tests.parts.drift.pairs import counted

DRAWN = settings(derandomize=True, deadline=None, max_examples=tries(25))
BINS = 6
COUNTS = st.lists(st.integers(0, 500), min_size=BINS, max_size=BINS)
MISSING = st.tuples(st.integers(0, 50), st.integers(0, 50))
each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def kinds(metric):
    return [kind for kind in Kind if metric.applies(kind)]


def one(metric, pairs):
    return float(metric.score(pairs)[0])


def swapped(pairs):
    return DistributionPairs(
        pairs.current,
        pairs.reference,
        pairs.current_missing,
        pairs.reference_missing,
        pairs.edges,
        pairs.coarse,
        pairs.scale,
    )


def test_metrics_have_names_of_their_own_and_say_what_matters():
    assert len({metric.name for metric in METRICS}) == len(METRICS) >= 10
    for metric in METRICS:
        assert 0 < metric.floor < metric.certain, metric
        assert metric.kinds, metric
        assert metric.highest is None or metric.certain <= metric.highest, metric


@each_metric
@given(counts=COUNTS, missing=st.integers(0, 50), times=st.integers(1, 5))
@DRAWN
def test_equal_distributions_score_nothing_and_are_no_discovery(metric, counts, missing, times):
    counts[-1] = 0 if metric.name == "new_categories" else counts[-1]  # unknown values are unknown on both sides
    more = [each * times for each in counts]
    for kind in kinds(metric):
        pairs = counted(counts, more, (missing, missing * times), kind)
        assert one(metric, pairs) == pytest.approx(0, abs=1e-7) or np.isnan(one(metric, pairs))
        assert not float(metric.p_value(pairs)[0]) < 0.99 or metric.name == "vanished_categories"


@each_metric
@given(reference=COUNTS, current=COUNTS, missing=MISSING)
@DRAWN
def test_scores_are_bounded_symmetric_where_said_and_p_values_are_shares(metric, reference, current, missing):
    for kind in kinds(metric):
        pairs = counted(reference, current, missing, kind)
        score, chance = one(metric, pairs), float(metric.p_value(pairs)[0])
        assert np.isnan(score) or 0 <= score <= (metric.highest or np.inf)
        assert np.isnan(chance) or 0 <= chance <= 1
        if metric.symmetric:
            assert one(metric, swapped(pairs)) == pytest.approx(score, nan_ok=True)


@each_metric
@given(rows=st.lists(st.tuples(COUNTS, COUNTS, MISSING), min_size=2, max_size=4))
@DRAWN
def test_pairs_are_scored_each_for_itself(metric, rows):
    for kind in kinds(metric):
        alone = [counted(reference, current, missing, kind) for reference, current, missing in rows]
        names = ("reference", "current", "reference_missing", "current_missing")
        columns: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in alone]) for name in names}
        together = DistributionPairs(
            **columns,
            edges=alone[0].edges,
            coarse=alone[0].coarse,
        )
        assert metric.score(together).tolist() == pytest.approx([one(metric, each) for each in alone], nan_ok=True)


@each_metric
def test_without_values_on_a_side_there_is_no_score(metric: Metric):
    for kind in kinds(metric):
        found = one(metric, counted([5, 5, 0], [0, 0, 0], (0, 10), kind))
        assert found == 1.0 if metric.name == "null_rate" else np.isnan(found)


@each_metric
def test_the_score_grows_with_the_difference(metric):
    steps = [0.0, 0.1, 0.2, 0.4, 0.8]
    for kind in kinds(metric):
        scores = [one(metric, worse(metric, step, kind)) for step in steps]
        assert scores[0] == pytest.approx(0, abs=1e-7)
        assert scores == sorted(scores)
        assert scores[-1] > metric.certain


def worse(metric, step, kind):
    """A pair that differs by a share of its rows, in what the metric looks at."""
    moved = int(1000 * step)
    if metric.name == "null_rate":
        return counted([1000, 1000, 0], [1000 - moved, 1000 - moved, 0], (0, 2 * moved), kind)
    if metric.name == "vanished_categories":
        return counted([1000, int(1000 * step), 0], [2000, 0, 0], kind=kind)
    if kind is Kind.NUMBER:
        return counted([1000, 1000, 0, 0, 0], [1000 - moved, 1000, 0, moved, 0], kind=kind)
    return counted([1000, 1000, 0], [1000 - moved, 1000, moved], kind=kind)

"""The watch of imputed values, and the shares that it is told by."""

import math

import polars as pl
import pytest

from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.shares import top_share, true_share
from feature_platform.compute.watches import ImputedShare
from feature_platform_tests.compute.watches.world import column, looked, only, table

FLAG = {"name": "fare_was_missing", "dtype": "Boolean", "mean": None, "deviation": None, "median": None, "distinct": 2}


def seen(before, now, seasonal=False, **told):
    history = [column(at, **FLAG, true_share=each) for at, each in enumerate(before)]
    return only(ImputedShare(), history, [column(20, **{**FLAG, "true_share": now, **told})], seasonal)


USUAL = [0.05, 0.06, 0.04, 0.05, 0.07, 0.05]


def test_far_more_imputed_values_are_wrong_and_all_of_them_critical():
    more, every = seen(USUAL, 0.4), seen(USUAL, 1.0)
    assert (more.column, more.wrong, more.severity) == ("fare_was_missing", True, "warning")
    assert more.evidence == "40% of the values were imputed, where 5% is usual."
    assert (every.wrong, every.severity) == (True, "critical")
    assert every.evidence == "All 1,000 values were imputed, where 5% is usual."


@pytest.mark.parametrize(
    ("before", "now"), [(USUAL, 0.05), (USUAL, 0.14), (USUAL, 0.0), ([1.0] * 6, 1.0), ([0.9] * 6, 0.0)]
)
def test_a_wobble_or_fewer_gaps_are_not_wrong(before, now):
    assert seen(before, now).wrong is False


def test_a_restless_share_needs_more():
    restless = [0.1, 0.4, 0.2, 0.5, 0.1, 0.3]
    assert seen(restless, 0.6).wrong is False
    assert seen(restless, 0.9).wrong is True


def test_few_rows_are_chance_and_too_few_say_nothing():
    assert seen(USUAL, 0.2, rows=40).wrong is False
    assert seen(USUAL, 0.9, rows=40).wrong is True
    assert seen(USUAL, 1.0, rows=29).wrong is None
    assert seen(USUAL[:4], 1.0).wrong is None
    assert seen(USUAL, None).wrong is None
    assert seen([0.05] * 5, 0.9, seasonal=True).wrong is None  # Monday to Friday; day 20 is a Sunday


def test_other_columns_are_not_looked_at():
    told = {**FLAG, "name": "late"}
    text = {**FLAG, "dtype": "String"}
    assert ImputedShare().look(looked([table(0)], [table(20), column(20, **told), column(20, **text)])) == []


@pytest.mark.parametrize("learnt", [[True, False], [True, True], [False, False]])
@pytest.mark.parametrize("values", [[True, False, False, None], [True, True], [False], [None], []])
def test_the_share_of_true_is_known_whichever_values_the_layout_was_learnt_from(learnt, values):
    layouts = layouts_of(pl.DataFrame({"x": learnt}), ["x"])
    profile = profile_of(pl.DataFrame({"x": pl.Series(values, dtype=pl.Boolean)}), layouts)["x"]
    known = [each for each in values if each is not None]
    assert true_share(profile, "Boolean") == pytest.approx(sum(known) / len(known) if known else math.nan, nan_ok=True)
    most = max(sum(known), len(known) - sum(known))
    assert top_share(profile) == pytest.approx(most / len(known) if known else math.nan, nan_ok=True)


def test_a_layout_that_was_learnt_from_no_value_tells_nothing_of_true():
    layouts = layouts_of(pl.DataFrame({"x": pl.Series([None], dtype=pl.Boolean)}), ["x"])
    assert math.isnan(true_share(profile_of(pl.DataFrame({"x": [True, False]}), layouts)["x"], "Boolean"))

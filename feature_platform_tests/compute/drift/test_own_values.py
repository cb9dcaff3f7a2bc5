"""Columns whose windows have values of their own, ids that grow for one, say nothing about drift."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.drift.reference import MOVES_ON, OWN_VALUES, Reference
from feature_platform.compute.profiles.counting import layouts_of, profile_of

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, ROWS = 30, 300
AT = [FIRST + timedelta(days=day, seconds=each) for day in range(DAYS) for each in range(ROWS)]
NUMBER = np.arange(DAYS * ROWS)
RNG = np.random.default_rng(1)


def frame(**columns):
    return pl.DataFrame({"at": AT, **columns})


GROWING = {
    "id": NUMBER + 10**7,
    "shrinking": -NUMBER,
    "id_with_a_test_row_a_day": np.where(NUMBER % ROWS == 0, 0, NUMBER + 50_000),
    "id_that_comes_late": NUMBER + RNG.integers(-40, 40, DAYS * ROWS),
    "seconds": [each.timestamp() for each in AT],
    "day_of_month": [each.day for each in AT],
    "one_step": NUMBER // ROWS // 20 + 2024,
}
HEALTHY = {
    "normal": RNG.normal(0, 1, DAYS * ROWS),
    "restless": RNG.normal(0, 1, DAYS * ROWS) + np.repeat(RNG.normal(0, 1, DAYS), ROWS),
    "slowly": RNG.normal(0, 1, DAYS * ROWS) + np.repeat(np.arange(DAYS) * 0.05, ROWS),
    "constant": np.ones(DAYS * ROWS),
    "flag_by_day": np.repeat(np.arange(DAYS) % 7 > 4, ROWS).astype(float),
    "text": RNG.choice(["a", "b", "c"], DAYS * ROWS),
    "on": RNG.random(DAYS * ROWS) < 0.1,
    "rare": np.where(RNG.random(DAYS * ROWS) < 0.5, "usual", [f"{each}" for each in NUMBER]),
}


@pytest.mark.parametrize("name", GROWING)
def test_a_number_that_moves_on_is_not_compared_and_says_so(name):
    before = frame(x=GROWING[name])
    after = before.filter(pl.col("at") >= FIRST + timedelta(days=DAYS - 1))
    after = after.with_columns(pl.col("at") + timedelta(days=1), pl.col("x") + 10 * ROWS)

    scores = fp.drift_scores(before, after, event_time="at", every="1d")

    assert scores["drifted"].any() is False
    assert scores.filter(pl.col("metric") == "values")["status"].to_list() == [f"not compared: {MOVES_ON}"]


def test_text_of_which_each_window_has_its_own_is_not_compared_and_says_so():
    before = frame(x=[f"{each:%Y-%m-%d}" for each in AT])
    after = pl.DataFrame({"at": [FIRST + timedelta(days=DAYS)] * ROWS, "x": ["2024-01-31"] * ROWS})
    scores = fp.drift_scores(before, after, event_time="at", every="1d")
    assert scores.filter(pl.col("metric") == "values")["status"].to_list() == [f"not compared: {OWN_VALUES}"]


@pytest.mark.parametrize("name", HEALTHY)
def test_columns_that_only_wander_are_compared(name):
    rows = frame(x=HEALTHY[name])
    layouts = layouts_of(rows, ["x"])
    windows = [profile_of(rows[day * ROWS : (day + 1) * ROWS], layouts)["x"] for day in range(DAYS)]
    reference = Reference(layouts["x"], windows, [None] * DAYS)
    assert reference.why_not is None
    assert not reference.identifies_windows


def test_few_windows_say_nothing_of_what_moves_on():
    rows = frame(x=NUMBER)[: 4 * ROWS]
    layouts = layouts_of(rows, ["x"])
    windows = [profile_of(rows[day * ROWS : (day + 1) * ROWS], layouts)["x"] for day in range(4)]
    assert Reference(layouts["x"], windows, [None] * 4).why_not is None

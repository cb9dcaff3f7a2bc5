"""A drift in words: before and after, and where most of the change sits."""

# ruff: noqa: E501  (one case to a line)

import numpy as np
import polars as pl
import pytest

from feature_platform.compute.drift.words import drift_in_words
from feature_platform.compute.profiles.counting import layouts_of, profile_of

RNG = np.random.default_rng(3)
NORMAL = RNG.normal(20, 4, 5000)
CITIES = RNG.choice(["Oslo", "Rome", "Lima"], 1000, p=[0.5, 0.3, 0.2])


def words(before, after):
    sides = [pl.DataFrame({"x": pl.Series(each)}) for each in (before, after)]
    layouts = layouts_of(sides[0], ["x"])
    return drift_in_words(*(profile_of(each, layouts)["x"] for each in sides))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (NORMAL, NORMAL + 6, ["the mean was 20.0", " and is 26.0", "most of all numbers above 25.2", "% now"]),
        (NORMAL, NORMAL * 3 - 40.2, ["the spread (standard deviation) was 4.0", " and is 12."]),
        ([1.0] * 90 + [2.0] * 10, [1.0] * 20 + [2.0] * 80, ["most of all numbers above 1: 10% of the values before, 80% now"]),
        (CITIES, ["Rome"] * 100, ["most of all `Rome`", "100% now"]),
        (CITIES, ["Bonn"] * 100, ["values that are new or rare, such as `Bonn`: 0% of the values before, 100% now"]),
        ([True] * 9 + [False], [True] + [False] * 9, ["`true`: 90% of the values before, 10% now"]),
        (NORMAL, [None] * 30 + [20.0] * 70, ["rows without a value: 0% before, 30% now"]),
        ([1.5] * 10, [None] * 10, ["rows without a value: 0% before, 100% now"]),
        ([5.0] * 10, [7.0] * 10, ["the mean was 5 and is 7"]),
    ],
)  # fmt: skip
def test_the_words_say_before_and_after_and_where_it_sits(before, after, said):
    found = words(before, after)
    assert all(each in found for each in said), found

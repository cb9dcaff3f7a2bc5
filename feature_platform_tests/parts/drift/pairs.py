"""Pairs of distributions for the tests of metrics, made from literal counts or from values."""

import numpy as np
import polars as pl

from feature_platform.compute.drift.pairs import pair_each
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.parts.drift import DistributionPairs, Kind


def counted(reference, current, missing=(0, 0), kind=Kind.CATEGORY):
    """A pair from counts; for categories the last bin is that of unknown values."""
    bins = len(reference)
    edges = np.arange(1.0, bins) if kind is Kind.NUMBER else np.empty(0)
    return DistributionPairs(
        np.array([reference]),
        np.array([current]),
        np.array([missing[0]]),
        np.array([missing[1]]),
        edges,
        np.arange(bins),
    )


def between(reference, current):
    """A pair from values, over the layout of the reference."""
    left, right = pl.DataFrame({"x": reference}), pl.DataFrame({"x": current})
    layouts = layouts_of(left, ["x"])
    return pair_each([profile_of(left, layouts)["x"]], [profile_of(right, layouts)["x"]])

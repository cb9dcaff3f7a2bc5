"""The Wasserstein distance in standard deviations."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, where_comparable
from feature_platform.parts.drift.ks import Ks


class Wasserstein(Metric):
    """The area between the two distribution functions, divided by the reference's standard deviation.

    Inside a bin the functions are taken as straight; values beyond the outermost edges count as lying on them.
    NaN where the distance is beyond what floats hold.

    >>> Wasserstein().name
    'wasserstein'
    """

    name = "wasserstein"
    kinds = frozenset({Kind.NUMBER})
    floor = 0.1
    certain = 0.75
    highest = None

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (np.cumsum(each, axis=1) for each in pairs.shares)
        with np.errstate(over="ignore"):
            gaps, widths = (p - q)[:, :-1], np.diff(pairs.edges)
        left, right = np.abs(gaps[:, :-1]), np.abs(gaps[:, 1:])
        crossing = gaps[:, :-1] * gaps[:, 1:] < 0
        total = left + right
        straight = total / 2
        crossed = (left**2 + right**2) / (2 * np.where(total > 0, total, 1.0))
        with np.errstate(over="ignore", invalid="ignore"):
            areas = np.where(crossing, crossed, straight) * widths
            distance = areas.sum(axis=1) / pairs.scale
        return where_comparable(pairs, np.where(np.isfinite(distance), distance, np.nan))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        """Return that of Kolmogorov and Smirnov: both are 0 for the same reason, and its distribution is known."""
        return Ks().p_value(pairs)

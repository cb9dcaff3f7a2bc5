"""The L-infinity distance."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable
from feature_platform.parts.drift.significance import homogeneity_tail


class LInfinity(Metric):
    """The largest change of the share of one decile or category.

    >>> LInfinity().name
    'l_infinity'
    """

    name = "l_infinity"
    kinds = frozenset({Kind.NUMBER, Kind.CATEGORY})
    floor = 0.03
    certain = 0.2

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (shares(each) for each in pairs.coarse_counts)
        return where_comparable(pairs, np.abs(p - q).max(axis=1, initial=0.0))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        return homogeneity_tail(pairs)

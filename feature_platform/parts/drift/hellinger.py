"""The Hellinger distance."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable
from feature_platform.parts.drift.significance import homogeneity_tail


class Hellinger(Metric):
    """The distance of the square roots of shares, over sqrt(2), over the reference's deciles or frequent categories.

    >>> Hellinger().name
    'hellinger'
    """

    name = "hellinger"
    kinds = frozenset({Kind.NUMBER, Kind.CATEGORY})
    floor = 0.05
    certain = 0.25

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (np.sqrt(shares(each)) for each in pairs.coarse_counts)
        return where_comparable(pairs, np.minimum(np.sqrt(((p - q) ** 2).sum(axis=1) / 2), 1.0))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        return homogeneity_tail(pairs)

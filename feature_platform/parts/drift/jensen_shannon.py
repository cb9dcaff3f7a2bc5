"""The Jensen-Shannon distance."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable
from feature_platform.parts.drift.significance import homogeneity_tail


class JensenShannon(Metric):
    """The square root of the Jensen-Shannon divergence in bits, over the reference's deciles or frequent categories.

    >>> JensenShannon().name
    'jensen_shannon'
    """

    name = "jensen_shannon"
    kinds = frozenset({Kind.NUMBER, Kind.CATEGORY})
    floor = 0.06
    certain = 0.3

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (shares(each) for each in pairs.coarse_counts)
        middle = (p + q) / 2
        divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
        return where_comparable(pairs, np.sqrt(np.clip(divergence, 0.0, 1.0)))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        return homogeneity_tail(pairs)


def _relative_entropy(p: Floats, middle: Floats) -> Floats:
    """Return the relative entropy in bits; an empty bin adds nothing."""
    there = p > 0
    logs = np.log2(np.where(there, p, 1.0) / np.where(there, middle, 1.0))
    return np.asarray((p * logs).sum(axis=1))

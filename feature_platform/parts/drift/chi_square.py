"""The chi-square test of homogeneity, with Cramér's V as its size."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable
from feature_platform.parts.drift.significance import homogeneity_tail


class ChiSquare(Metric):
    """Cramér's V of side against category, as if both sides had the same number of values.

    V² is the sum of (p - q)² / (2 (p + q)) over the frequent categories. Weighted by their real sizes a rare new
    category would count the more the longer the reference is. The p-value is that of the real sizes.

    >>> ChiSquare().name
    'chi_square'
    """

    name = "chi_square"
    kinds = frozenset({Kind.CATEGORY})
    floor = 0.05
    certain = 0.25

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (shares(each) for each in pairs.coarse_counts)
        both = p + q
        parts = np.where(both > 0, (p - q) ** 2 / np.where(both > 0, 2 * both, 1.0), 0.0)
        return where_comparable(pairs, np.minimum(np.sqrt(parts.sum(axis=1)), 1.0))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        return homogeneity_tail(pairs)

"""The Kolmogorov-Smirnov distance."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, where_comparable
from feature_platform.parts.drift.significance import kolmogorov_tail


class Ks(Metric):
    """The largest distance of the two distribution functions, looked for at the edges of the fine bins.

    >>> Ks().name
    'ks'
    """

    name = "ks"
    kinds = frozenset({Kind.NUMBER})
    floor = 0.05
    certain = 0.25

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (np.cumsum(each, axis=1) for each in pairs.shares)
        return where_comparable(pairs, np.minimum(np.abs(p - q).max(axis=1, initial=0.0), 1.0))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        n, m = pairs.reference.sum(axis=1), pairs.current.sum(axis=1)
        root = np.sqrt(n * m / np.maximum(n + m, 1) / pairs.alike)
        return where_comparable(pairs, kolmogorov_tail(np.nan_to_num(root * self.score(pairs))))

"""The population stability index."""

import numpy as np

from feature_platform.parts.drift.base import (
    LEAST_SHARE,
    DistributionPairs,
    Floats,
    Kind,
    Metric,
    shares,
    where_comparable,
)
from feature_platform.parts.drift.significance import homogeneity_tail


class Psi(Metric):
    """Sum of (p - q) ln(p / q) over the reference's deciles or its frequent categories; empty ones count as 1e-4.

    >>> Psi().name
    'psi'
    """

    name = "psi"
    kinds = frozenset({Kind.NUMBER, Kind.CATEGORY})
    floor = 0.02
    certain = 0.5
    highest = None
    order = 2

    def score(self, pairs: DistributionPairs) -> Floats:
        p, q = (np.maximum(shares(each), LEAST_SHARE) for each in pairs.coarse_counts)
        return where_comparable(pairs, ((p - q) * np.log(p / q)).sum(axis=1))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        return homogeneity_tail(pairs)

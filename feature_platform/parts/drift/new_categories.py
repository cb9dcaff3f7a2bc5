"""The share of values that the reference does not know."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable
from feature_platform.parts.drift.significance import poisson_tail


class NewCategories(Metric):
    """The share of the current values that are in no category of the reference.

    Where the reference has more categories than have bins of their own, the others look like new ones,
    and the score is NaN.

    >>> NewCategories().name
    'new_categories'
    """

    name = "new_categories"
    kinds = frozenset({Kind.CATEGORY})
    floor = 0.001
    certain = 0.05
    symmetric = False

    def score(self, pairs: DistributionPairs) -> Floats:
        found = shares(pairs.current)[:, -1]
        return where_comparable(pairs, found if pairs.complete else np.full_like(found, np.nan))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        """Estimate it by Good and Turing: values never seen have about the share of those seen once."""
        n, m = pairs.reference.sum(axis=1), pairs.current.sum(axis=1)
        expected = m * (pairs.rare + 1) / np.maximum(n, 1) / pairs.alike
        found = np.floor(pairs.current[:, -1] / pairs.alike).astype(np.int64)
        return where_comparable(pairs, poisson_tail(found, expected))

"""The share of the reference whose categories no longer occur."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric, shares, where_comparable


class VanishedCategories(Metric):
    """The share of the reference's values whose category has no row any more, although some would be expected.

    A category counts as vanished when its absence has a chance below one in a thousand; rare ones
    that just did not come up do not count.

    >>> VanishedCategories().name
    'vanished_categories'
    """

    name = "vanished_categories"
    kinds = frozenset({Kind.CATEGORY})
    floor = 0.002
    certain = 0.1
    symmetric = False

    def score(self, pairs: DistributionPairs) -> Floats:
        known = shares(pairs.reference)[:, :-1]
        absent = (pairs.current[:, :-1] == 0) & (_chances(pairs, 1.0) < 1e-3)
        return where_comparable(pairs, (known * absent).sum(axis=1))

    def p_value(self, pairs: DistributionPairs) -> Floats:
        """Return the chance that the most frequent absent category is absent, times the number of categories."""
        chances = np.where(pairs.current[:, :-1] == 0, _chances(pairs, pairs.alike), 1.0)
        tries = (pairs.reference[:, :-1] > 0).sum(axis=1)
        return where_comparable(pairs, np.minimum(chances.min(axis=1, initial=1.0) * tries, 1.0))


def _chances(pairs: DistributionPairs, alike: float | Floats) -> Floats:
    """Return the chance of each category to be absent from the current values, of which `alike` count as one."""
    drawn = (pairs.current.sum(axis=1) / alike)[:, None]
    return np.asarray((1.0 - shares(pairs.reference)[:, :-1]) ** drawn)

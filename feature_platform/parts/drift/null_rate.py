"""The change of the share of rows without a value."""

import numpy as np

from feature_platform.parts.drift.base import DistributionPairs, Floats, Kind, Metric
from feature_platform.parts.drift.significance import binomial_tails, normal_tails

_MANY = 10.0  # expected on a side, from which on the normal distribution is near enough


class NullRate(Metric):
    """How much the share of rows without a value (null or NaN) has changed, whichever way.

    >>> NullRate().name
    'null_rate'
    """

    name = "null_rate"
    kinds = frozenset(Kind)
    floor = 0.01
    certain = 0.1

    def score(self, pairs: DistributionPairs) -> Floats:
        n, m = pairs.rows
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.abs(pairs.reference_missing / n - pairs.current_missing / m)

    def p_value(self, pairs: DistributionPairs) -> Floats:
        """Test two proportions, by the exact test where few are expected on a side, which the other overrates."""
        chances = normal_tails(np.sqrt(proportions(pairs) / pairs.missing_alike))
        n, m = (each / pairs.missing_alike for each in pairs.rows)
        lost = pairs.reference_missing + pairs.current_missing
        rare = 2 * lost <= pairs.rows[0] + pairs.rows[1]  # what is rarer is counted: rows without a value, or with one
        of_both = np.where(rare, lost / pairs.missing_alike, n + m - lost / pairs.missing_alike)
        current = pairs.current_missing / pairs.missing_alike
        found = np.where(rare, current, m - current)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = m / (n + m)
            few = of_both * np.minimum(share, 1 - share) < _MANY
        if few.any():
            chances[few] = binomial_tails(found[few], of_both[few], share[few])
        return chances


def proportions(pairs: DistributionPairs) -> Floats:
    """Return the square of the statistic of the test of two proportions, as if no rows were alike.

    It is about 1 by chance.
    """
    n, m = (each.astype(np.float64) for each in pairs.rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (pairs.reference_missing + pairs.current_missing) / (n + m)
        error = pooled * (1 - pooled) * (1 / n + 1 / m)
        gap = pairs.reference_missing / n - pairs.current_missing / m
        return np.where(error > 0, gap**2 / error, 0.0)

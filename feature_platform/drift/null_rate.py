"""The change of the share of rows without a value."""

import numpy as np

from feature_platform.drift.base import Floats, Kind, Metric, Pairs
from feature_platform.drift.significance import normal_tails


class NullRate(Metric):
    """How much the share of rows without a value (null or NaN) has changed, whichever way.

    >>> NullRate().name
    'null_rate'
    """

    name = "null_rate"
    kinds = frozenset(Kind)
    floor = 0.01
    certain = 0.1

    def score(self, pairs: Pairs) -> Floats:
        n, m = pairs.rows
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.abs(pairs.reference_missing / n - pairs.current_missing / m)

    def p_value(self, pairs: Pairs) -> Floats:
        """The test of two proportions."""
        n, m = (each.astype(np.float64) for each in pairs.rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = (pairs.reference_missing + pairs.current_missing) / (n + m)
            error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
            return normal_tails(np.where(error > 0, self.score(pairs) / error, 0.0))

"""The drawing of a column: its reference and its current values together, and the names of metrics."""

import numpy as np

from feature_platform.compute.profiles.display import leading, rebin_shares, span
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.ground.pictures import distributions
from feature_platform.parts.drift.base import Kind

BINS, FEW_BINS, CATEGORIES = 48, 24, 8
_SCATTERED = 0.8  # share of all others beyond which a small picture of the leading categories shows nothing
_NAMES = {
    "psi": "PSI",
    "ks": "Kolmogorov-Smirnov",
    "wasserstein": "Wasserstein, in σ",
    "jensen_shannon": "Jensen-Shannon",
    "hellinger": "Hellinger",
    "l_infinity": "L-infinity",
    "chi_square": "Cramér's V",
    "null_rate": "share without a value",
    "new_categories": "new categories",
    "vanished_categories": "vanished categories",
}


def metric_name(metric: str) -> str:
    """Return the name of a metric as people call it.

    >>> metric_name("psi")
    'PSI'
    """
    return _NAMES.get(metric, metric)


def draw_distributions(
    reference: ColumnProfile, current: ColumnProfile, bins: int, categories: int, *, small: bool = False
) -> str:
    """Draw both distributions; empty when there is nothing to draw."""
    kind, sides = reference.layout.kind, (reference, current)
    if kind is Kind.NUMBER and len(reference.layout.edges) and any(each.finite for each in sides):
        low, high = span(sides)
        shares = [rebin_shares(each, np.linspace(low, high, bins + 1)).tolist() for each in sides]
        return distributions.steps(shares[0], shares[1], low, high, small=small)
    if kind is Kind.CATEGORY and any(each.values for each in sides):
        names, (left, right) = leading(sides, categories)
        if small and min(left[-1], right[-1]) > _SCATTERED and len(names) > categories:
            return ""
        return distributions.small_bars(left, right) if small else distributions.bars(names, left, right)
    return ""

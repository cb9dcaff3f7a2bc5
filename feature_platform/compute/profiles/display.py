"""Profiles for pictures: evenly wide bins where nearly all values are, and the leading categories."""

from collections.abc import Sequence

import numpy as np

from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.parts.drift.base import Floats

_FAR = 1e300  # what lies beyond is not drawn


def span(sides: Sequence[ColumnProfile]) -> tuple[float, float]:
    """Return the range of nearly all values, so that a few far ones do not flatten the picture; one must have some."""
    known = [each for each in sides if each.finite]
    low, high = min(each.quantile(0.005) for each in known), max(each.quantile(0.995) for each in known)
    low, high = max(low, -_FAR), min(high, _FAR)
    return (low, high) if high > low else (low - 0.5 - abs(low) / 1e9, high + 0.5 + abs(high) / 1e9)


def rebin_shares(profile: ColumnProfile, bins: Floats) -> Floats:
    """Return the shares in bins between these edges. Values are taken as spread evenly within a bin of the layout."""
    counts = profile.counts
    below = np.interp(bins, profile.layout.edges, np.cumsum(counts[:-1]) / max(counts.sum(), 1))
    return np.diff(below)


def leading(sides: Sequence[ColumnProfile], many: int) -> tuple[list[str], list[list[float]]]:
    """Return the categories with the largest share on any side, all others together, and the shares of each side."""
    shares = [each.counts / max(each.counts.sum(), 1) for each in sides]
    order = np.argsort(-np.maximum.reduce([each[:-1] for each in shares]), kind="stable")[:many]
    chosen = np.sort(order)
    names = [sides[0].layout.values[at] for at in chosen]
    values = [[float(each[at]) for at in chosen] for each in shares]
    others = [
        max(1.0 - sum(each), 0.0) if total.counts.sum() else 0.0 for each, total in zip(values, sides, strict=True)
    ]
    if max(others) > 1e-9:
        names, values = [*names, "all others"], [[*each, rest] for each, rest in zip(values, others, strict=True)]
    return names, values

"""What metrics compare, from profiles: one against one, or every window of a reference against the others."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.drift.base import Counts, Pairs

LEAST_OF_A_SEASON = 4  # windows of one season, below which a window is compared with all others


def pair(reference: ColumnProfile, current: ColumnProfile) -> Pairs:
    """One reference against one current profile of the same layout."""
    return _pairs(
        reference.layout,
        reference.counts[None, :],
        current.counts[None, :],
        np.array([reference.missing]),
        np.array([current.missing]),
        scale_of(reference),
    )


def leave_one_out(windows: Sequence[ColumnProfile], seasons: Sequence[Hashable], scale: float) -> Pairs:
    """Every window against the sum of the others of its season; of all others when its season has too few."""
    counts = np.stack([each.counts for each in windows])
    missing = np.array([each.missing for each in windows])
    codes = np.unique([str(each) for each in seasons], return_inverse=True)[1]
    return _pairs(
        windows[0].layout,
        _sums(counts, codes) - counts,
        counts,
        _sums(missing, codes) - missing,
        missing,
        scale,
    )


def scale_of(reference: ColumnProfile) -> float:
    """What distances are divided by: the standard deviation; of a constant its size, and 1 for zero."""
    deviation, mean = reference.deviation, reference.mean
    if deviation > 1e-12 * abs(mean):
        return deviation
    return abs(mean) if np.isfinite(mean) and mean else 1.0


def _sums(values: Counts, codes: npt.NDArray[np.intp]) -> Counts:
    """For each window the sum over its season, or over all where the season has too few."""
    sums = np.zeros((int(codes.max()) + 1, *values.shape[1:]), dtype=values.dtype)
    np.add.at(sums, codes, values)
    few = np.bincount(codes) < LEAST_OF_A_SEASON
    sums[few] = values.sum(axis=0)
    return np.asarray(sums[codes])


def _pairs(
    layout: Layout, reference: Counts, current: Counts, reference_missing: Counts, current_missing: Counts, scale: float
) -> Pairs:
    return Pairs(
        reference,
        current,
        reference_missing,
        current_missing,
        layout.edges,
        layout.coarse,
        scale,
        layout.complete,
        layout.rare,
    )

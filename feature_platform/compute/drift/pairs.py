"""Pairs of profiles for metrics: one with one, or every window of a reference with the others."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.parts.drift.base import Counts, DistributionPairs, Floats

LEAST_OF_A_SEASON = 4  # windows of one season, below which a window is compared with all others


def pair_each(references: Sequence[ColumnProfile], currents: Sequence[ColumnProfile]) -> DistributionPairs:
    """Pair each reference with the current profile at its place. All have one layout, and there is at least one.

    Raises:
        ValueError: the layouts differ, so that the counts cannot be compared.
    """
    layout = references[0].layout
    for each in (*references, *currents):
        if each.layout is not layout and each.layout.id != layout.id:
            raise ValueError(f"a profile of the layout {each.layout.id} cannot be compared with one of {layout.id}")
    scales = {id(each): scale_of(each) for each in references}  # many windows share a reference
    return _pairs(
        layout,
        np.stack([each.counts for each in references]),
        np.stack([each.counts for each in currents]),
        np.array([each.missing for each in references]),
        np.array([each.missing for each in currents]),
        np.array([scales[id(each)] for each in references]),
    )


def leave_one_out(windows: Sequence[ColumnProfile], seasons: Sequence[Hashable], scale: float) -> DistributionPairs:
    """Pair every window with the sum of the others of its season, or of all others when the season has too few."""
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
    """Return the divisor of distances: the standard deviation; the size of a constant; 1 for a constant zero."""
    deviation, mean = reference.deviation, reference.mean
    if deviation > 1e-12 * abs(mean):
        return deviation
    return abs(mean) if np.isfinite(mean) and mean else 1.0


def _sums(values: Counts, codes: npt.NDArray[np.intp]) -> Counts:
    """Return for each window the sum over its season, or over all windows where the season has too few."""
    sums = np.zeros((int(codes.max()) + 1, *values.shape[1:]), dtype=values.dtype)
    np.add.at(sums, codes, values)
    few = np.bincount(codes) < LEAST_OF_A_SEASON
    sums[few] = values.sum(axis=0)
    return np.asarray(sums[codes])


def _pairs(
    layout: Layout,
    reference: Counts,
    current: Counts,
    reference_missing: Counts,
    current_missing: Counts,
    scale: float | Floats,
) -> DistributionPairs:
    return DistributionPairs(
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

"""Segments: the profiles of many neighbouring stretches of one column at once, instead of one after the other.

To count each stretch alone costs about a millisecond, however few values it has; here the values of all are put into
bins together, and only the profile is made for each.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.profiles import distinct
from feature_platform.compute.profiles.distinct import Sketch
from feature_platform.compute.profiles.kinds import comparable, without_nulls
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.moments import Starts, moments_of_stretches
from feature_platform.compute.profiles.profile import EXAMPLES, ColumnProfile
from feature_platform.compute.profiles.totals import NOTHING, Total
from feature_platform.parts.drift.base import Counts, Floats, Kind

_Found = tuple[Sequence[Total], Sequence[Total], Floats, Floats]  # sums, least and greatest of stretches


def profile_stretches(
    values: pl.Series, starts: Starts, layout: Layout, *, sketched: bool = True
) -> list[ColumnProfile]:
    """Return the profile of each stretch of a column.

    Args:
        starts: where each stretch begins, and at last where the last one ends; a stretch may be empty.
        sketched: whether different values are counted; without, sketches are empty.

    >>> from feature_platform.compute.profiles.layout import layout_of
    >>> values = pl.Series([1.0, 2.0, None])
    >>> [(each.rows, each.nulls) for each in profile_stretches(values, np.array([0, 1, 3]), layout_of(values))]
    [(1, 0), (2, 1)]
    """
    rows = np.diff(starts)
    nulls = np.diff(_among(values.is_null().to_numpy(), starts) if values.null_count() else np.zeros_like(starts))
    if layout.kind is Kind.OTHER:
        none = np.zeros(len(rows), dtype=np.int64)
        return _profiles(layout, [rows, nulls, none, none], (rows - nulls)[:, None])
    known = comparable(values, layout.kind)
    if layout.kind is Kind.CATEGORY:
        return _profiles_of_categories(known, starts, layout, [rows, nulls], sketched=sketched)
    ends = _among(known.is_not_null().to_numpy(), starts) if known.null_count() else starts
    return _profiles_of_numbers(without_nulls(known), ends, layout, [rows, nulls], sketched=sketched)


def _profiles_of_numbers(
    known: pl.Series, starts: Starts, layout: Layout, row_counts: Sequence[Counts], *, sketched: bool
) -> list[ColumnProfile]:
    values = known.to_numpy()
    counts = _count_bins(values, starts, layout)
    sketches = distinct.sketches_of(known, starts) if sketched else None
    nans = row_counts[0] - row_counts[1] - np.diff(starts)
    finite = np.isfinite(values)
    ends = starts if finite.all() else _among(finite, starts)
    infinities = np.diff(starts - ends)
    if ends is not starts:
        values, starts = values[finite], ends
    moments = *moments_of_stretches(values, starts, layout.shift), *_ends(values, starts)
    return _profiles(layout, [*row_counts, nans, infinities], counts, moments, sketches)


def _count_bins(values: Floats, starts: Starts, layout: Layout) -> Counts:
    """Count how many values of each stretch fell into each bin.

    The values are sorted, which is quicker than to look for the bin of each.
    """
    segments = len(starts) - 1
    if len(values) >= segments * layout.bins:  # long stretches: to sort each is quicker than to sort all at once
        counts = np.empty((segments, layout.bins), dtype=np.int64)
        for at, (start, end) in enumerate(pairwise(starts.tolist())):
            reached = np.searchsorted(np.sort(values[start:end]), layout.edges, side="right")
            counts[at] = np.diff(reached, prepend=0, append=end - start)
        return counts
    order = np.argsort(values)
    reached = np.searchsorted(values[order], layout.edges, side="right")
    bins = np.repeat(np.arange(layout.bins), np.diff(reached, prepend=0, append=len(values)))
    segment = np.repeat(np.arange(segments) * layout.bins, np.diff(starts))
    return np.bincount(segment[order] + bins, minlength=segments * layout.bins).reshape(segments, layout.bins)


def _ends(values: Floats, starts: Starts) -> tuple[Floats, Floats]:
    """Return the least and the greatest of each stretch; NaN where there is none."""
    some = np.diff(starts) > 0
    first = starts[:-1][some]
    lowest, highest = np.full((2, len(some)), np.nan)
    if len(first):
        lowest[some], highest[some] = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return lowest + 0.0, highest + 0.0  # of 0.0 and -0.0 either may have come first


def _profiles_of_categories(
    known: pl.Series, starts: Starts, layout: Layout, row_counts: Sequence[Counts], *, sketched: bool
) -> list[ColumnProfile]:
    segments, ends = len(starts) - 1, _among(known.is_not_null().to_numpy(), starts) if known.null_count() else starts
    segment = pl.Series("segment", np.repeat(np.arange(segments), np.diff(ends)))
    values = pl.DataFrame({"segment": segment, "value": known.drop_nulls()})
    values = values.join(layout.codes, on="value", how="left", maintain_order="left")
    places = values["segment"] * layout.bins + values["bin"].fill_null(layout.bins - 1)
    counts = np.bincount(places.to_numpy(), minlength=segments * layout.bins).reshape(segments, layout.bins)
    sketches = distinct.sketches_of(values["value"], ends) if sketched else None
    none = np.zeros(segments, dtype=np.int64)
    examples = _unknown_values(values.filter(pl.col("bin").is_null()), segments)
    return _profiles(layout, [*row_counts, none, none], counts, None, sketches, examples)


def _unknown_values(values: pl.DataFrame, segments: int) -> list[tuple[str, ...]]:
    """Return the first few values without a bin of each stretch."""
    first = values.group_by("segment").agg(pl.col("value").unique().bottom_k(EXAMPLES).sort())
    by_stretch = dict(first.iter_rows())
    return [tuple(by_stretch.get(at, ())) for at in range(segments)]


def _profiles(
    layout: Layout,
    row_counts: Sequence[Counts],
    counts: Counts,
    moments: _Found | None = None,
    sketches: Sequence[Sketch] | None = None,
    unknown: Sequence[tuple[str, ...]] | None = None,
) -> list[ColumnProfile]:
    """Return one profile for each stretch, from rows, nulls, NaNs and infinities, and what else is known of each."""
    many = len(counts)
    total, squares, lowest, highest = moments or ([NOTHING] * many, [NOTHING] * many, *np.full((2, many), np.nan))
    rows, nulls, nans, infinities = (each.tolist() for each in row_counts)
    return [
        ColumnProfile(
            layout,
            rows[at],
            nulls[at],
            nans[at],
            infinities[at],
            counts[at],
            total[at],
            squares[at],
            float(lowest[at]),
            float(highest[at]),
            distinct.EMPTY if sketches is None else sketches[at],
            () if unknown is None else unknown[at],
        )
        for at in range(many)
    ]


def _among(there: npt.NDArray[np.bool_], starts: Starts) -> Starts:
    """Return where stretches start among the values that are there."""
    return np.asarray(np.concatenate([[0], np.cumsum(there)])[starts])

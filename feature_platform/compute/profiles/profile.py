"""A profile: counts and sums of one column of some rows. The profile of more rows is the sum of their profiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_platform.compute.profiles import distinct
from feature_platform.compute.profiles.distinct import Sketch
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.totals import NOTHING, Total, add_totals
from feature_platform.parts.drift.base import Counts, Kind

EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """The profile of one column of some rows.

    Attributes:
        rows: how many rows, those without a value included.
        nulls, nans, infinities: how many of them are that; infinities are values, counted in the outermost bins.
        counts: how many values fell into each bin of the layout.
        total, squares: sums of the finite values' distances from the layout's shift, and of their squares, unrounded.
        lowest, highest: of the finite values; NaN without any.
        sketch: of the different values.
        unknown: the first few values in alphabetical order that have no bin of their own.
    """

    layout: Layout
    rows: int
    nulls: int
    nans: int
    infinities: int
    counts: Counts
    total: Total
    squares: Total
    lowest: float
    highest: float
    sketch: Sketch
    unknown: tuple[str, ...]

    def __add__(self, other: "ColumnProfile") -> "ColumnProfile":
        return add_profiles([self, other], self.layout)

    @property
    def missing(self) -> int:
        """Return the number of rows without a value: null or NaN."""
        return self.nulls + self.nans

    @property
    def values(self) -> int:
        """Return the number of values."""
        return self.rows - self.missing

    @property
    def finite(self) -> int:
        """Return the number of finite numbers among the values."""
        return self.values - self.infinities if self.layout.kind is Kind.NUMBER else 0

    @property
    def mean(self) -> float:
        """Return the mean of the finite values; NaN without any."""
        return self.layout.shift + float(self.total) / self.finite if self.finite else math.nan

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the finite values (ddof 0).

        It is NaN without any, or when it cannot be computed.
        """
        if not self.finite:
            return math.nan
        mean = float(self.total) / self.finite
        variance = float(self.squares) / self.finite - mean * mean
        return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.nan

    @property
    def distinct(self) -> int:
        """Return about how many different values there are."""
        return distinct.distinct(self.sketch)

    def quantile(self, share: float) -> float:
        """Return the number that this share of the values is at most.

        It is the upper edge of its bin; NaN without values.
        """
        if not self.finite:
            return math.nan
        upto = self.counts.cumsum()
        reached = upto.searchsorted(share * upto[-1])
        upper = float(self.layout.edges[reached]) if reached < len(self.layout.edges) else self.highest
        return min(max(upper, self.lowest), self.highest)

    def top(self, many: int = 10) -> list[tuple[str, int]]:
        """Return the most frequent of the known categories, with their counts."""
        order = np.argsort(-self.counts[:-1], kind="stable")[:many]
        return (
            [(self.layout.values[i], int(self.counts[i])) for i in order if self.counts[i]]
            if self.layout.values
            else []
        )


def empty_profile(layout: Layout) -> ColumnProfile:
    """Return the profile of no rows."""
    none = np.zeros(layout.bins, dtype=np.int64)
    return ColumnProfile(layout, 0, 0, 0, 0, none, NOTHING, NOTHING, math.nan, math.nan, distinct.EMPTY, ())


def add_profiles(profiles: Sequence[ColumnProfile], layout: Layout) -> ColumnProfile:
    """Add up profiles of one layout; the sum of none is that of no rows."""
    if not profiles:
        return empty_profile(layout)
    if strangers := {each.layout.id for each in profiles} - {layout.id}:
        raise ValueError(f"profiles of the layouts {sorted(strangers)} do not add up with those of {layout.id}")
    return ColumnProfile(
        layout,
        sum(each.rows for each in profiles),
        sum(each.nulls for each in profiles),
        sum(each.nans for each in profiles),
        sum(each.infinities for each in profiles),
        np.sum([each.counts for each in profiles], axis=0),
        add_totals(each.total for each in profiles),
        add_totals(each.squares for each in profiles),
        float(np.fmin.reduce([each.lowest for each in profiles])) + 0.0,
        float(np.fmax.reduce([each.highest for each in profiles])) + 0.0,
        distinct.merge_sketches([each.sketch for each in profiles]),
        tuple(sorted({value for each in profiles for value in each.unknown})[:EXAMPLES]),
    )

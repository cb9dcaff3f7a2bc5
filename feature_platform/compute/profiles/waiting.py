"""Columns that wait for their first values: they are counted before there is anything to learn a layout from.

A column that is null throughout, or has no number but infinities, would have useless bins from then on. It is
counted in a layout that is the same for all such columns, and moves to the layout that is learnt later.
"""

from dataclasses import replace

import numpy as np

from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.parts.drift.base import Kind


def waiting_layout(kind: Kind) -> Layout:
    """Return the layout of a column without values to learn from.

    Values that are not compared have no other layout.

    Numbers have one edge, 0, which keeps infinities of the two signs apart.
    """
    return Layout(kind, np.zeros(1)) if kind is Kind.NUMBER else Layout(kind)


def waits(layout: Layout) -> bool:
    """Tell whether a better layout may still be learnt for the column."""
    match layout.kind:
        case Kind.NUMBER:
            return len(layout.edges) == 1 and float(layout.edges[0]) == 0.0
        case Kind.CATEGORY:
            return not layout.values
        case Kind.OTHER:
            return False


def fits_nothing(layout: Layout) -> bool:
    """Tell whether a layout was learnt from no values, so that it has one bin for everything.

    >>> import polars as pl
    >>> from feature_platform.compute.profiles.layout import layout_of
    >>> fits_nothing(layout_of(pl.Series([None], dtype=pl.Int64))), fits_nothing(layout_of(pl.Series([1])))
    (True, False)
    """
    return layout.kind is not Kind.OTHER and layout.bins == 1


def move_to_layout(profile: ColumnProfile, layout: Layout) -> ColumnProfile:
    """Move a profile that waited to the layout that was learnt; return any other one as it is."""
    if profile.layout is layout or layout.kind is not profile.layout.kind or not waits(profile.layout):
        return profile
    counts = np.zeros(layout.bins, dtype=np.int64)
    counts[0] += profile.counts[0]  # the infinities below; of categories there are none
    counts[-1] += profile.counts[1:].sum()
    return replace(profile, layout=layout, counts=counts)

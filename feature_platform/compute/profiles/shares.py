"""Shares from a profile: of its most frequent value, and of true among Booleans."""

import math

from feature_platform.compute.profiles.profile import ColumnProfile

TRUE, FALSE = "true", "false"  # as Polars writes Booleans, which are counted as categories


def top_share(profile: ColumnProfile) -> float:
    """Return the share of the fullest bin among the values; NaN without values.

    It is at least the share of the most frequent value.

    >>> from feature_platform.compute.profiles.counting import layouts_of, profile_of
    >>> import polars as pl
    >>> rows = pl.DataFrame({"flag": [True, False, False, None, False]})
    >>> found = profile_of(rows, layouts_of(rows, ["flag"]))["flag"]
    >>> top_share(found), true_share(found, "Boolean"), true_share(found, "String")
    (0.75, 0.25, nan)
    """
    return float(profile.counts.max()) / profile.values if profile.values else math.nan


def true_share(profile: ColumnProfile, dtype: str) -> float:
    """Return the share of true among the values of a Boolean; NaN of other types, without values, or when unknown.

    A layout that was learnt from one of the two counts the other in its last bin.
    """
    known = profile.layout.values
    if dtype != "Boolean" or not profile.values or not known:
        return math.nan
    if TRUE in known:
        return float(profile.counts[known.index(TRUE)]) / profile.values
    return 1.0 - float(profile.counts[known.index(FALSE)]) / profile.values

"""The profiles of many windows of time: they are counted together, and without sketches."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_platform.compute.profiles.counting import profiles_by
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile

WindowProfiles = Mapping[datetime, Mapping[str, ColumnProfile]]


def profile_windows(
    rows: pl.DataFrame | pl.LazyFrame, layouts: Mapping[str, Layout], window: pl.Expr
) -> dict[datetime, dict[str, ColumnProfile]]:
    """Return the profile of each window that has rows, in order of time. Rows without a window count nowhere.

    A lazy frame is gone through in batches whose profiles add up, so that rows are never held together.

    Args:
        window: the start of the window of each row, see `clock.window_of`.

    >>> from feature_platform.compute.profiles.counting import layouts_of
    >>> rows = pl.DataFrame({"day": [datetime(2024, 1, 1), datetime(2024, 1, 2)], "x": [1.0, 2.0]})
    >>> [found["x"].mean for found in profile_windows(rows, layouts_of(rows, ["x"]), pl.col("day")).values()]
    [1.0, 2.0]
    """
    by_window = profiles_by(rows, layouts, window, sketched=False)
    return {start: profile for start, profile in by_window.items() if isinstance(start, datetime)}

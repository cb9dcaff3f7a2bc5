"""Moments as text that sorts as they do: 18 digits, microseconds since the year 1."""

from datetime import datetime

import polars as pl

from feature_platform.ground.clock import microsecond_of, moment_of

YEAR_ONE = -62_135_596_800_000_000  # 0001-01-01, the first moment that can be written, in microseconds


def sortable(moment: datetime) -> bytes:
    """Return a moment as 18 digits, microseconds since 0001-01-01 UTC: texts compare as the moments do.

    >>> from feature_platform.ground.clock import ALWAYS, EPOCH
    >>> sortable(EPOCH), sortable(ALWAYS)
    (b'062135596800000000', b'000000000000000000')
    """
    return b"%018d" % (microsecond_of(moment) - YEAR_ONE)


def sortable_text(times: pl.Expr) -> pl.Expr:
    """Return a time column as `sortable` writes moments; null where the time is."""
    return (times.dt.cast_time_unit("us").to_physical() - YEAR_ONE).cast(pl.String).str.zfill(18)


def moment_of_sortable(text: bytes) -> datetime:
    """Return the moment that `sortable` wrote.

    >>> from feature_platform.ground.clock import EPOCH
    >>> moment_of_sortable(sortable(EPOCH)) == EPOCH
    True
    """
    return moment_of(int(text) + YEAR_ONE)

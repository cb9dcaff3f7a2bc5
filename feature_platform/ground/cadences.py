"""Cadences: the instants at which a windowed view publishes, in UTC or at the midnights of a time zone.

Without a zone, instants are the whole multiples of `every`; with one, each is the first instant of a local day, `every`
as many days after the one before. Both are counted from Monday 1970-01-05, so that weeks begin on Mondays.
"""

from datetime import datetime
from functools import partial

import polars as pl

from feature_platform.ground.calendars import CalendarStep, start_after, starts_between, step_starts
from feature_platform.ground.clock import MONDAY, NEVER, UTC, microsecond_of, moment_of

_DAY = 86_400_000_000


def publication(times: pl.Expr, every: int, delay: int = 0, tz: str | None = None) -> pl.Expr:
    """Return the newest instant of a cadence whose values are out at each time; null where the time is.

    Args:
        every: the distance of two instants in microseconds; with a zone whole days.
        delay: values of instant `a` are out from `a + delay` on, in microseconds.
    """
    physical = times.to_physical() - delay
    if tz is None:
        return (physical - (physical - MONDAY) % every).cast(UTC)
    newest = partial(_newest_starts, step=_step_of(every), tz=tz)
    return physical.map_batches(newest, return_dtype=pl.Int64, is_elementwise=True).cast(UTC)


def instants(start: datetime, end: datetime, every: int, tz: str | None = None) -> pl.Series:
    """Return the instants `a` of a cadence with `start < a <= end`: those that close within the interval.

    >>> day = 86_400_000_000
    >>> instants(moment_of(0), moment_of(2 * day), day).dt.to_string("%F").to_list()
    ['1970-01-02', '1970-01-03']
    >>> instants(moment_of(0), moment_of(2 * day), day, "America/New_York").dt.to_string("%F %R").to_list()
    ['1970-01-01 05:00', '1970-01-02 05:00']
    """
    low, high = microsecond_of(start), microsecond_of(end)
    if tz is not None:
        return pl.Series("as_of", starts_between(low, high, _step_of(every), tz), dtype=pl.Int64).cast(UTC)
    first = low - (low - MONDAY) % every + every
    return pl.select(pl.int_range(first, high + 1, every, dtype=pl.Int64).cast(UTC).alias("as_of")).to_series()


def instants_between(start: datetime, end: datetime, every: int, tz: str | None = None) -> int:
    """Count the `instants` of a cadence; without a zone none of them is made.

    >>> instants_between(moment_of(0), moment_of(2 * 86_400_000_000), 86_400_000_000)
    2
    """
    low, high = microsecond_of(start), microsecond_of(end)
    if tz is not None:
        return len(starts_between(low, high, _step_of(every), tz))
    return max((high - MONDAY) // every - (low - MONDAY) // every, 0)


def outer_instants(
    start: datetime, end: datetime, every: int, tz: str | None = None
) -> tuple[datetime, datetime] | None:
    """Return the first and the last of the `instants` of a cadence, without making them; None where there are none.

    >>> day = 86_400_000_000
    >>> [f"{moment:%F}" for moment in outer_instants(moment_of(0), moment_of(2 * day), day) or ()]
    ['1970-01-02', '1970-01-03']
    """
    high = microsecond_of(end)
    first, last = _instant_after(microsecond_of(start), every, tz), _newest_instant(high, every, tz)
    return (moment_of(first), moment_of(last)) if first <= last else None


def next_instant(moment: datetime, every: int, tz: str | None = None) -> datetime:
    """Return the first instant of a cadence after a moment, or the last moment that can be written.

    >>> f"{next_instant(moment_of(0), 7 * 86_400_000_000):%a %F}"
    'Mon 1970-01-05'
    """
    found = _instant_after(microsecond_of(moment), every, tz)
    return NEVER if found > microsecond_of(NEVER) else moment_of(found)


def _instant_after(time: int, every: int, tz: str | None) -> int:
    """Return the first instant after a time, in microseconds."""
    return time - (time - MONDAY) % every + every if tz is None else start_after(time, _step_of(every), tz)


def _newest_instant(time: int, every: int, tz: str | None) -> int:
    """Return the newest instant at or before a time, in microseconds."""
    if tz is None:
        return time - (time - MONDAY) % every
    import numpy as np

    return int(step_starts(np.array([time], dtype=np.int64), _step_of(every), tz)[0])


def _newest_starts(times: pl.Series, step: CalendarStep, tz: str) -> pl.Series:
    """Return the newest start of a calendar at or before each time, in microseconds; null where the time is."""
    found = pl.Series(times.name, step_starts(times.fill_null(0).to_numpy(), step, tz), dtype=pl.Int64)
    return found.set(times.is_null(), None) if times.null_count() else found


def _step_of(every: int) -> CalendarStep:
    """Return the days that a cadence has from one instant to the next."""
    return CalendarStep(days=every // _DAY)

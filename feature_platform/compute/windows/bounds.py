"""The two ends of windows: from when to when the events of each moment lie."""

from typing import assert_never

from feature_platform.compute.windows.timeline import Whole
from feature_platform.ground.calendars import unit_starts
from feature_platform.parts.aggregations.windows import Lifetime, Span, ToDate, UnitBefore, Window


def bounds_of(window: Window, moments: Whole) -> tuple[Whole, Whole]:
    """Return the start and the end of a window for each moment, in microseconds since 1970: `[start, end)`.

    An end is the moments themselves where the window ends there.

    >>> import numpy as np
    >>> bounds_of(Span(length=7, lag=2), np.array([10, 20]))
    (array([ 1, 11]), array([ 8, 18]))
    """
    match window:
        case Span():
            return moments - window.reach, moments - window.lag if window.lag else moments
        case Lifetime():
            return moments - window.reach, moments
        case ToDate():
            return unit_starts(moments, window.unit, window.tz), moments
        case UnitBefore():
            first, second = (unit_starts(moments, window.unit, window.tz, back=back) for back in (1, 0))
            return first, second
        case _:
            assert_never(window)

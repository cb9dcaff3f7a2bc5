"""The ends of windows: from when to when the events of each moment lie, and by when they must have been known."""

from collections.abc import Iterable
from typing import assert_never

from feature_platform.compute.windows.timeline import Whole
from feature_platform.ground.calendars import unit_starts
from feature_platform.parts.aggregations.windows import Ahead, Lifetime, Span, ToDate, UnitBefore, Window


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
        case Ahead():
            return moments + window.start, moments + window.end
        case _:
            assert_never(window)


def known_by(window: Window, moments: Whole) -> Whole:
    """Return by when the events of a window must have been known for each moment, in microseconds since 1970.

    That is the moment itself for all windows that look back, lagged ones too.

    >>> import numpy as np
    >>> known_by(Span(length=7, lag=2), np.array([10])), known_by(Ahead(start=1, length=7, lateness=2), np.array([10]))
    (array([10]), array([20]))
    """
    return moments + window.known_within if isinstance(window, Ahead) else moments


def ahead_of(windows: Iterable[Window]) -> int:
    """Return how far after its moment an event of some windows may lie at most, in microseconds; 0 looking back.

    >>> ahead_of([Ahead(start=1, length=7), Ahead(start=1, length=3)])
    8
    """
    return max((each.end for each in windows if isinstance(each, Ahead)), default=0)

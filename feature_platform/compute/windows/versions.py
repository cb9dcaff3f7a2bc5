"""Windows over events that have several versions, each known from one moment on and replaced from another on.

At a moment one version of an event counts. Versions that no moment asks for are left out first; most windows then hold
none that was replaced, and are computed as ever. The events of the others are laid end to end, each window by itself.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from feature_platform.compute.windows.asked import AskedWindows
from feature_platform.compute.windows.ragged import chunks, spread
from feature_platform.compute.windows.timeline import NEVER, Scale, Timeline, Whole
from feature_platform.compute.windows.window_values import WindowQuery, window_values

_LOWEST = -(2**63)


def values_as_known(query: WindowQuery, asked: AskedWindows) -> pl.DataFrame:
    """Return the same as `window_values`, of each event the version that counts at the moment.

    Raises:
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
    """
    until = query.line.until
    if until is None:
        return window_values(query, asked)
    order = np.argsort(query.line.place(query.codes, query.times), kind="stable")
    query = query.at_places(order)  # bounds of keys and times in order are found many times quicker
    line = _without_unseen(query.line, until, query.codes, query.times)
    replaced = np.append(0, np.cumsum(line.until != NEVER))
    low = line.first_at(query.codes, np.maximum(query.times, _LOWEST + asked.reach) - asked.reach)
    high = line.first_at(query.codes, query.times)
    several = replaced[high] > replaced[low]
    plain, laid = np.flatnonzero(~several), np.flatnonzero(several)
    parts = [window_values(replace(query, line=replace(line, until=None)).at_places(plain), asked)]
    for chunk in chunks((high - low)[laid]) if len(laid) else ():
        places = laid[chunk]
        parts.append(window_values(_lay_out(replace(query, line=line), places, low[places], high[places]), asked))
    return pl.concat(parts)[np.argsort(order[np.concatenate([plain, laid])])]


def _without_unseen(line: Timeline, until: Whole, codes: Whole, times: Whole) -> Timeline:
    """Return a timeline without the replaced versions that count at no moment asked of their key."""
    rows = np.flatnonzero(until != NEVER)
    if line.known is None or not len(rows):
        return line
    scale, keys = Scale(times, line.keys.height), line.line[rows] // line.scale.width
    asked = np.sort(codes * scale.width + scale(times))
    first = np.searchsorted(asked, keys * scale.width + scale(line.known[rows]))
    after = np.searchsorted(asked, keys * scale.width + scale(until[rows]))
    seen = np.full(len(until), fill_value=True)
    seen[rows[after == first]] = False
    kept = np.flatnonzero(seen)
    events = line.events[kept] if line.events.width else line.events
    return replace(line, events=events, known=line.known[kept], until=until[kept], line=line.line[kept])


def _lay_out(query: WindowQuery, places: Whole, low: Whole, high: Whole) -> WindowQuery:
    """Return the windows at some places, each over the versions `[low, high)` that count at its moment."""
    line, times = query.line, query.times[places]
    rows, asking = spread(low, high - low), np.repeat(np.arange(len(places)), high - low)
    if line.known is not None and line.until is not None:
        counts = (line.known[rows] <= times[asking]) & (times[asking] < line.until[rows])
        rows, asking = rows[counts], asking[counts]
    at = line.codes_and_times()[1][rows]
    scale = Scale(at, len(places))
    keys = line.keys[np.maximum(query.codes[places], 0)] if line.keys.width else line.keys
    events = line.events[rows] if line.events.width else line.events
    laid = Timeline(events, keys=keys, known=None, scale=scale, line=asking * scale.width + scale(at))
    return replace(query, line=laid, codes=np.arange(len(places)), times=times)

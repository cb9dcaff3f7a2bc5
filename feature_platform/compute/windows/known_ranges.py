"""The events of a window that were known by its instant.

Events mostly become known in the order in which they happened. Then those known by an instant are the first ones
of a range, and the window is a shorter range; where late events lie between, that is uncertain, and the caller looks
at each event.
"""

import numpy as np

from feature_platform.compute.windows.timeline import Scale, Timeline, Whole


class KnownOrder:
    """When the events of a timeline were known, in an order that can be searched; made once for all windows.

    Attributes:
        scale: the times as whole numbers.
        latest, earliest: key and time of the latest known of the events up to each, and of the earliest from each on.
    """

    def __init__(self, line: Timeline, known: Whole) -> None:
        keys, _ = line.codes_and_times()
        self.scale = Scale(known, line.keys.height)
        places = keys * self.scale.width + self.scale(known)
        self.latest = np.maximum.accumulate(places)
        self.earliest = np.minimum.accumulate(places[::-1])[::-1]


class KnownRanges:
    """Which events of the windows of many keys and instants were known by the instant.

    Attributes:
        all_is_known: whether every event was known when it happened.
    """

    def __init__(self, order: KnownOrder | None, codes: Whole, times: Whole) -> None:
        self.all_is_known = order is None
        self.all_known = self.none_known = np.zeros(0, dtype=np.int64)
        if order is None:
            return
        asked = codes * order.scale.width + order.scale(times + 1)
        self.all_known = np.searchsorted(order.latest, asked).astype(np.int64)
        self.none_known = np.searchsorted(order.earliest, asked).astype(np.int64)

    @staticmethod
    def of(line: Timeline, codes: Whole, times: Whole) -> "KnownRanges":
        """Return the ranges of a timeline's events that were known by some times."""
        return KnownRanges(None if line.known is None else KnownOrder(line, line.known), codes, times)

    def certain(self, low: Whole, high: Whole) -> tuple[Whole, Whole]:
        """Return the ranges of known events among those of windows `[low, high)`; empty where that is uncertain."""
        if self.all_is_known:
            return low, high
        end = np.maximum(np.minimum(high, self.all_known), low)
        uncertain = self.uncertain(low, high)
        end[uncertain] = low[uncertain]
        return low, end

    def uncertain(self, low: Whole, high: Whole) -> Whole:
        """Return the positions of windows with events after which others are known earlier, some by the instant."""
        if self.all_is_known:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.maximum(low, self.all_known) < np.minimum(high, self.none_known))

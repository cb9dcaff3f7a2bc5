"""A reference: what a column is compared with, and how much its own windows differ from one another."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from feature_platform.compute.drift.pairs import LEAST_OF_A_SEASON, leave_one_out, scale_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile, added
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.drift import METRICS
from feature_platform.drift.base import Metric

LEAST_WINDOWS = 5  # below which thresholds are the metrics' floors


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference of one column.

    Attributes:
        windows: the profiles of its windows, all of one layout; a single one when there are none.
        seasons: the season of each window; windows of one season are alike, None is a season like any other.
    """

    layout: Layout
    windows: Sequence[ColumnProfile]
    seasons: Sequence[Hashable]

    @cached_property
    def whole(self) -> ColumnProfile:
        """The sum of all windows."""
        return added(self.windows, self.layout)

    def for_season(self, season: Hashable) -> ColumnProfile:
        """The sum of the windows of a season; of all windows when it has too few."""
        own = [window for each, window in zip(self.seasons, self.windows, strict=True) if each == season]
        return added(own, self.layout) if LEAST_OF_A_SEASON <= len(own) < len(self.windows) else self.whole

    def thresholds(self, rule: DriftRule) -> "Thresholds":
        """The threshold of each metric: its floor, or what the reference's own windows show when that is more."""
        usable = [at for at, each in enumerate(self.windows) if each.rows >= rule.least_rows]
        applied = [metric for metric in METRICS if metric.applies(self.layout.kind)]
        if len(usable) < LEAST_WINDOWS:
            return Thresholds({metric.name: metric.floor for metric in applied}, 0)
        windows, seasons = [self.windows[at] for at in usable], [self.seasons[at] for at in usable]
        pairs = leave_one_out(windows, seasons, scale_of(self.whole))
        return Thresholds(
            {metric.name: learnt(metric, metric.score(pairs), rule.margin) for metric in applied}, len(usable)
        )


@dataclass(frozen=True)
class Thresholds:
    """What scores are held against.

    Attributes:
        by_metric: the threshold of each metric that applies.
        windows: how many windows they were learnt from; 0 when they are the floors.
    """

    by_metric: Mapping[str, float]
    windows: int


def learnt(
    metric: Metric, scores: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], margin: float
) -> float:
    """The larger of the floor and a margin beyond the largest score that a window of the reference has itself."""
    found = np.asarray(scores, dtype=np.float64)
    known = found[np.isfinite(found)]
    return max(metric.floor, margin**metric.order * float(known.max())) if len(known) else metric.floor

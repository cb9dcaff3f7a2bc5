"""Habits: whether one number of the newest window, such as its rows, is unusual for its season."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from feature_platform.compute.drift.pairs import LEAST_OF_A_SEASON
from feature_platform.compute.drift.reference import LEAST_WINDOWS
from feature_platform.parts.drift.base import Floats


@dataclass(frozen=True)
class RatioVerdict:
    """The ratio of a number to what is usual in its season, and whether that is unusual.

    Attributes:
        ratio: to the median of the season's windows; 1 is as usual.
        threshold: how large a ratio, or its inverse, is unusual.
        unusual: None when there are too few windows to say.
    """

    ratio: float
    threshold: float
    unusual: bool | None


@dataclass(frozen=True, eq=False)
class Habit:
    """The usual size of a number, by the windows of a reference.

    Attributes:
        limit: how far from its season's median a number may be, on a logarithmic scale; None when there are too few
            windows to say.
    """

    logs: Floats
    seasons: Sequence[Hashable]
    limit: float | None

    @classmethod
    def of(cls, windows: Sequence[float], seasons: Sequence[Hashable], floor: float, margin: float) -> "Habit":
        """Learn what is usual from windows; see `judge_ratio`."""
        logs = np.log(np.maximum(np.asarray(windows, dtype=np.float64), 0.5))
        if len(windows) < LEAST_WINDOWS:
            return cls(logs, seasons, None)
        usual = [abs(float(log - _middle(logs, seasons, seasons[at], at))) for at, log in enumerate(logs)]
        return cls(logs, seasons, max(math.log(floor), margin * max(usual)))

    def judge(self, current: float, season: Hashable) -> RatioVerdict:
        """Judge how far a number is from its season."""
        if self.limit is None:
            return RatioVerdict(math.nan, math.nan, None)
        distance = math.log(max(current, 0.5)) - _middle(self.logs, self.seasons, season, None)
        return RatioVerdict(math.exp(distance), math.exp(self.limit), abs(distance) >= self.limit)


def judge_ratio(
    windows: Sequence[float], seasons: Sequence[Hashable], current: float, season: Hashable, floor: float, margin: float
) -> RatioVerdict:
    """Judge a number against those of the reference's windows, by ratio.

    Args:
        floor: the smallest ratio that can matter, e.g. 1.3.
        margin: how far beyond the ratios of the windows themselves the threshold lies, on a logarithmic scale.

    >>> judge_ratio([100, 110, 90, 105, 95], [None] * 5, 50, None, 1.3, 1.5).unusual
    True
    """
    return Habit.of(windows, seasons, floor, margin).judge(current, season)


def _middle(logs: Floats, seasons: Sequence[Hashable], season: Hashable, without: int | None) -> float:
    """Return the median of the season's windows, or of all when it has too few."""
    others = [at for at in range(len(logs)) if at != without]
    own = [at for at in others if seasons[at] == season]
    chosen = own if len(own) >= LEAST_OF_A_SEASON - 1 else others
    return median(float(logs[at]) for at in chosen)  # many times quicker than NumPy's for so few

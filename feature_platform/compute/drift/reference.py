"""A reference: what a column is compared with, and how much its own windows differ from one another."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from feature_platform.compute.drift.pairs import LEAST_OF_A_SEASON, leave_one_out, scale_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile, add_profiles
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.parts.drift import METRICS
from feature_platform.parts.drift.base import DistributionPairs, Kind, Metric
from feature_platform.parts.drift.null_rate import proportions
from feature_platform.parts.drift.significance import homogeneity

LEAST_WINDOWS = 5  # below which thresholds are the metrics' floors
MOVES_ON = "its values move on from window to window, as those of a growing id do"
OWN_VALUES = "each window has values of its own, as dates written as text have"
_PASSED = 0.9  # of the steps from window to window, that go one way where a column moves on
_TELLING = 0.6  # of the largest distance there is: windows that differ so much have values of their own
_STRANGE = 0.9  # of the values of a window are in no bin of their own: they are others each time
_ASKED = 16  # windows, spread over the reference, that tell whether each has values of its own


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
        """Return the sum of all windows."""
        return add_profiles(self.windows, self.layout)

    def for_season(self, season: Hashable) -> ColumnProfile:
        """Return the sum of the windows of a season; of all windows when it has too few."""
        own = [window for each, window in zip(self.seasons, self.windows, strict=True) if each == season]
        return add_profiles(own, self.layout) if LEAST_OF_A_SEASON <= len(own) < len(self.windows) else self.whole

    @property
    def why_not(self) -> str | None:
        """Return why new values say nothing about drift, by the reference's own windows; None when they do."""
        if self.layout.kind is Kind.NUMBER:
            return MOVES_ON if self.moves_on else None
        return OWN_VALUES if self.identifies_windows else None

    @cached_property
    def moves_on(self) -> bool:
        """Tell whether each window has numbers beyond those of the one before: ids that grow, times, odometers.

        Then new values are beyond all known ones by construction, and that says nothing. Told by the quartiles of
        neighbouring windows, which do not overlap, and all but a tenth of which go one way; or by windows of one value
        each, such as a year, that only ever rises or only ever falls.
        """
        known = [each for each in self.windows if each.finite]
        if self.layout.kind is not Kind.NUMBER or len(known) < LEAST_WINDOWS:
            return False
        means = np.array([each.mean for each in known])
        steps = np.diff(means)
        if all(each.lowest == each.highest for each in known):
            return bool((steps > 0).any() != (steps < 0).any())
        upwards = _share(steps > 0) >= _PASSED
        if not upwards and _share(steps < 0) < _PASSED:
            return False
        ordered = known if upwards else known[::-1]
        quartiles = np.array([[each.quantile(0.25), each.quantile(0.75)] for each in ordered])
        return _share(quartiles[1:, 0] > quartiles[:-1, 1]) >= _PASSED

    @cached_property
    def identifies_windows(self) -> bool:
        """Tell whether most windows have values of their own, as with ids, exchange rates of a day or names of months.

        Such a column tells one window from all others whether or not anything is wrong.
        """
        spread = np.unique(np.linspace(0, len(self.windows) - 1, _ASKED).astype(np.intp))
        some = [self.windows[at] for at in spread if self.windows[at].values]
        if self.layout.kind is Kind.OTHER or len(some) < LEAST_WINDOWS:
            return False
        others, own = leave_one_out(some, [None] * len(some), 1.0).shares
        if self.layout.kind is Kind.NUMBER:
            distances = np.abs(np.cumsum(others - own, axis=1)).max(axis=1)
        else:
            strangers = np.where(own[:, -1] >= _STRANGE, own[:, -1], 0.0)
            distances = np.maximum(np.abs(others - own).max(axis=1), strangers)
        return float(np.median(distances)) >= _TELLING

    def thresholds(self, rule: DriftRule) -> "Thresholds":
        """Return the threshold of each metric.

        It is the floor of the metric, or what the reference's own windows show when that is more.
        """
        applied = [metric for metric in METRICS if metric.applies(self.layout.kind)]
        pairs = self._own_pairs(rule)
        if pairs is None:
            return Thresholds({metric.name: metric.floor for metric in applied}, 0)
        return Thresholds(
            {metric.name: threshold_of(metric, metric.score(pairs), rule.margin) for metric in applied},
            len(pairs.current),
        )

    def restlessness(self, rule: DriftRule) -> "Restlessness":
        """Return how much more than by chance the reference's own windows differ from one another."""
        pairs = self._own_pairs(rule)
        if pairs is None:
            return Restlessness(1.0, 1.0)
        statistics, freedom = homogeneity(pairs)
        known = np.isfinite(statistics) & (freedom > 0)
        values = float(statistics[known].sum() / freedom[known].sum()) if known.any() else 1.0
        return Restlessness(values, float(proportions(pairs).mean()))

    def _own_pairs(self, rule: DriftRule) -> DistributionPairs | None:
        """Pair each window with enough rows with the others of its season; None where there are too few windows."""
        usable = [at for at, each in enumerate(self.windows) if each.rows >= rule.least_rows]
        if len(usable) < LEAST_WINDOWS:
            return None
        windows, seasons = [self.windows[at] for at in usable], [self.seasons[at] for at in usable]
        return leave_one_out(windows, seasons, scale_of(self.whole))


def _share(flags: npt.NDArray[np.bool_]) -> float:
    return float(flags.mean())


@dataclass(frozen=True)
class Restlessness:
    """How much the windows of a reference differ, as a multiple of what independent rows would; 1 is chance alone.

    Attributes:
        values, missing: of what rows have in a column, and of whether they have anything.
    """

    values: float
    missing: float


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of the metrics of a column.

    Attributes:
        by_metric: the threshold of each metric that applies.
        windows: how many windows they were learnt from; 0 when they are the floors.
    """

    by_metric: Mapping[str, float]
    windows: int


def threshold_of(
    metric: Metric, scores: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], margin: float
) -> float:
    """Return the floor, or a margin beyond the largest score of the reference's own windows when that is more."""
    numbers = np.asarray(scores, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    return max(metric.floor, margin**metric.order * float(finite.max())) if len(finite) else metric.floor

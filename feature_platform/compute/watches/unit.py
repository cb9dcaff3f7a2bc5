"""The unit of numbers.

It shows in the mean and the deviation, which summaries have exactly. Their median is the upper end of a bin, and bins
far from the values that they were learnt from are wide: of values a thousand times smaller it can be off thirtyfold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from feature_platform.compute.watches.base import (
    LEAST_EARLIER,
    LEAST_VALUES,
    Observation,
    Summary,
    Watch,
    WatchResult,
    format_number,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind

UNITS = (10.0, 12.0, 24.0, 60.0, 100.0, 1000.0, 3600.0, 86_400.0, 1e6, 0.45359237, 1.609344)
NEAR = math.log(1.03)  # how close to the factor, where earlier partitions hardly differ
NEAR_ENOUGH = 0.1  # of the factor's logarithm, for the steadier of the two: half as much again is no mile in kilometres
MARGIN = 1.5  # how far beyond what earlier partitions differ by, on a logarithmic scale
BOTH = 0.25  # of the factor's logarithm, by which the deviation may miss it where it is restless: one of ten stores
# with a hundredfold has ten times the mean, and thirty times the deviation
STEADY = 0.2  # of the factor's logarithm: numbers that wander further by themselves tell nothing about it
_MEASURE = "of the usual size"
_FACTORS = sorted({each for unit in UNITS for each in (unit, 1 / unit)})


class Unit(Watch):
    """Numbers that are all a known factor larger or smaller, such as 1000, 60 or 1.609, while they hardly moved before.

    Both their mean and their deviation must have changed by the factor, so that a column without spread has no unit.

    >>> Unit().kind.value
    'unit'
    """

    kind: ClassVar[FindingKind] = FindingKind.UNIT
    description: ClassVar[str] = "All numbers of a column are a known factor larger or smaller, as in another unit."

    def look(self, observation: Observation) -> list[WatchResult]:
        columns = observation.columns.items()
        return [_judge(name, now, observation) for name, now in columns if math.isfinite(now.mean)]


@dataclass(frozen=True)
class _Shift:
    """How far a statistic is from its usual value, and how far it ever was before, as logarithms of ratios."""

    by: float
    wander: float

    def steady(self, factor: float) -> bool:
        return math.isfinite(self.by) and self.wander <= STEADY * abs(math.log(factor))

    def near(self, factor: float) -> bool:
        return abs(self.by - math.log(factor)) <= max(NEAR, MARGIN * self.wander)

    def very_near(self, factor: float) -> bool:
        most = NEAR_ENOUGH * abs(math.log(factor))
        return abs(self.by - math.log(factor)) <= max(NEAR, min(MARGIN * self.wander, most))


def _judge(name: str, now: Summary, observation: Observation) -> WatchResult:
    before = [each for each in observation.before(name) if each.values >= LEAST_VALUES and math.isfinite(each.mean)]
    if now.values < LEAST_VALUES:
        return insufficient_data(name, "critical", _MEASURE, f"there are only {now.values:,} values")
    if len(before) < LEAST_EARLIER:
        return insufficient_data(
            name, "critical", _MEASURE, f"only {partitions_in_words(len(before))} before it had enough values"
        )
    means, spreads = [each.mean for each in before], [each.deviation for each in before]
    mean, spread = _measure_shift(means, now.mean), _measure_shift(spreads, now.deviation)
    factor = _factor(mean, spread)
    usual, wide = median(means), median(spreads)
    compared = f"a mean of {format_number(usual)} in {partitions_in_words(len(before))}"
    statement = f"The mean is {format_number(now.mean)} and the deviation {format_number(now.deviation)}"
    evidence = f"{statement}, where {format_number(usual)} and {format_number(wide)} are usual"
    if factor is not None:
        evidence += f": {_words(factor)}, as if the unit had changed"
    ratio = now.mean / usual if usual else math.nan
    score = ratio if math.isfinite(ratio) else None
    return WatchResult(name, factor is not None, score, factor, "critical", _MEASURE, compared, f"{evidence}.")


def _measure_shift(before: Sequence[float], now: float) -> _Shift:
    """Measure how far a statistic moved.

    It wanders without limit where a value is zero, not known, or of another sign than the others.
    """
    middle = median(before)
    ratios = [each / middle if middle else math.nan for each in [*before, now]]
    logs = [math.log(each) if math.isfinite(each) and each > 0 else math.nan for each in ratios]
    wander = max((abs(each) for each in logs[:-1]), default=math.nan)
    return _Shift(logs[-1], wander if all(map(math.isfinite, logs[:-1])) else math.inf)


def _factor(mean: _Shift, spread: _Shift) -> float | None:
    """Return the factor that mean and deviation moved by. A statistic that is restless must have come near it, too."""
    if not math.isfinite(spread.by):
        return None
    steadier = min((mean, spread), key=lambda each: each.wander)
    nearest = min(_FACTORS, key=lambda factor: abs(steadier.by - math.log(factor)))
    telling = [each for each in (mean, spread) if each.steady(nearest)]
    both = abs(spread.by - math.log(nearest)) <= max(NEAR, BOTH * abs(math.log(nearest)))
    agrees = (
        both and steadier in telling and steadier.very_near(nearest) and all(each.near(nearest) for each in telling)
    )
    return nearest if agrees else None


def _words(factor: float) -> str:
    return f"{format_number(factor)} times as much" if factor >= 1 else f"1/{format_number(1 / factor)} of it"

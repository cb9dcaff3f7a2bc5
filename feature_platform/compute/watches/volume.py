"""The number of rows."""

import math
from collections.abc import Sequence
from statistics import median
from typing import ClassVar

from feature_platform.compute.drift.watches import watched
from feature_platform.compute.watches.base import (
    LEAST_EARLIER,
    ROWS,
    UNLIKELY,
    Looked,
    Sight,
    Summary,
    Watch,
    cannot_say,
    partitions,
    percent,
)

FLOOR = 1.3  # the smallest ratio that can matter
MARGIN = 1.5  # how far beyond the ratios of earlier partitions themselves, on a logarithmic scale
CHANCE = 4.0  # standard deviations of a count; 3 rows where 8 are usual are no news
OFTEN_EMPTY = 0.2  # share of partitions, from which one more empty one is as usual
_MEASURE = "of the usual rows"


class Volume(Watch):
    """A partition with far fewer or far more rows than those of its season, or with none at all.

    An empty one counts by itself, and teaches nothing about the size of others.

    >>> Volume().kind
    'volume'
    """

    kind: ClassVar[str] = "volume"
    description: ClassVar[str] = "Far fewer or far more rows than earlier partitions of its season, or none at all."

    def look(self, looked: Looked) -> list[Sight]:
        now, before = looked.now(ROWS), looked.before(ROWS)
        if now is None:
            return []
        if why := looked.too_little(before):
            return [cannot_say(None, "warning", _MEASURE, why)]
        return [_empty(looked, before) if now.rows == 0 else _ratio(looked, now, before)]


def _empty(looked: Looked, before: Sequence[Summary]) -> Sight:
    alike = looked.of_its_season(before)
    usual = median(each.rows for each in alike)
    often = max(sum(each.rows == 0 for each in some) / len(some) for some in (alike, before))
    compared = f"{usual:,.0f} rows in {partitions(len(alike))} of its season"
    wrong = often < OFTEN_EMPTY
    if wrong and math.exp(-usual) >= UNLIKELY:
        return cannot_say(None, "warning", _MEASURE, f"no rows, where {usual:,.0f} are usual, may be chance")
    evidence = (
        f"No rows, where earlier partitions of its season have about {usual:,.0f}."
        if wrong
        else f"No rows, as in {percent(often)} of earlier partitions."
    )
    return Sight(None, wrong, 0.0, FLOOR, "critical", _MEASURE, compared, evidence)


def _ratio(looked: Looked, now: Summary, before: Sequence[Summary]) -> Sight:
    filled = [each for each in before if each.rows]
    if len(filled) < LEAST_EARLIER:
        return cannot_say(None, "warning", _MEASURE, f"only {partitions(len(filled))} before it had rows")
    season = looked.seasons.get(looked.partition)
    seen = watched([each.rows for each in filled], looked.seasons_of(filled), now.rows, season, FLOOR, MARGIN)
    usual = now.rows / seen.ratio
    chance = abs(2 * (math.sqrt(now.rows) - math.sqrt(usual))) < CHANCE  # the root of a count has a deviation of 1/2
    evidence = f"{now.rows:,} rows, where earlier partitions of its season have about {usual:,.0f}."
    compared = f"about {usual:,.0f} rows in {partitions(len(filled))}"
    wrong = bool(seen.unusual) and not chance
    return Sight(None, wrong, seen.ratio, seen.threshold, "warning", _MEASURE, compared, evidence)

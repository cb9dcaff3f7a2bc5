"""The number of rows."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import ClassVar

from feature_platform.compute.drift.habits import judge_ratio
from feature_platform.compute.drift.pairs import LEAST_OF_A_SEASON
from feature_platform.compute.watches.base import (
    LEAST_EARLIER,
    ROWS,
    UNLIKELY,
    Observation,
    Summary,
    Watch,
    WatchResult,
    format_share,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind, Severity

FLOOR = 1.3  # the smallest ratio that can matter
MARGIN = 1.5  # how far beyond the ratios of earlier partitions themselves, on a logarithmic scale
CHANCE = 4.0  # standard deviations of a count; 3 rows where 8 are usual are no news
NEVER_EMPTY = 10  # partitions with rows, from which on an empty one is critical; with fewer the table is not known well
ONCE_EMPTY = 20  # partitions of which only one was empty, from which on a second one is news
RARE = 5e-4  # the chance of so many empty partitions in a row, below which something is wrong: every 20 years of days
MOSTLY = 0.8  # of the partitions of a season are empty: one more of them is none
MEASURE = "of the usual rows"


@dataclass(frozen=True)
class Count:
    """The rows of an earlier partition or window.

    Attributes:
        place: the place in the month where as many are usual, when they are not those of any day.
    """

    rows: int
    season: Hashable
    place: str | None = None


class Volume(Watch):
    """A partition with far fewer or far more rows than those of its season, or with none at all.

    An empty one counts by itself, and teaches nothing about the size of others.

    >>> Volume().kind.value
    'volume'
    """

    kind: ClassVar[FindingKind] = FindingKind.VOLUME
    description: ClassVar[str] = "Far fewer or far more rows than earlier partitions of its season, or none at all."

    def look(self, observation: Observation) -> list[WatchResult]:
        now, before = observation.now(ROWS), observation.before(ROWS)
        if now is None:
            return []
        if why := observation.too_little(before):
            return [insufficient_data(None, "warning", MEASURE, why)]
        season = observation.seasons.get(observation.partition)
        return [
            judge_volume(
                now.rows, season, _counts(observation, before), _place(observation, observation.partition, now.rows)
            )
        ]


def judge_volume(rows: int, season: Hashable, before: Sequence[Count], place: str | None) -> WatchResult:
    """Say whether some rows are as many as usual.

    Args:
        before: earlier ones in order of time, five at least and some of the season.
        place: the place in the month where so many rows are usual; None where nothing says so.
    """
    if rows == 0:
        return _empty(season, before)
    return _ratio(rows, season, [each for each in before if each.rows], place)


def _empty(season: Hashable, before: Sequence[Count]) -> WatchResult:
    closed = _mostly_empty(before[: len(before) - _streak(before)])  # what is empty right now teaches nothing
    open_days = [each for each in before if each.season not in closed]
    alike = [each.rows for each in before if each.season == season and each.rows]
    usual = median(alike or [each.rows for each in before if each.rows] or [0])
    streak = _streak(open_days)
    known = open_days[: len(open_days) - streak]
    empty, longest = sum(each.rows == 0 for each in known), _longest(known)
    compared = f"about {usual:,.0f} rows, and {empty} of {partitions_in_words(len(known))} empty"
    as_usual = season in closed or _is_usual(empty, len(known), streak + 1, longest)
    if not as_usual and math.exp(-usual) >= UNLIKELY:
        return insufficient_data(None, "warning", MEASURE, f"no rows, where {usual:,.0f} are usual, may be chance")
    often = sum(each.rows == 0 for each in before) / len(before)
    again = "" if not streak else f", {streak + 1} times in a row"
    evidence = (
        f"No rows, as in {format_share(often)} of earlier partitions."
        if as_usual
        else f"No rows{again}, where earlier partitions of its season have about {usual:,.0f}."
    )
    severity: Severity = "critical" if len(known) >= NEVER_EMPTY else "warning"
    return WatchResult(None, not as_usual, 0.0, FLOOR, severity, MEASURE, compared, evidence)


def _is_usual(empty: int, known: int, streak: int, longest: int) -> bool:
    """Tell whether so many empty partitions in a row are usual for a table, by those that were empty before.

    One that was never empty has none, and one that was empty once shows little; else the row is no longer than half as
    long again as the longest before, or is no rarity.
    """
    if empty == 0 or (empty == 1 and known >= ONCE_EMPTY):
        return False
    rate = (empty + 1) / (known + 2)
    return streak <= 1.5 * longest or rate**streak >= RARE


def _mostly_empty(before: Sequence[Count]) -> set[Hashable]:
    """Return the seasons whose partitions are mostly empty, such as the weekends of a shop."""
    seasons = set()
    for season in {each.season for each in before}:
        own = [each.rows == 0 for each in before if each.season == season]
        if len(own) >= LEAST_OF_A_SEASON and sum(own) >= MOSTLY * len(own):
            seasons.add(season)
    return seasons if len(seasons) < len({each.season for each in before}) else set()


def _streak(counts: Sequence[Count]) -> int:
    """Return how many partitions at the end are empty."""
    return next((at for at, each in enumerate(reversed(counts)) if each.rows), len(counts))


def _longest(counts: Sequence[Count]) -> int:
    """Return the largest number of empty partitions in a row."""
    lengths = [len(list(group)) for empty, group in groupby(counts, key=lambda each: each.rows == 0) if empty]
    return max(lengths, default=0)


def _ratio(rows: int, season: Hashable, filled: Sequence[Count], place: str | None) -> WatchResult:
    if len(filled) < LEAST_EARLIER:
        return insufficient_data(
            None, "warning", MEASURE, f"only {partitions_in_words(len(filled))} before it had rows"
        )
    plain = [each for each in filled if each.place is None]
    some = plain if len(plain) >= LEAST_EARLIER else filled
    verdict = judge_ratio([each.rows for each in some], [each.season for each in some], rows, season, FLOOR, MARGIN)
    usual = rows / verdict.ratio
    chance = abs(2 * (math.sqrt(rows) - math.sqrt(usual))) < CHANCE  # the root of a count has a deviation of 1/2
    evidence = f"{rows:,} rows, where earlier partitions of its season have about {usual:,.0f}."
    wrong = bool(verdict.unusual) and not chance
    if wrong and place is not None:
        wrong, evidence = False, f"{rows:,} rows, as on {place} in earlier months."
    compared = f"about {usual:,.0f} rows in {partitions_in_words(len(filled))}"
    return WatchResult(None, wrong, verdict.ratio, verdict.threshold, "warning", MEASURE, compared, evidence)


def _counts(observation: Observation, before: Sequence[Summary]) -> list[Count]:
    return [
        Count(each.rows, observation.seasons.get(each.partition), _place(observation, each.partition, each.rows))
        for each in before
    ]


def _place(observation: Observation, key: str, rows: int) -> str | None:
    return None if observation.calendar is None else observation.calendar.place_of(key, rows, observation.partition)

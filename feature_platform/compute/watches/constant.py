"""Columns that have become constant."""

import math
from collections.abc import Sequence
from statistics import median
from typing import ClassVar

from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    UNLIKELY,
    Observation,
    Summary,
    Watch,
    WatchResult,
    format_number,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind

MANY = 10  # different values that are usual, so that one alone is no chance where their shares are not known
_MEASURE = "different values"


class Constant(Watch):
    """One value in all rows of a column that has always had more, where that is no chance.

    A flag that is false in 999 of 1,000 rows is false in all of a small partition now and then.

    >>> Constant().kind.value
    'constant'
    """

    kind: ClassVar[FindingKind] = FindingKind.CONSTANT
    description: ClassVar[str] = "One value in all rows of a column that has always had more."

    def look(self, observation: Observation) -> list[WatchResult]:
        columns = observation.columns.items()
        return [_judge(name, now, observation) for name, now in columns if now.is_single is not None]


def _judge(name: str, now: Summary, observation: Observation) -> WatchResult:
    before = [each for each in observation.before(name) if each.values >= LEAST_VALUES and each.is_single is not None]
    if now.values < LEAST_VALUES:
        return insufficient_data(name, "warning", _MEASURE, f"there are only {now.values:,} values")
    if why := observation.too_little(before):
        return insufficient_data(name, "warning", _MEASURE, why)
    wrong = (
        bool(now.is_single)
        and not any(each.is_single for each in before)
        and _no_chance(before, now.values, observation)
    )
    compared = f"more than one in each of {partitions_in_words(len(before))}"
    counted = [each.distinct for each in before]
    usual = math.nan if any(map(math.isnan, counted)) else median(counted)
    many = "more are" if math.isnan(usual) else f"{format_number(usual)} different ones are"
    evidence = (
        f"All {now.values:,} values are the same, where {many} usual."
        if now.is_single
        else f"There are {_many(now)} different values, where {many} usual."
    )
    return WatchResult(name, wrong, _score(now), 1.0, "warning", _MEASURE, compared, evidence)


def _score(now: Summary) -> float | None:
    """Return how many different values there are; None where they are not counted and more than one."""
    return 1.0 if now.is_single else None if math.isnan(now.distinct) else now.distinct


def _many(now: Summary) -> str:
    return "several" if math.isnan(now.distinct) else format_number(now.distinct)


def _no_chance(before: Sequence[Summary], values: int, observation: Observation) -> bool:
    """Tell whether so many values would hardly ever be one, by the largest share that a value had before."""
    shares = [each.top_share for each in before if each.top_share == each.top_share]
    if len(shares) < len(before):
        return median(each.distinct for each in before) >= MANY
    alike = observation.alike(values, [(each.top_share, each.values) for each in before])
    return math.pow(max(shares), values / alike) < UNLIKELY

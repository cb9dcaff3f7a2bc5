"""Columns that have become constant."""

import math
from collections.abc import Sequence
from statistics import median
from typing import ClassVar

from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    UNLIKELY,
    Looked,
    Sight,
    Summary,
    Watch,
    cannot_say,
    number,
    partitions,
)

MANY = 10  # different values that are usual, so that one alone is no chance where their shares are not known
_MEASURE = "different values"


class Constant(Watch):
    """One value in all rows of a column that has always had more, where that is no chance.

    A flag that is false in 999 of 1,000 rows is false in all of a small partition now and then.

    >>> Constant().kind
    'constant'
    """

    kind: ClassVar[str] = "constant"
    description: ClassVar[str] = "One value in all rows of a column that has always had more."

    def look(self, looked: Looked) -> list[Sight]:
        names = [(name, looked.now(name)) for name in looked.columns]
        return [_sight(name, now, looked) for name, now in names if now is not None and now.single is not None]


def _sight(name: str, now: Summary, looked: Looked) -> Sight:
    before = [each for each in looked.before(name) if each.values >= LEAST_VALUES and each.single is not None]
    if now.values < LEAST_VALUES:
        return cannot_say(name, "warning", _MEASURE, f"there are only {now.values:,} values")
    if why := looked.too_little(before):
        return cannot_say(name, "warning", _MEASURE, why)
    wrong = bool(now.single) and not any(each.single for each in before) and _no_chance(before, now.values, looked)
    compared = f"more than one in each of {partitions(len(before))}"
    counted = [each.distinct for each in before]
    usual = math.nan if any(map(math.isnan, counted)) else median(counted)
    many = "more are" if math.isnan(usual) else f"{number(usual)} different ones are"
    evidence = (
        f"All {now.values:,} values are the same, where {many} usual."
        if now.single
        else f"There are {_many(now)} different values, where {many} usual."
    )
    return Sight(name, wrong, _score(now), 1.0, "warning", _MEASURE, compared, evidence)


def _score(now: Summary) -> float | None:
    """How many different values there are; None where that is not counted and not one."""
    return 1.0 if now.single else None if math.isnan(now.distinct) else now.distinct


def _many(now: Summary) -> str:
    return "several" if math.isnan(now.distinct) else number(now.distinct)


def _no_chance(before: Sequence[Summary], values: int, looked: Looked) -> bool:
    """Whether so many values would hardly ever be one, by the largest share that one had before."""
    shares = [each.top_share for each in before if each.top_share == each.top_share]
    if len(shares) < len(before):
        return median(each.distinct for each in before) >= MANY
    alike = looked.alike(values, [(each.top_share, each.values) for each in before])
    return math.pow(max(shares), values / alike) < UNLIKELY

"""Columns that have lost their values."""

from typing import ClassVar

from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    UNLIKELY,
    Looked,
    Sight,
    Summary,
    Watch,
    cannot_say,
    partitions,
    percent,
)

LOST = 0.5  # of all rows: more than half of them lost their value since the emptiest earlier partition
_MEASURE = "share of rows without a value"


class Dead(Watch):
    """No value at all in a column that has always had some (critical), or mostly none where most rows had one.

    >>> Dead().kind
    'dead'
    """

    kind: ClassVar[str] = "dead"
    description: ClassVar[str] = "No value in a column that has always had some, or half of the rows lost theirs."

    def look(self, looked: Looked) -> list[Sight]:
        names = [(name, looked.now(name)) for name in looked.columns]
        return [_sight(name, now, looked) for name, now in names if now is not None]


def _sight(name: str, now: Summary, looked: Looked) -> Sight:
    before = [each for each in looked.before(name) if each.rows >= LEAST_VALUES]
    if now.rows < LEAST_VALUES:
        return cannot_say(name, "critical", _MEASURE, f"there are only {now.rows:,} rows")
    if why := looked.too_little(before):
        return cannot_say(name, "critical", _MEASURE, why)
    most = max(each.missing_share for each in before)
    compared = f"at most {percent(most)} in {partitions(len(before))}"
    alike = looked.alike(now.rows, [(each.missing_share, each.rows) for each in before])
    if not now.values and most ** (now.rows / alike) < UNLIKELY:
        evidence = f"None of {now.rows:,} rows has a value, where at least {percent(1 - most)} of them had one."
        return Sight(
            column=name,
            wrong=True,
            score=1.0,
            threshold=1.0,
            severity="critical",
            measure=_MEASURE,
            compared_to=compared,
            evidence=evidence,
        )
    lost = now.missing_share - most
    told = "Mostly empty: " if lost > LOST else ""
    evidence = f"{told}{percent(now.missing_share)} of the rows have no value, where at most {percent(most)} is usual."
    return Sight(name, lost > LOST, now.missing_share, most + LOST, "warning", _MEASURE, compared, evidence)

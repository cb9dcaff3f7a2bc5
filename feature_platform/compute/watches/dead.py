"""Columns that have lost their values."""

from typing import ClassVar

from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    UNLIKELY,
    Observation,
    Summary,
    Watch,
    WatchResult,
    format_share,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind

LOST = 0.5  # of all rows: more than half of them lost their value since the emptiest earlier partition
_MEASURE = "share of rows without a value"


class Dead(Watch):
    """No value at all in a column that has always had some (critical), or mostly none where most rows had one.

    >>> Dead().kind.value
    'dead'
    """

    kind: ClassVar[FindingKind] = FindingKind.DEAD
    description: ClassVar[str] = "No value in a column that has always had some, or half of the rows lost theirs."

    def look(self, observation: Observation) -> list[WatchResult]:
        return [_judge(name, now, observation) for name, now in observation.columns.items()]


def _judge(name: str, now: Summary, observation: Observation) -> WatchResult:
    before = [each for each in observation.before(name) if each.rows >= LEAST_VALUES]
    if now.rows < LEAST_VALUES:
        return insufficient_data(name, "critical", _MEASURE, f"there are only {now.rows:,} rows")
    if why := observation.too_little(before):
        return insufficient_data(name, "critical", _MEASURE, why)
    most = max(each.missing_share for each in before)
    compared = f"at most {format_share(most)} in {partitions_in_words(len(before))}"
    alike = observation.alike(now.rows, [(each.missing_share, each.rows) for each in before])
    if not now.values and most ** (now.rows / alike) < UNLIKELY:
        evidence = f"None of {now.rows:,} rows has a value, where at least {format_share(1 - most)} of them had one."
        return WatchResult(
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
    start = "Mostly empty: " if lost > LOST else ""
    empty, usual = format_share(now.missing_share), format_share(most)
    evidence = f"{start}{empty} of the rows have no value, where at most {usual} is usual."
    return WatchResult(name, lost > LOST, now.missing_share, most + LOST, "warning", _MEASURE, compared, evidence)

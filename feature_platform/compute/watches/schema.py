"""The columns and their types."""

from typing import ClassVar

from feature_platform.compute.watches.base import Observation, Watch, WatchResult, insufficient_data
from feature_platform.ground.findings import FindingKind, Severity

_MEASURE = "changed columns"
_NO_TYPE = {"", "Null"}  # of columns without values in formats without types


class Schema(Watch):
    """Columns that came, went or changed their type since the newest earlier partition.

    Without changes there is one result for the whole table; else one for each column that changed.

    >>> Schema().kind.value
    'schema'
    """

    kind: ClassVar[FindingKind] = FindingKind.SCHEMA
    description: ClassVar[str] = "Columns that came, went or changed their type since the newest earlier partition."

    def look(self, observation: Observation) -> list[WatchResult]:
        if observation.newest is None:
            return [insufficient_data(None, "critical", _MEASURE, "there is no earlier partition")]
        before = observation.columns_of(observation.newest)
        names = sorted({*before, *observation.columns, *observation.taught})
        changes = [change for name in names if (change := _change(name, observation))]
        there = name_partition(observation.newest)
        evidence = f"All {len(before):,} columns have the types that they had in {there}."
        return changes or [WatchResult(None, wrong=False, score=0.0, threshold=1.0, severity="critical",
                                 measure=_MEASURE, compared_to=there, evidence=evidence)]  # fmt: skip


def name_partition(partition: str) -> str:
    """Name a partition in a sentence, or a version of a table without partitions.

    >>> name_partition("2024-01-08"), name_partition("version 000000000012")
    ('partition 2024-01-08', 'version 12')
    """
    number = partition.removeprefix("version ")
    return f"partition {partition}" if number == partition else f"version {int(number)}"


def _change(name: str, observation: Observation) -> WatchResult | None:
    newest = observation.newest_of(name)
    if newest is None:
        return None
    there, new = name_partition(newest), observation.now(name)
    old = next((each for each in observation.before(name) if each.partition == newest), None)
    severity: Severity = "critical"
    if old is None and new is None:
        return None
    if new is None:
        evidence = f"`{name}` is gone; {there} had it."
    elif old is None:
        severity, evidence = "info", f"`{name}` ({new.dtype}) is new; {there} did not have it."
    elif old.dtype != new.dtype and not {old.dtype, new.dtype} & _NO_TYPE:
        evidence = f"`{name}` is {new.dtype}; it was {old.dtype} in {there}."
    else:
        return None
    return WatchResult(name, wrong=True, score=1.0, threshold=1.0, severity=severity,
                 measure=_MEASURE, compared_to=there, evidence=evidence)  # fmt: skip

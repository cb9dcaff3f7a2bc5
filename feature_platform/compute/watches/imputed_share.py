"""Flags of imputed features: how often a value had to be filled in."""

import math
from statistics import median
from typing import ClassVar

from feature_platform.compute.transforms.impute import flag_of
from feature_platform.compute.watches.base import (
    LEAST_VALUES,
    Observation,
    Summary,
    Watch,
    WatchResult,
    format_share,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind, Severity

FLOOR = 0.1  # of the rows: ten points more is what the drift of nulls calls certain
MARGIN = 2.0  # times the farthest that an earlier partition was from the usual share; such shares are restless
CHANCE = 4.0  # standard deviations of a share
_MEASURE = "share of imputed values"


class ImputedShare(Watch):
    """Far more values of a feature were imputed than in earlier partitions; critical when all of them were.

    It looks at the flags `<feature>_was_missing` of training sets. Fewer gaps than usual are no problem.

    >>> ImputedShare().kind.value
    'imputed_share'
    """

    kind: ClassVar[FindingKind] = FindingKind.IMPUTED_SHARE
    description: ClassVar[str] = "Far more values of a feature had to be imputed than in earlier partitions."

    def look(self, observation: Observation) -> list[WatchResult]:
        flags = [(name, now) for name, now in observation.columns.items() if name.endswith(flag_of(""))]
        return [_judge(name, now, observation) for name, now in flags if now.dtype == "Boolean"]


def _judge(name: str, now: Summary, observation: Observation) -> WatchResult:
    before = [
        each for each in observation.before(name) if each.values >= LEAST_VALUES and not math.isnan(each.true_share)
    ]
    if now.values < LEAST_VALUES or math.isnan(now.true_share):
        return insufficient_data(
            name, "warning", _MEASURE, f"only {now.values:,} values are known to be imputed or not"
        )
    if why := observation.too_little(before):
        return insufficient_data(name, "warning", _MEASURE, why)
    shares = [each.true_share for each in before]
    usual = median(shares)
    far = max(abs(each - usual) for each in shares)
    some = max(usual, FLOOR)
    alike = observation.alike(now.values, [(each.true_share, each.values) for each in before])
    limit = usual + max(FLOOR, MARGIN * far, CHANCE * math.sqrt(some * (1 - some) * alike / now.values))
    wrong = now.true_share > limit
    every = now.true_share == 1
    compared = f"{format_share(usual)} in {partitions_in_words(len(before))}"
    what = f"All {now.values:,} values" if every else f"{format_share(now.true_share)} of the values"
    evidence = f"{what} were imputed, where {format_share(usual)} is usual."
    severity: Severity = "critical" if every else "warning"
    return WatchResult(name, wrong, now.true_share, min(limit, 1.0), severity, _MEASURE, compared, evidence)

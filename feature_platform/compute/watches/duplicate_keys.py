"""Rows that are there more than once."""

from typing import ClassVar

import numpy as np

from feature_platform.compute.watches.base import (
    LEAST_EARLIER,
    ROWS,
    UNLIKELY,
    Observation,
    Watch,
    WatchResult,
    format_share,
    insufficient_data,
    partitions_in_words,
)
from feature_platform.ground.findings import FindingKind
from feature_platform.parts.drift.significance import poisson_tail

MARGIN = 2.0  # times the largest share of an earlier partition
MUCH = 0.01  # of the rows; so many that what is counted or summed from them is off
_MEASURE = "share of rows beyond the first of their identity"


class DuplicateKeys(Watch):
    """Rows with the identity of another row, where there were none, or far fewer.

    >>> DuplicateKeys().kind.value
    'duplicate_keys'
    """

    kind: ClassVar[FindingKind] = FindingKind.DUPLICATE_KEYS
    description: ClassVar[str] = "Rows with the identity of another row, where there were none, or far fewer."

    def look(self, observation: Observation) -> list[WatchResult]:
        now = observation.now(ROWS)
        if now is None or now.duplicates is None:
            return []
        before = [each for each in observation.before(ROWS) if each.rows and each.duplicates is not None]
        if not now.rows:
            return [insufficient_data(None, "warning", _MEASURE, "there are no rows")]
        if len(before) < LEAST_EARLIER:
            return [
                insufficient_data(
                    None, "warning", _MEASURE, f"only {partitions_in_words(len(before))} before it had rows"
                )
            ]
        return [_judge(now.duplicates, now.rows, [(each.duplicates or 0, each.rows) for each in before])]


def _judge(duplicates: int, rows: int, before: list[tuple[int, int]]) -> WatchResult:
    share, most = duplicates / rows, max(each / of for each, of in before)
    limit = MARGIN * most
    compared = f"at most {format_share(most)} in {partitions_in_words(len(before))}"
    evidence = f"{duplicates:,} of {rows:,} rows have the identity of another ({format_share(share)}), where "
    evidence += (
        f"at most {format_share(most)} is usual." if most else f"none of {partitions_in_words(len(before))} had any."
    )
    wrong = share > limit and (not most or _no_chance(duplicates, rows, before))
    return WatchResult(
        None, wrong, share, limit, "warning" if most or share < MUCH else "critical", _MEASURE, compared, evidence
    )


def _no_chance(duplicates: int, rows: int, before: list[tuple[int, int]]) -> bool:
    """Tell whether a source that has some duplicates now and then would hardly ever have as many."""
    usual = sum(each for each, _ in before) / sum(of for _, of in before)
    return float(poisson_tail(np.array([duplicates]), np.array([usual * rows]))[0]) < UNLIKELY

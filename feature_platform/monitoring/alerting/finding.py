"""Findings: what a watch or a drift score found wrong with one asset, and what was checked.

A finding is only about what was checked: no finding about something that was not checked is neither good nor bad.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.findings import SEVERITIES, Severity, rank


@dataclass(frozen=True)
class Finding:
    """Something wrong with an asset, as one evaluation saw it.

    Attributes:
        asset: the asset that is wrong (not the one that computes the watch), e.g. `sources/flights`.
        kind: what is wrong: `drift`, `volume`, `schema`, `freshness`, ...
        evidence: what was seen, in one sentence.
        partition: the partition it was seen in; empty for an asset as a whole. Keys sort by time.
        size: how big it is, in the words of `measure` (`share of nulls`); a size that is no finite number is None.
        compared_to: what it was compared with, e.g. `0.02 in the trailing 90d`.
        since: the first partition that is wrong, defaults to `partition`.
        owner: who answers for the asset; empty when it has no owner.
        causes: likely causes that the watch knows of, e.g. a new code version upstream.
        remedy: what to do.
        at: when it came about (UTC), e.g. when the rows were committed; None when that is not known.
        project: the one that found it; empty when that is not known.

    Raises:
        InvalidDeclaration: it has no asset, kind or evidence, or an unknown severity.

    >>> Finding("sources/flights", "volume", "critical", "12 rows", "2013-02-08", size=0.01).since
    '2013-02-08'
    """

    asset: str
    kind: str
    severity: Severity
    evidence: str
    partition: str = ""
    column: str | None = None
    size: float | None = None
    measure: str = ""
    compared_to: str = ""
    since: str = ""
    owner: str = ""
    causes: tuple[str, ...] = ()
    remedy: str = ""
    at: datetime | None = None
    project: str = ""

    def __post_init__(self) -> None:
        for name in ("asset", "kind", "evidence"):
            if not getattr(self, name):
                raise InvalidDeclaration("A finding", f"has no {name}", "Say what is wrong with which asset.")
        if self.severity not in SEVERITIES:
            raise InvalidDeclaration(
                "A finding", f"has the severity {self.severity!r}", f"Use one of {', '.join(SEVERITIES)}."
            )
        if self.size is not None and not math.isfinite(self.size):
            object.__setattr__(self, "size", None)
        if not self.since or self.since > self.partition:
            object.__setattr__(self, "since", self.partition)

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of asset, kind and column, which is the same for every time and size."""
        return fingerprint_of(self.asset, self.kind, self.column)


@dataclass(frozen=True)
class CheckedScope:
    """What an evaluation checked: a kind of finding about one asset and partition, in one column or (None) in all.

    What had insufficient data was not checked.

    Attributes:
        conclusive: one clean check resolves the alert, as where a late table is there at last; others need several.
    """

    asset: str
    kind: str
    partition: str = ""
    column: str | None = None
    conclusive: bool = False


@dataclass(frozen=True)
class Evaluation:
    """One round of checks: everything that was checked, and what was found.

    Attributes:
        id: names the round; the store takes in each id once, so that a repeat after a crash changes nothing.
        checked: what was looked at; what findings are about need not be repeated.
    """

    id: str
    findings: tuple[Finding, ...] = ()
    checked: tuple[CheckedScope, ...] = ()


def combine_evaluations(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Combine some evaluations into one. What one of them found and another found clean counts as found."""
    return Evaluation(
        "",
        tuple(each for evaluation in evaluations for each in evaluation.findings),
        tuple(each for evaluation in evaluations for each in evaluation.checked),
    )


def fingerprint_of(asset: str, kind: str, column: str | None) -> str:
    """Return sixteen hexadecimal digits that stand for asset, kind and column.

    >>> fingerprint_of("a", "drift", "x") == fingerprint_of("a", "drift", None)
    False
    """
    return hashlib.sha256(json.dumps([asset, kind, column]).encode()).hexdigest()[:16]


def leading_finding(findings: list[Finding]) -> Finding:
    """Return the finding that stands for several about the same thing: the newest partition's, then the most severe.

    Owner and advice are never lost to a finding that has none.
    """
    *_, last = ordered = sorted(
        findings, key=lambda each: (each.partition, rank(each.severity), each.size or 0.0, repr(each))
    )
    owner = last.owner or next((each.owner for each in reversed(ordered) if each.owner), "")
    remedy = last.remedy or next((each.remedy for each in reversed(ordered) if each.remedy), "")
    return replace(last, owner=owner, remedy=remedy)

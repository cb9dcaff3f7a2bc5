"""Results of the online suite: one line of JSON for each run of a work; what counts is each case's newest session."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.stored_results import newest_results


@dataclass(frozen=True)
class Record:
    """One run of a work.

    Attributes:
        session: when the run of the suite began, as ISO 8601 text.
        failed: why a case was not completed.
    """

    session: str
    scale: float
    case: str
    work: str
    figures: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: str | None = None


def newest(file: Path, scale: float) -> list[Record]:
    """Of each case at a scale, the records of its newest session."""
    return newest_results(file, scale, Record, lambda record: record.case)


@dataclass(frozen=True)
class CaseFigures:
    """The figures of one case; what bars are read from."""

    records: Sequence[Record]

    def median(self, work: str, measure: str) -> float | None:
        """See `base.Figures`."""
        found = self._all(work, measure)
        return statistics.median(found) if found else None

    def most(self, work: str, measure: str) -> float | None:
        """See `base.Figures`."""
        return max(self._all(work, measure), default=None)

    @property
    def works(self) -> list[str]:
        """The works in the order in which they were measured first."""
        return list(dict.fromkeys(each.work for each in self.records if each.failed is None))

    def runs(self, work: str) -> int:
        """How often a work was measured."""
        return sum(each.work == work and each.failed is None for each in self.records)

    def _all(self, work: str, measure: str) -> list[float]:
        return [each.figures[measure] for each in self.records if each.work == work and measure in each.figures]


def figures_of(case: str, records: Sequence[Record]) -> CaseFigures:
    """The figures of a case among records of many."""
    return CaseFigures([each for each in records if each.case == case])

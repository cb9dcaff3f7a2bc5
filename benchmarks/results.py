"""Results: one line of JSON for each measurement, appended as it is made; what counts is each one's newest session."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from benchmarks.cases.base import Case, Engine, Measure
from benchmarks.digest import Digest, differences
from benchmarks.stored_results import newest_results


@dataclass(frozen=True)
class Record:
    """One measurement, completed or not.

    Attributes:
        session: when the run of the suite began that it belongs to, as ISO 8601 text.
        wall, cpu: seconds of the work. peak: bytes of the process.
        limited: how the memory of the process was limited.
        failed: the last words of a process that was not completed.
    """

    session: str
    scale: float
    case: str
    task: str
    engine: Engine
    wall: float | None = None
    cpu: float | None = None
    peak: float | None = None
    digest: Digest | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    limited: str | None = None
    failed: str | None = None


def newest(file: Path, scale: float) -> list[Record]:
    """Of each measurement at a scale, the records of its newest session."""
    return newest_results(file, scale, Record, _what)


@dataclass(frozen=True)
class CaseFigures:
    """The medians of one case; the `Figures` that bars are read from."""

    records: Sequence[Record]

    def median(self, measure: Measure, task: str, engine: Engine) -> float | None:
        """See `Figures`."""
        found = [value for each in self.of(task, engine) if (value := getattr(each, measure)) is not None]
        return statistics.median(found) if found else None

    def completed(self, task: str, engine: Engine) -> float | None:
        """See `Figures`."""
        runs = self.of(task, engine)
        return sum(each.failed is None for each in runs) / len(runs) if runs else None

    def of(self, task: str, engine: Engine) -> list[Record]:
        """The measurements of one task by one engine."""
        return [each for each in self.records if (each.task, each.engine) == (task, engine)]


def figures_of(case: Case, records: Iterable[Record]) -> CaseFigures:
    """The figures of a case among records of many."""
    return CaseFigures([each for each in records if each.case == case.name])


def disagreements(cases: Iterable[Case], records: Sequence[Record]) -> list[str]:
    """A sentence for each two answers of one name that differ in a feature that both have."""
    found = []
    for given in _answers(cases, records).values():
        for earlier, later in combinations(given, 2):
            if apart := differences(earlier.digest or {}, later.digest or {}):
                found.append(f"{_named(later)} differs from {_named(earlier)}: {'; '.join(apart[:3])}")
    return list(dict.fromkeys(found))


def compared_answers(cases: Iterable[Case], records: Sequence[Record]) -> int:
    """How many answers there are of more than one engine."""
    return sum(len({each.engine for each in given}) > 1 for given in _answers(cases, records).values())


def _answers(cases: Iterable[Case], records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records that have an answer, by its name."""
    names = {(case.name, task.name): task.answer for case in cases for task in case.tasks}
    given: dict[str, list[Record]] = defaultdict(list)
    for each in records:
        if each.digest is not None and (each.case, each.task) in names:
            given[names[each.case, each.task]].append(each)
    return given


def _what(record: Record) -> tuple[str, str, str]:
    return record.case, record.task, record.engine


def _named(record: Record) -> str:
    return f"{record.case}/{record.task} of {record.engine}"

"""A case: some work, the engines that do it, and the bars that our figures are held against."""

from dataclasses import dataclass
from typing import Literal, Protocol

from benchmarks.bars import Bar as Bar
from benchmarks.shapes import Work

Engine = Literal["ours", "raw", "duckdb", "feast"]
Measure = Literal["wall", "cpu", "peak"]
GB = 1_000_000_000


@dataclass(frozen=True)
class Task:
    """One work, done by some engines in turn.

    Attributes:
        answer: tasks of one answer, of whatever case, must agree on the features that they share.
        limit: bytes of memory that our process may not exceed; the peers' may.
    """

    name: str
    work: Work
    engines: tuple[Engine, ...]
    answer: str
    limit: int | None = None


class Figures(Protocol):
    """What was measured of one case."""

    def median(self, measure: Measure, task: str, engine: Engine) -> float | None:
        """The median in seconds or bytes; None when no run was completed."""

    def completed(self, task: str, engine: Engine) -> float | None:
        """The share of runs that were completed; None when there was none."""


@dataclass(frozen=True)
class Case:
    """What is measured and why, and the bars."""

    name: str
    title: str
    tasks: tuple[Task, ...]
    bars: tuple[Bar[Figures], ...]

    def task(self, name: str) -> Task:
        """The task of a name."""
        return next(each for each in self.tasks if each.name == name)


Measured = tuple[str, Engine]


def ratio(
    text: str,
    measure: Measure,
    of: Measured,
    to: Measured,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Bar[Figures]:
    """A bar on the median of one measurement as a multiple of another's."""

    def figure(figures: Figures) -> float | None:
        above, below = figures.median(measure, *of), figures.median(measure, *to)
        return None if above is None or not below else above / below

    return Bar(text, figure, at_least, at_most)


def peak_gb(of: Measured, at_most: float) -> Bar[Figures]:
    """A bar on the median of the peak memory, in GB."""

    def figure(figures: Figures) -> float | None:
        found = figures.median("peak", *of)
        return None if found is None else found / GB

    return Bar("peak RSS of ours, GB", figure, at_most=at_most)


def scaled(number: int, scale: float, least: int = 100) -> int:
    """A size at a scale."""
    return max(round(number * scale), least)

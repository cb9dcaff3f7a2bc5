"""A case of the online suite: what it measures, how that is shown, and the bars; a bench is where it notes figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.bars import Bar as Bar
from benchmarks.online.data import Sizes

Measured = tuple[str, str]
"""A work and a measure of it."""


class Figures(Protocol):
    """What was measured of a case."""

    def median(self, work: str, measure: str) -> float | None:
        """The median of a measure of a work; None when there is none."""

    def most(self, work: str, measure: str) -> float | None:
        """The largest."""


@dataclass(frozen=True)
class Bench:
    """What a case is given.

    Attributes:
        folder: where data, stores and logs are.
        seconds: how long one run under load takes.
        code: tells the code of the platform apart, for what is kept between runs.
        note: keeps the figures of one run of a work.
    """

    folder: Path
    sizes: Sizes
    repeats: int
    seconds: float
    code: str
    note: Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class Case:
    """What is measured and why.

    Attributes:
        columns: from each measure that is shown in the table to its heading.
        facts: the same for works that are told in a sentence.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    bars: tuple[Bar[Figures], ...]
    run: Callable[[Bench], None]
    facts: Mapping[str, str] = field(default_factory=dict)


def ratio(
    text: str, of: Measured, to: Measured, *, at_least: float | None = None, at_most: float | None = None
) -> Bar[Figures]:
    """A bar on one median as a multiple of another."""

    def figure(figures: Figures) -> float | None:
        above, below = figures.median(*of), figures.median(*to)
        return None if above is None or not below else above / below

    return Bar(text, figure, at_least, at_most)


def value(text: str, of: Measured, *, at_least: float | None = None, at_most: float | None = None) -> Bar[Figures]:
    """A bar on a median."""
    return Bar(text, lambda figures: figures.median(*of), at_least, at_most)


def never(text: str, of: Measured) -> Bar[Figures]:
    """A bar on what must not happen in any run."""
    return Bar(text, lambda figures: figures.most(*of), at_most=0)


def number(found: float | None) -> str:
    """A figure for people, with about three digits that say something."""
    if found is None:
        return ""
    if found == round(found) or abs(found) >= 100:
        return f"{found:,.0f}"
    return f"{found:.1f}" if abs(found) >= 10 else f"{found:.3g}"

"""A bar: a figure of what was measured, and what it must be at least or at most."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

F = TypeVar("F")  # what was measured of a case


@dataclass(frozen=True)
class Bar(Generic[F]):
    """A figure and what it must be at least or at most.

    Attributes:
        text: what the figure says, e.g. `wall of Feast / ours`.
    """

    text: str
    figure: Callable[[F], float | None]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def limit(self) -> str:
        """The limit for people."""
        return f"≤ {self.at_most:,g}" if self.at_most is not None else f"≥ {self.at_least:,g}"

    def met(self, figures: F) -> bool | None:
        """Whether the bar is met; None when it was not measured."""
        found = self.figure(figures)
        if found is None:
            return None
        return (self.at_least is None or found >= self.at_least) and (self.at_most is None or found <= self.at_most)

"""Rows that are already in memory: tests, notebooks, small tables."""

from dataclasses import dataclass, field

import polars as pl

from feature_platform.content import ordered_hash
from feature_platform.errors import InvalidDeclaration
from feature_platform.sources.base import Connector, Gone, checked_gone


@dataclass(frozen=True, init=False, eq=False)
class Frame(Connector):
    """A Polars frame, eager or lazy.

    >>> Frame(pl.DataFrame({"x": [1, 2]})).scan("numbers").collect().height
    2
    """

    kind = "polars"

    frame: pl.LazyFrame = field(repr=False)
    gone: Gone

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame, *, gone: Gone = "kept") -> None:
        if not isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
            raise InvalidDeclaration(
                "Connector Frame", f"reads from a {type(frame).__name__}", "Give a Polars frame: pl.DataFrame(...)."
            )
        object.__setattr__(self, "frame", frame.lazy())
        object.__setattr__(self, "gone", checked_gone("Connector Frame", gone))

    @property
    def location(self) -> str:
        return "memory"

    def scan(self, owner: str) -> pl.LazyFrame:
        return self.frame

    def fingerprint(self, owner: str) -> str:
        return ordered_hash(self.frame.collect())

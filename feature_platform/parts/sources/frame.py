"""Rows that are already in memory: tests, notebooks, small tables."""

from dataclasses import dataclass, field

import polars as pl

from feature_platform.ground.content import ordered_hash
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.parts.sources.base import Connector, Gone, validate_gone


@dataclass(frozen=True, init=False, eq=False)
class Frame(Connector):
    """A frame in memory: of Polars, eager or lazy, of Arrow or pandas.

    >>> Frame(pl.DataFrame({"x": [1, 2]})).scan("numbers").collect().height
    2
    """

    kind = "polars"

    frame: pl.LazyFrame = field(repr=False)
    gone: Gone

    def __init__(self, frame: AnyFrame, *, gone: Gone = "kept") -> None:
        object.__setattr__(self, "frame", as_polars(frame, "What connector Frame reads").lazy())
        object.__setattr__(self, "gone", validate_gone("Connector Frame", gone))

    @property
    def location(self) -> str:
        return "memory"

    def scan(self, owner: str) -> pl.LazyFrame:
        return self.frame

    def fingerprint(self, owner: str) -> str:
        return ordered_hash(self.frame.collect())

"""Rows that are already in memory: tests, notebooks, small tables."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import polars as pl

from feature_platform.ground.content import ordered_hash
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.parts.sources.base import Connector, Gone, OpenedData, validate_gone


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

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        return nullcontext(_OpenedFrame(self.frame))


class _OpenedFrame(OpenedData):
    """A frame, which lies in one piece."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame

    def scan(self) -> pl.LazyFrame:
        return self._frame

    def fingerprint(self) -> str:
        return ordered_hash(self._frame.collect())

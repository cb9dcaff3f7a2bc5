"""Rows that a function of the user's own returns: an API, a workbook, a library of their team."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from feature_platform.ground.content import ordered_hash
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.parts.sources.base import WHOLE_UNIT, Connector, DataUnit, Gone, OpenedData, validate_gone


@dataclass(frozen=True, init=False, eq=False)
class Call(Connector):
    """The rows that a function returns when a run calls it, once a run.

    Its code is part of the code version, as that of `prepare` is.

    Args:
        function: takes nothing; returns a frame of Polars, eager or lazy, of Arrow or pandas.
        changes: takes nothing; returns a number or text that changes whenever the rows do, such as the time of change
            of a workbook. While it stays the same, the function is not called. Without it every run calls the
            function, and what it returned tells whether anything changed.

    >>> Call(lambda: {"x": [1, 2]}).scan("numbers").collect().height
    2
    """

    kind = "python"

    function: Callable[[], AnyFrame] = field(repr=False)
    changes: Callable[[], object] | None = field(repr=False)
    gone: Gone

    def __init__(
        self,
        function: Callable[[], AnyFrame],
        *,
        changes: Callable[[], object] | None = None,
        gone: Gone = "kept",
    ) -> None:
        if not callable(function) or not (changes is None or callable(changes)):
            raise InvalidDeclaration(
                "Connector Call", "was given something that is no function", "Give a function that returns a frame."
            )
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "changes", changes)
        object.__setattr__(self, "gone", validate_gone("Connector Call", gone))

    @property
    def location(self) -> str:
        return f"what {getattr(self.function, '__qualname__', type(self.function).__name__)} returns"

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        return (self.function,)

    @property
    def remedy(self) -> str:
        return "See what the function of the source does."

    def open(self, owner: str) -> AbstractContextManager[OpenedData]:
        return nullcontext(_OpenedCall(self, owner))


class _OpenedCall(OpenedData):
    """What a function returned, and what it said of changes before."""

    def __init__(self, words: Call, owner: str) -> None:
        self._words, self._owner = words, owner
        self._mark = None if words.changes is None else str(words.changes())

    def scan(self) -> pl.LazyFrame:
        return self._rows

    def fingerprint(self) -> str:
        return ordered_hash(self._rows.collect()) if self._mark is None else self._mark

    def units(self) -> list[DataUnit] | None:
        return None if self._mark is None else [DataUnit(WHOLE_UNIT, self._mark)]

    def schemas(self, known: Mapping[str, pl.Schema]) -> tuple[pl.Schema, Mapping[str, pl.Schema]]:
        schemas = known or {WHOLE_UNIT: self._rows.collect_schema()}
        return schemas[WHOLE_UNIT], schemas

    @cached_property
    def _rows(self) -> pl.LazyFrame:
        return as_polars(self._words.function(), f"Source `{self._owner}`: {self._words.location}").lazy()

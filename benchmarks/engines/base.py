"""What an engine gives for a work: the measured part, and how its result is read as an answer afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from benchmarks.shapes import Work

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared(Generic[T]):
    """A work that is ready to start.

    Attributes:
        run: the work itself; only this is measured.
        answer: `ROW` and the features of what `run` came to; None when there is nothing to compare.
    """

    run: Callable[[], T]
    answer: "Callable[[T], pl.LazyFrame] | None" = None


def from_arrow(table: "pa.Table") -> "pl.LazyFrame":
    """The answer of an engine that knows Arrow."""
    import polars as pl  # only now, so that its memory is not counted as the engine's

    return pl.DataFrame(table).lazy()


class NotOffered(ValueError):
    """An engine is asked for a work that it does not do."""

    def __init__(self, engine: str, work: Work) -> None:
        super().__init__(f"Engine `{engine}` does not do {type(work).__name__}. Leave it out of the task's engines.")

"""A session: one consistent, read-only look at a table or query of a database."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from feature_platform.ground.clock import GRAINS, Grain
from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.database.columns import Column, Literals
from feature_platform.parts.sources.database.values import WrongValue

if TYPE_CHECKING:
    from feature_platform.parts.sources.database.database import Database

_CUT = ("instant", "wall", "utc wall", "date")


@contextmanager
def undo_on_failure(undo: Callable[[], object]) -> Iterator[None]:
    """Call a function when the block fails or is left before its end."""
    with ExitStack() as stack:
        stack.callback(undo)
        yield
        stack.pop_all()


@contextmanager
def refuse_wrong_values(words: "Database", owner: str) -> Iterator[None]:
    """Turn a value that cannot be read as its column's type into the error that says so."""
    try:
        yield
    except WrongValue as error:
        remedy = "Give another type in `types`, or convert it in a `query`."
        raise words.refusal(owner, str(error), remedy) from None
    except pl.exceptions.ComputeError as error:  # a time that its zone has twice or not at all
        raise words.refusal(owner, str(error).splitlines()[0], "Convert the times in a `query`.") from None


@dataclass(frozen=True)
class Selection:
    """A SELECT of some columns.

    Attributes:
        columns: that it gives, in their order.
        has_slices: whether a column `SLICE` of text comes after them.
    """

    sql: str
    columns: Sequence[Column]
    has_slices: bool


class Session(ABC):
    """A transaction in which a table or query is read.

    Attributes:
        columns: of the table or query, in its order.
        table: the SQL after FROM.
        literals: how this database writes literals.
        has_limit: whether it knows LIMIT.
        slice_grains: how rows are cut, by the grain of the project.
    """

    columns: Mapping[str, Column]
    table: str
    literals: Literals
    slice_grains: ClassVar[Mapping[Grain, Grain]] = dict.fromkeys(GRAINS, "daily")
    has_limit: bool = True

    @abstractmethod
    def batches(self, selection: Selection) -> Iterator[pl.DataFrame]:
        """Yield the rows of a selection, some at a time; several may be read at once. Without columns, empty rows.

        Raises:
            SourceUnreadable: the database refuses, or a value is not of its column's type.
        """

    @abstractmethod
    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return the few rows of a SELECT whose columns are texts and whole numbers.

        Raises:
            SourceUnreadable: the database refuses.
        """

    @abstractmethod
    def stamp(self) -> str | None:
        """Return the SQL, an aggregate, of a text that changes with the rows it is made of; None if there is none."""

    @abstractmethod
    def slice_key(self, column: Column, grain: Grain) -> str:
        """Return the SQL of a text for the slice of time that a raw value lies in; null where `outside` holds."""

    @abstractmethod
    def slice_start(self, key: object) -> datetime:
        """Return where the slice with a key begins, in the column's own zone."""

    @abstractmethod
    def outside(self, column: Column) -> str:
        """Return the condition of rows that lie in no slice: without a time, or with one beyond the calendar."""

    @abstractmethod
    def close(self) -> None:
        """End the transaction; never fails."""

    def can_cut(self, name: str) -> bool:
        """Tell whether rows can be cut by a column."""
        return name in self.columns and self.columns[name].compared in _CUT

    def select(
        self, names: Sequence[str], conditions: Sequence[str], limit: int | None = None, key: str | None = None
    ) -> Selection:
        """Return the SELECT of some columns of the rows for which all conditions hold.

        Args:
            key: the SQL of the column `SLICE`; None leaves it out.
        """
        wanted = [self.columns[name] for name in names]
        columns = [column.selected for column in wanted] + ([f"{key} AS {SLICE}"] if key else [])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        bound = "" if limit is None or not self.has_limit else f" LIMIT {limit}"
        sql = f"SELECT {', '.join(columns) or '1 AS fp_row'} FROM {self.table}{where}{bound}"
        return Selection(sql, wanted, key is not None)

    def at_least(self, column: Column, start: datetime) -> str:
        """Return the condition of rows from a moment on, which is in the column's own zone."""
        return f"{column.raw} >= {self._bound(column, start)}"

    def between(self, column: Column, start: datetime, end: datetime) -> str:
        """Return the condition of rows in `[start, end)`, moments in the column's own zone."""
        return f"({self.at_least(column, start)} AND {column.raw} < {self._bound(column, end)})"

    def _bound(self, column: Column, moment: datetime) -> str:
        match column.compared:
            case "date":
                return self.literals.day(moment.date())
            case "instant":
                return self.literals.instant(moment)
            case _:
                return self.literals.wall(moment)

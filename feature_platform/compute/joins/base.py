"""The contract of joins: for all rows of a spine a join finds places first and values later.

The places need keys and clocks only, so that values are read for the rows that won, column by column if
need be. A new kind of join is a subclass of `Join`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.joins.codes import Codes, Whole
from feature_platform.compute.joins.pieces import Table, batches_of_pieces
from feature_platform.compute.joins.places import TablePlaces, rows_at_once
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.join_keys import key_parts
from feature_platform.ground.clock import UTC
from feature_platform.ground.progress import count_steps

Flags = npt.NDArray[np.bool_]


class JoinAnswer(ABC):
    """The result of a join for the rows of a spine."""

    @abstractmethod
    def values(self, names: Sequence[str]) -> pl.DataFrame:
        """Return some of the columns that the join adds, one row for each row of the spine."""


@dataclass(frozen=True)
class Join(ABC):
    """One table that a spine is joined with.

    Attributes:
        name: what people call the table.
        table: its rows.
        types: the parts of the key, in the types that both sides share.
        added: the columns it adds, and their types.
    """

    name: str
    table: Table
    types: Mapping[str, pl.DataType]
    added: Mapping[str, pl.DataType]

    @property
    @abstractmethod
    def method(self) -> str:
        """Describe in a few words how the join is done."""

    @property
    @abstractmethod
    def clocks(self) -> Sequence[pl.Expr]:
        """Return what is read of every row besides its key."""

    @abstractmethod
    def reads(self, names: Sequence[str]) -> Sequence[str]:
        """Return the columns that are read for some of those that the join adds."""

    @abstractmethod
    def reach(self, first: int, last: int) -> Table:
        """Return the pieces that moments from first to last can see."""

    def method_for(self, reached: Table, names: Sequence[str]) -> str:
        """Describe how some of the columns are joined from these pieces; in more detail than `method` if need be."""
        return self.method

    @property
    def asks_by_rows(self) -> bool:
        """Tell whether an answer takes the rows of the spine, and not only their codes and moments."""
        return False

    @abstractmethod
    def answer(self, spine: SpineRows, names: Sequence[str]) -> JoinAnswer:
        """Look at every row; `names` are the columns that will be asked for."""


@dataclass(frozen=True)
class FoundRows(JoinAnswer):
    """Rows of a table; the event time of each is a column, too, where it was asked for."""

    places: TablePlaces
    columns: Mapping[str, str]
    event_time: pl.Series | None = None

    def values(self, names: Sequence[str]) -> pl.DataFrame:
        rows = self.places.values({name: self.columns[name] for name in names if name in self.columns})
        if self.event_time is not None and self.event_time.name in names:
            rows = rows.hstack([self.event_time])
        return rows.select(names) if names else rows


@dataclass(frozen=True)
class FindingJoin(Join):
    """A join whose answer is one row of the table, or none, for each row of the spine.

    Attributes:
        columns: the names of the values, and of the columns they are in.
        limit: how far a row may be from the moment, in microseconds.
        event_time_as: a name for the time of the row found, to be added.
        own_keys: what the table calls the parts of the key, where that is something else.
    """

    columns: Mapping[str, str]
    limit: int | None = None
    event_time_as: str | None = None
    own_keys: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def reads(self, names: Sequence[str]) -> Sequence[str]:
        clocks = [name for each in self.clocks for name in each.meta.root_names()]
        values = [self.columns[name] for name in names if name in self.columns]
        keys = [self.own_keys.get(key, key) for key in self.types]
        return list(dict.fromkeys([*keys, *clocks, *values]))

    def narrow(self, table: Table) -> Iterator[pl.DataFrame]:
        """Yield keys and clocks of one piece after the other; several small ones are read at once."""
        columns = [*key_parts(self.types, self.own_keys), *self.clocks]
        batches = list(batches_of_pieces(table, rows_at_once(len(columns))))
        for batch in count_steps(batches, f"{self.name}: {self.method}", len(batches)):
            yield from pl.collect_all([piece.rows.select(columns) for piece in batch])

    def within_limit(self, moments: Whole, events: Whole) -> Flags:
        """Tell which event times are not too far before their moments."""
        if self.limit is None:
            return np.full(len(moments), fill_value=True)
        apart = moments - events
        return (apart <= self.limit) & (apart >= 0)

    def answer_at(self, table: Table, heights: Sequence[int], places: Whole | Codes, events: Whole) -> FoundRows:
        """Return the answer, from a place in the table (-1 for none) and an event time for each spine row."""
        time = None
        if self.event_time_as is not None:
            time = pl.Series(self.event_time_as, events).set(pl.Series(places < 0), None).cast(UTC)
        return FoundRows(TablePlaces(table, heights, places), self.columns, time)


def no_places(table: Table, height: int) -> Whole | Codes:
    """Return -1 for each row of a spine, no wider than the places of a table need."""
    rows = sum(2**31 if piece.height is None else piece.height for piece in table)
    return np.full(height, -1, dtype=np.int32) if rows < 2**31 else np.full(height, -1, dtype=np.int64)

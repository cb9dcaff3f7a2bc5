"""A database at one moment: lazy frames whose filters reach the server, and units of time whose stamps it counts.

Inside the block of `Database.open` all rows come from its one transaction. A lazy frame that is collected after the
block has ended opens a transaction of its own.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import polars as pl

from feature_platform.ground.working_columns import SLICE
from feature_platform.parts.sources.asked import AskedRows
from feature_platform.parts.sources.base import WHOLE_UNIT, DataUnit, OpenedData, Slicing
from feature_platform.parts.sources.database.pushdown import conditions_of
from feature_platform.parts.sources.database.session import Selection, Session
from feature_platform.parts.sources.database.slices import Slices


class Transaction:
    """The transaction of a run; what is read after its end is read in a new one.

    Args:
        connect: opens another session of the same table or query.
    """

    def __init__(self, connect: Callable[[], Session]) -> None:
        self.session = connect()
        self._connect = connect
        self._has_ended = False

    def batches(self, selection: Selection) -> Iterator[pl.DataFrame]:
        """Yield the rows of a selection."""
        session = self._connect() if self._has_ended else self.session
        try:
            yield from session.batches(selection)
        finally:
            if session is not self.session:
                session.close()

    def end(self) -> None:
        """End the transaction."""
        self._has_ended = True
        self.session.close()


class OpenedDatabase(OpenedData):
    """A table or query in one transaction.

    Args:
        watch: how far back slices are compared, in microseconds; None compares all.
        slicing: how rows are cut into units. None leaves them in one piece.
    """

    def __init__(self, transaction: Transaction, watch: int | None, slicing: Slicing | None = None) -> None:
        self._transaction, self._watch, self._slicing = transaction, watch, slicing
        self._session = transaction.session

    def cut_by(self, slicing: Slicing) -> OpenedData:
        if self._session.stamp() is None or not self._session.can_cut(slicing.column):
            return self
        return OpenedDatabase(self._transaction, self._watch, slicing)

    def scan(self) -> pl.LazyFrame:
        return _Rows(self._transaction, []).lazy()

    def fingerprint(self) -> str:
        stamp = self._stamp_of_all
        if stamp is None:
            rows = self.scan().select(pl.struct(pl.all()).hash(seed=0).reinterpret(signed=True))
            sums = rows.select(pl.len().alias("rows"), pl.first().sum()).collect(engine="streaming").row(0)
            stamp = f"polars {pl.__version__} {sums}"
        return hashlib.blake2b(stamp.encode(), digest_size=16).hexdigest()

    def units(self) -> list[DataUnit] | None:
        if self._slices is not None:
            return self._slices.units()
        stamp = self._stamp_of_all
        return None if stamp is None else [DataUnit(WHOLE_UNIT, stamp)]

    def scan_units(
        self, names: Sequence[str], schema: Mapping[str, pl.DataType], label: str | None = None
    ) -> pl.LazyFrame:
        if self._slices is None:
            return self.scan()
        labels = None if label is None else (label, self._slices)
        return _Rows(self._transaction, [self._slices.condition_of(names)], labels).lazy()

    @cached_property
    def _slices(self) -> Slices | None:
        stamp = self._session.stamp()
        if self._slicing is None or stamp is None:
            return None
        return Slices(self._session, self._slicing, stamp, self._watch)

    @cached_property
    def _stamp_of_all(self) -> str | None:
        stamp = self._session.stamp()
        if stamp is None:
            return None
        (counted,) = self._session.rows(f"SELECT COUNT(*) AS amount, {stamp} AS stamp FROM {self._session.table}")
        return " ".join(map(str, counted))


class _Rows(AskedRows):
    """The rows of a table or query.

    Args:
        conditions: of all rows.
        labels: a column, and the slices whose names the rows get in it.
    """

    def __init__(
        self, transaction: Transaction, conditions: Sequence[str], labels: tuple[str, Slices] | None = None
    ) -> None:
        self._transaction, self._conditions = transaction, conditions
        self._label = None if labels is None else labels[0]
        self._slices = None if labels is None else labels[1]

    def schema(self) -> pl.Schema:
        schema = {name: column.dtype for name, column in self._transaction.session.columns.items()}
        return pl.Schema(schema if self._label is None else {**schema, self._label: pl.String()})

    def batches(self, names: Sequence[str], filters: Sequence[str], limit: int | None) -> Iterator[pl.DataFrame]:
        session = self._transaction.session
        pushed = [each for text in filters for each in conditions_of(text, session.columns, session.literals)]
        slices = self._slices if self._label in names else None
        stored = [name for name in names if name != self._label]
        key = None if slices is None else slices.key
        selection = session.select(stored, [*self._conditions, *pushed], limit, key)
        for batch in self._transaction.batches(selection):
            if slices is None or self._label is None:
                yield batch
            else:
                unit = pl.col(SLICE).replace_strict(slices.names_by_key, return_dtype=pl.String())
                yield batch.with_columns(unit.alias(self._label)).select(names)

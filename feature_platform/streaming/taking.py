"""Taking: messages become rows of their source, durable in the spool with their places, then visible online.

What could not be taken is kept with its reason, and the others go on. Rows, what was refused and how far the topic was
read are one transaction of the spool: a process that is killed has taken a message or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.pushed import entries_of_pushes, pushes_as_read, tag_messages
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.transforms.messages import split_at_failures
from feature_platform.compute.transforms.pushed import ORIGIN
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import (
    MissingColumns,
    OnlineConflict,
    OnlineStoreFailed,
    PushRefused,
    SourceUnreadable,
    TransformFailed,
    WrongColumnType,
)
from feature_platform.ground.table_names import TableKind
from feature_platform.ground.working_columns import ARRIVED_AT, PUSH, PUSH_ROW, SPOOL
from feature_platform.online.spool_records import NewPush
from feature_platform.parts.sources import Kafka
from feature_platform.serving.applying import Target, write_view
from feature_platform.streaming.accepting import accept_rows, wrong_arrivals
from feature_platform.streaming.decoding import JsonDecoder
from feature_platform.streaming.messages import MESSAGE_VALUE, REASON, positions_after, refused_messages

REFUSED_AT_MOST = 1_000  # messages one after the other; then the declaration is wrong, and not the messages
_UNFIT = (
    TransformFailed,
    PushRefused,
    MissingColumns,
    WrongColumnType,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OverflowError,
    TypeError,
    ValueError,
)
"""Errors that mean that one of the messages cannot be taken."""
_STORE = (OnlineStoreFailed, OnlineConflict)
MadeEntries = Mapping[FeatureView, tuple[ServedTable, Mapping[bytes, bytes]]]
"""What rows change in each view that is served: its table as it was, and the entries."""


@dataclass
class Taken:
    """How many messages of a source were taken, how many were refused, and how many were tombstones, which are skipped.

    Attributes:
        newest: when the newest one arrived.
        in_a_row: how many were refused since the last one that was taken.
    """

    rows: int = 0
    messages: int = 0
    refused: int = 0
    tombstones: int = 0
    newest: datetime | None = None
    in_a_row: int = 0


@dataclass
class MessageTaker:
    """Takes messages of one source.

    Attributes:
        source: its connector is a topic.
    """

    source: Source
    words: Kafka
    target: Target
    taken: Taken = field(default_factory=Taken)

    def __post_init__(self) -> None:
        self._decoder = JsonDecoder(self.words.schema, self.words.extra)

    def take(self, messages: pl.DataFrame, now: datetime) -> None:
        """Take messages, as many at a time as go together; when this returns they are durable.

        Raises:
            SourceUnreadable: very many in a row cannot be taken; the last ones are left in the topic.
            SpoolFailed: the disk refused; the rest is left in the topic.
        """

        def take(some: pl.DataFrame) -> None:
            self._take(some, now)

        def refuse(one: pl.DataFrame, error: BaseException) -> None:
            self._keep(one, pl.DataFrame(), {}, {0: _sentence(error)}, now)

        split_at_failures(take, messages, _UNFIT, refuse)

    def _take(self, messages: pl.DataFrame, now: datetime) -> None:
        present = messages.filter(pl.col(MESSAGE_VALUE).is_not_null())
        raw, faults = self._decoder.decode(present[MESSAGE_VALUE].to_list())
        reasons = wrong_arrivals(present[ARRIVED_AT], now)
        reasons |= {place: fault for place, fault in enumerate(faults) if fault is not None}
        good = present.with_row_index("place").filter(~pl.col("place").is_in(list(reasons)))
        accepted, others = accept_rows(
            self.source, self._stored_columns(), raw[good["place"]], good[ARRIVED_AT], self.target.partitions
        )
        reasons |= {good["place"][place]: reason for place, reason in others.items()}
        rows = _with_origin(accepted, good)
        made = self._entries(rows, now)  # before the rows are kept: no table can be made with what a view cannot take
        self._keep(messages, rows, made, reasons, now, present=present)

    def _stored_columns(self) -> pl.Schema | None:
        known = self.target.store.exists(self.source.asset)
        return self.target.columns(self.source) if known else None

    def _entries(self, rows: pl.DataFrame, now: datetime) -> MadeEntries:
        """Return what the rows change in each view that is served."""
        if rows.is_empty():
            return {}
        pushes, made = [tag_messages(rows)], {}
        for view, table in self.target.fed_by(self.source).items():
            entries = entries_of_pushes(
                view, table, pushes_as_read(view, self.source, pushes, self.target.columns), now
            )
            if entries is not None:
                made[view] = table, entries
        return made

    def _keep(
        self,
        messages: pl.DataFrame,
        rows: pl.DataFrame,
        made: MadeEntries,
        reasons: dict[int, str],
        now: datetime,
        present: pl.DataFrame | None = None,
    ) -> None:
        """Keep rows and refused messages, and how far was read; then show the rows online.

        Args:
            present: the messages without tombstones, whose places have the reasons.
        """
        present = messages if present is None else present
        self._refuse_too_many(present.height, reasons)
        refused = present[list(reasons)].with_columns(pl.Series(REASON, list(reasons.values()), dtype=pl.String))
        pushes = [NewPush(self.source.name, rows, online=True, are_messages=True)] if rows.height else []
        if refused.height:
            table = TableKind.UNREADABLE.of(self.source.name)
            pushes.append(NewPush(table, refused_messages(refused, refused[REASON]), online=False, are_messages=True))
        taken = self.target.spool.append_all(pushes, now, positions_after(messages))
        self._count(messages, present, rows, len(reasons))
        if rows.height:
            self._write(rows, made, taken[0].sequence, now)

    def _write(
        self,
        rows: pl.DataFrame,
        made: MadeEntries,
        sequence: int,
        now: datetime,
    ) -> None:
        """Write the rows online; where the store refuses, `recover` does it later."""
        pushes = [tag_messages(rows)]
        try:
            for view, (table, entries) in made.items():
                write_view(view, table, self.source, pushes, self.target, now, entries)
        except _STORE:
            return
        self.target.mark_applied(sequence)

    def _refuse_too_many(self, messages: int, reasons: dict[int, str]) -> None:
        in_a_row = self.taken.in_a_row + len(reasons)
        if len(reasons) == messages and in_a_row >= REFUSED_AT_MOST:
            last = next(reversed(reasons.values()))
            reason = f"{in_a_row:,} messages one after the other could not be taken, the last one: {last}"
            remedy = "Mend the schema or `prepare` of the source; they are read again then."
            raise SourceUnreadable(self.source.name, self.words.location, reason, remedy)

    def _count(self, messages: pl.DataFrame, present: pl.DataFrame, rows: pl.DataFrame, refused: int) -> None:
        taken = self.taken
        taken.rows += rows.height
        taken.messages += messages.height
        taken.refused += refused
        taken.tombstones += messages.height - present.height
        taken.in_a_row = taken.in_a_row + refused if refused == present.height else 0
        newest = messages[ARRIVED_AT].max()
        taken.newest = newest if isinstance(newest, datetime) else taken.newest


def _with_origin(rows: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the place of their message in its stream, as a log has it."""
    origin = messages.select(SPOOL, PUSH, ARRIVED_AT)[rows[PUSH]]
    placed = pl.concat([rows.drop(PUSH, PUSH_ROW), origin, rows.select(PUSH_ROW)], how="horizontal")
    return placed.select(pl.exclude(*ORIGIN), *ORIGIN)


def _sentence(error: BaseException) -> str:
    """Return why one message could not be taken; the text of an engine may show a value, so its kind has to do."""
    known = (TransformFailed, PushRefused, MissingColumns, WrongColumnType)
    return str(error) if isinstance(error, known) else f"it made {type(error).__name__}"

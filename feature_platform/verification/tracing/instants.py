"""A value of a windowed view traced: to the instant that it is read from, or to the moment itself in an exact view."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from feature_platform.compute.keys.join_keys import require_columns
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.cadences import publication
from feature_platform.ground.clock import UTC, microsecond_of, shift_moment
from feature_platform.ground.errors import UnknownName
from feature_platform.verification.tracing.commits import AskedTable, ReadTables
from feature_platform.verification.tracing.making import try_to_make
from feature_platform.verification.tracing.question import ValueQuestion
from feature_platform.verification.tracing.traced import Reason, TracedValue, only_value, short_moment
from feature_platform.verification.tracing.windows import StoredRow, WindowsOfKey


def trace_moment(question: ValueQuestion) -> TracedValue:
    """Trace a feature of an exact view, whose windows end at the moment itself; raises as `why`."""
    _require_feature(question)
    read = ReadTables(question.view.original, question.store, question.versions)
    asked = WindowsOfKey(question, read, question.at)
    if question.has_null_key(asked.events.schema):
        return question.null_key()
    versions = ", ".join(f"{table}@{version}" for table, version in sorted(read.versions.items()))
    step = ("read from", f"events of {versions}; an exact view is computed when it is asked")
    return asked.trace(question.feature, question.answer(Reason.PRESENT, step), None)


def trace_instant(question: ValueQuestion) -> TracedValue:
    """Trace a feature of a snapshot view, read from the newest instant that was out; raises as `why`."""
    _require_feature(question)
    view = question.view
    table = AskedTable.of(view.asset, question.store, question.versions)
    schema = table.rows.collect_schema()
    require_columns(schema, [question.feature, AS_OF], f"Table `{view.asset}`")
    if question.has_null_key(schema):
        return question.null_key()
    instants = _Instants(question, table)
    row = instants.newest(table.newest_first(table.partition_of(instants.out, closes_right=True)))
    if row is None:
        return instants.describe_none(table.rows)
    answer, partition = instants.describe(row), table.partition_of(row[AS_OF].item(), closes_right=True)
    state = table.states.get(partition)
    read = ReadTables(view.original, question.store, {} if state is None else state.inputs)
    windows = WindowsOfKey(question, read, row[AS_OF].item())
    stored = StoredRow(view.asset, row, state, table.is_newest)
    made = try_to_make(lambda: windows.trace(question.feature, answer, stored))
    return instants.read(answer, row, str(made.failure)) if made.value is None else made.value


def _require_feature(question: ValueQuestion) -> None:
    """Refuse a feature that a windowed view does not declare."""
    known = question.view.windows.features
    if question.feature not in known:
        raise UnknownName(question.owner, "feature", question.feature, known)


@dataclass(frozen=True, eq=False)
class _Instants:
    """The published instants of a view."""

    question: ValueQuestion
    table: AskedTable

    @property
    def cadence(self) -> Cadence:
        return self.question.view.windows.cadence

    @property
    def out(self) -> datetime:
        """Return the last time at which an instant may lie that is out at the moment."""
        return shift_moment(self.question.at, -self.cadence.delay_us)

    @property
    def due_instant(self) -> datetime:
        """Return the instant that should be the newest one out at the moment."""
        at = pl.lit(self.question.at, UTC)
        found = pl.select(publication(at, self.cadence.every_us, self.cadence.delay_us, self.cadence.tz)).item()
        return found if isinstance(found, datetime) else self.question.at

    def newest(self, parts: Iterator[pl.LazyFrame]) -> pl.DataFrame | None:
        """Return the row of the key at the newest instant that is out, else its default row; None where none is out."""
        for rows in parts:
            own = self.question.is_own(rows.collect_schema())
            found = (
                self.rows_of_instants(rows).filter(pl.col(AS_OF) <= self.out).filter(self.is_default | own).collect()
            )
            newest = found.filter(self.is_default)[AS_OF].max()
            if newest is not None:
                there = found.filter(pl.col(AS_OF) == newest)
                mine = there.filter(own)
                return (mine if mine.height else there).tail(1)
        return None

    @property
    def is_default(self) -> pl.Expr:
        return self.question.is_default()

    def rows_of_instants(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows of instants of the cadence that is declared now."""
        on_time = publication(pl.col(AS_OF), self.cadence.every_us, tz=self.cadence.tz)
        return rows.filter(pl.col(AS_OF) == on_time)

    def describe(self, row: pl.DataFrame) -> TracedValue:
        """Return the answer that a row gives, without its value."""
        question, view, time = self.question, self.question.view, row[AS_OF].item()
        steps = [
            ("instant", f"{short_moment(time)}, out since {short_moment(shift_moment(time, self.cadence.delay_us))}")
        ]
        if time < self.due_instant:
            step = f"{short_moment(self.due_instant)} should be out, and was not published"
            steps.append(("instant", step))
        if view.join_keys and row.select(self.question.is_default()).item():
            step = "the default row: the key has no known event as far back as the view reaches"
            steps.append(("row", step))
        reason = Reason.PRESENT
        if view.ttl_us is not None and microsecond_of(question.at) - microsecond_of(time) > view.ttl_us:
            steps.append(("ttl", f"the instant is older than ttl={view.ttl} at the moment"))
            reason = Reason.EXPIRED
        steps += self.table.describe_commit(view, self.table.partition_of(time, closes_right=True))
        return replace(question.answer(reason, *steps), time=time)

    def read(self, answer: TracedValue, row: pl.DataFrame, failure: str) -> TracedValue:
        """Return the answer of a row that cannot be made again."""
        stored = only_value(row[self.question.feature])
        steps = (*answer.steps, ("again", failure))
        if answer.reason is Reason.EXPIRED:
            return replace(answer, stored=stored, steps=steps)
        reason = Reason.NULL_IN_ROW if stored is None else Reason.PRESENT
        return replace(answer, value=stored, stored=stored, reason=reason, steps=steps)

    def describe_none(self, rows: pl.LazyFrame) -> TracedValue:
        """Return why no instant is out."""
        question = self.question
        times = self.rows_of_instants(rows).filter(self.is_default).select(AS_OF).collect()[AS_OF]
        early = times.filter(times <= question.at).max()
        if isinstance(early, datetime):
            delay = f"delay={self.cadence.delay}"
            since = short_moment(shift_moment(early, self.cadence.delay_us))
            return question.answer(
                Reason.NOT_KNOWN_YET, ("instant", f"{short_moment(early)} is out from {since} on: {delay}")
            )
        tables = [each.asset for each in question.view.source.members]
        held = {key for name in tables for key in question.store.partition_states(name, question.versions.get(name))}
        partition = self.table.partition_of(self.due_instant, closes_right=True)
        if self.table.contents.grain and partition not in self.table.states and min(held, default="~") <= partition:
            steps = [("instant", f"{short_moment(self.due_instant)} should be out, and was not published")]
            steps.append(("partition", f"{partition} of {self.table.name} was never materialized"))
            return question.answer(Reason.NOT_PUBLISHED, *steps)
        first = times.min()
        found = (
            "no instant is published" if first is None else f"the first one that is published is {short_moment(first)}"
        )
        return question.answer(Reason.NOT_YET, ("instant", found))

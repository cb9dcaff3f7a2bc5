"""A value of a row view traced: to the row that wins at the moment, and the rows of the source that made it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial

import polars as pl

from feature_platform.compute.transforms.rows import feature_names, feature_rows
from feature_platform.ground.clock import microsecond_of
from feature_platform.ground.errors import UnknownName
from feature_platform.offline.names import WHOLE
from feature_platform.verification.tracing.commits import AskedTable, ReadTables, growing_cuts
from feature_platform.verification.tracing.dimensions import enrich_and_note, rows_seen, tables_without_a_row
from feature_platform.verification.tracing.making import compare_with_source, rows_are_alike, try_to_make
from feature_platform.verification.tracing.origins import rows_that_suffice
from feature_platform.verification.tracing.question import ValueQuestion
from feature_platform.verification.tracing.traced import Reason, TracedValue, only_value, short_moment, show_value


def trace_row(question: ValueQuestion) -> TracedValue:
    """Trace a feature of a row view; raises as `why`."""
    view = question.view
    table = AskedTable.of(view.asset, question.store, question.versions)
    schema = table.rows.collect_schema()
    if question.feature not in (known := feature_names(view, schema)):
        raise UnknownName(question.owner, "feature", question.feature, known)
    if question.has_null_key(schema):
        return question.null_key()
    rows = _RowsOfKey(question, table)
    winner = rows.newest(table.newest_first(rows.partition_of(question.at)))
    answer = rows.describe_none() if winner is None else rows.describe(winner)
    return rows.compare(answer, winner)


@dataclass(frozen=True, eq=False)
class _RowsOfKey:
    """The rows of one key, in the table and as its source makes them."""

    question: ValueQuestion
    table: AskedTable

    @property
    def clocks(self) -> list[str]:
        view = self.question.view
        return list(dict.fromkeys(clock for clock in (view.event_time, view.known_at) if clock is not None))

    def newest(self, parts: Iterator[pl.LazyFrame]) -> pl.DataFrame | None:
        """Return the row that wins at the moment, of parts of a table, the latest first; None where none is seen."""
        return next((found.tail(1) for rows in parts if (found := self.find_seen(rows)).height), None)

    def find_seen(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Return the rows of the key that are seen at the moment, the winner last."""
        clocks = [pl.col(clock) <= self.question.at for clock in self.clocks]
        found = rows.filter(self.question.is_own(rows.collect_schema()), *clocks).collect()
        return found.sort(self.clocks, maintain_order=True) if self.clocks else found

    # -------------------------------------------------------------- the row that wins

    def describe(self, winner: pl.DataFrame) -> TracedValue:
        """Return the answer that a row gives."""
        question, view = self.question, self.question.view
        time = None if view.event_time is None else winner[view.event_time].item()
        step = "a fact without a date, which holds at all times"
        if time is not None:
            known = "" if view.known_at is None else f", known at {short_moment(winner[view.known_at].item())}"
            step = f"the newest seen at the moment, of {short_moment(time)}{known}"
        value = only_value(winner[question.feature])
        commit = self.table.describe_commit(view, self.partition_of(time))
        answer = replace(question.answer(Reason.PRESENT, ("row", step), *commit), time=time, stored=value)
        if (
            view.ttl_us is not None
            and time is not None
            and microsecond_of(question.at) - microsecond_of(time) > view.ttl_us
        ):
            step = f"the row is older than ttl={view.ttl} at the moment, and nothing older takes its place"
            return replace(answer, reason=Reason.EXPIRED, steps=(*answer.steps, ("ttl", step)))
        return replace(answer, value=value, reason=Reason.PRESENT if value is not None else Reason.NULL_IN_ROW)

    def partition_of(self, time: datetime | None) -> str:
        return self.table.partition_of(time, closes_right=self.question.view.closes_right)

    # -------------------------------------------------------------- no row

    def describe_none(self) -> TracedValue:
        """Return why no row is seen."""
        question, view = self.question, self.question.view
        rows = self.table.rows
        every = rows.filter(question.is_own(rows.collect_schema())).collect()
        happened = every if view.event_time is None else every.filter(pl.col(view.event_time) <= question.at)
        if view.known_at is not None and happened.height:
            first = short_moment(happened[view.known_at].min())
            step = f"{happened.height} row(s) had happened by the moment; the first was known at {first}"
            return question.answer(Reason.NOT_KNOWN_YET, ("row", step))
        if (missed := self._unpublished_row()) is not None:
            return question.answer(Reason.NOT_PUBLISHED, *missed)
        if view.event_time is not None and every[view.event_time].count():
            first = short_moment(every[view.event_time].min())
            return question.answer(
                Reason.NOT_YET, ("row", f"the first of {every.height} row(s) of the key is of {first}")
            )
        return question.answer(Reason.NO_ROW, ("row", f"{self.table.name}@{self.table.version} has no row of the key"))

    def _unpublished_row(self) -> list[tuple[str, str]] | None:
        """Return what the source makes of partitions that the table lacks, or has from before, as steps."""
        if self.question.view.event_time is None or self.table.contents.grain is None:
            return None
        missing = sorted(set(self._unpublished_partitions()), reverse=True)
        read = ReadTables(self.question.view.original, self.question.store, self.question.versions)
        for start, end in growing_cuts(len(missing)):
            found = try_to_make(partial(self._make_seen, read, missing[start:end])).value
            if found is not None and found.height:
                time = found[str(self.question.view.event_time)][-1]
                partition = self.partition_of(time)
                step = f"{read.source_name} makes one of {short_moment(time)}"
                why = "was made before that" if partition in self.table.states else "was never materialized"
                return [("row", step), ("partition", f"{partition} of {self.table.name} {why}")]
        return None

    def _unpublished_partitions(self) -> Iterator[str]:
        """Yield the partitions up to the moment of which the source has other rows than the table was made from."""
        for each in self.question.view.source.members:
            yield from self._unpublished_of(each.asset, self.partition_of(self.question.at))

    def _unpublished_of(self, source: str, last: str) -> Iterator[str]:
        contents = self.question.store.contents(source)
        changed: dict[int, set[str]] = {}
        for key in contents.states(self.question.versions.get(source)):
            state = self.table.states.get(key)
            version = None if state is None else state.inputs.get(source)
            if version is not None and version not in changed:
                changed[version] = contents.changed_since(version) if version < contents.version else set()
            is_stale = version is not None and key in changed[version]
            if key <= last and (state is None or is_stale):
                yield key

    # -------------------------------------------------------------- made again

    def compare(self, answer: TracedValue, winner: pl.DataFrame | None) -> TracedValue:
        """Add to an answer what the source makes now, of the versions that were read when the row was written."""
        made = try_to_make(self._make_again)
        if made.failure is not None:
            return replace(answer, steps=(*answer.steps, ("again", made.failure)))
        again = made.value
        agrees = winner is None if again is None else winner is not None and self._are_same(winner, again.row)
        steps = list(answer.steps)
        if again is not None:
            value = only_value(again.row[self.question.feature])
            answer = replace(answer, again=value, rows=again.origin, dimensions=again.rows_seen)
            steps += again.steps
            if agrees and answer.reason is Reason.NULL_IN_ROW and (lacking := again.tables_without_a_row):
                answer = replace(answer, reason=Reason.NO_DIMENSION_ROW)
                steps.append(("dimension", f"{' and '.join(lacking)} had no row for it"))
        told = [self._describe_value(row) for row in (winner, None if again is None else again.row)]
        state = self.table.states.get(self.partition_of(answer.time))
        steps.append(compare_with_source(self.table.name, self.question.view, state, *told, agrees=agrees))
        if again is not None and self.table.is_newest:
            steps += again.read.describe_newer(answer.time or self.question.at, self.question.at)
        return replace(answer, agrees=agrees, steps=tuple(steps))

    def _are_same(self, winner: pl.DataFrame, again: pl.DataFrame) -> bool:
        names = [*self.clocks, self.question.feature]
        return rows_are_alike(winner.select(names), again.select(names))

    def _describe_value(self, row: pl.DataFrame | None) -> str:
        if row is None:
            return "no row seen by then"
        event = self.question.view.event_time
        of_time = "" if event is None else f" of {short_moment(row[event].item())}"
        return f"{show_value(only_value(row[self.question.feature]))}{of_time}"

    def _make_seen(self, read: ReadTables, keys: Sequence[str]) -> pl.DataFrame:
        """Return the rows of the key that are seen, made of some partitions of the source."""
        return self.find_seen(feature_rows(read.view, read.enrich(read.read_partitions(keys))))

    def _make_again(self) -> "_RowAgain | None":
        """Make the rows of the key again, the latest partitions first, until one is seen."""
        last = self.partition_of(self.question.at) if self.question.view.event_time else WHOLE
        keys = sorted((key for key, state in self.table.states.items() if key <= last), reverse=True)
        reads: dict[tuple[tuple[str, int], ...], ReadTables] = {}
        for start, end in growing_cuts(len(keys)):
            for part, inputs in self._by_inputs(keys[start:end]):
                read = reads.setdefault(
                    inputs, ReadTables(self.question.view.original, self.question.store, dict(inputs))
                )
                found = self._make_seen(read, part)
                if found.height:
                    return _RowAgain(self, read, part, found.tail(1))
        return None

    def _by_inputs(self, keys: Sequence[str]) -> Iterator[tuple[list[str], tuple[tuple[str, int], ...]]]:
        """Yield neighbouring partitions that were made from the same versions."""
        part: list[str] = []
        before: tuple[tuple[str, int], ...] = ()
        for key in keys:
            inputs = tuple(sorted(self.table.states[key].inputs.items()))
            if part and inputs != before:
                yield part, before
                part = []
            part.append(key)
            before = inputs
        if part:
            yield part, before


@dataclass(frozen=True, eq=False)
class _RowAgain:
    """A row as its source makes it again.

    Attributes:
        partitions: of the source, in which the rows are that it is made from.
    """

    rows: _RowsOfKey
    read: ReadTables
    partitions: Sequence[str]
    row: pl.DataFrame

    @cached_property
    def origin(self) -> pl.DataFrame:
        """Return the rows of the source that it is made from: without one of them it would be another."""
        events, time = self.read.read_partitions(self.partitions), self.rows.question.view.event_time
        if time is not None and self.read.view.partitioned:
            events = events.filter(pl.col(time) == self.row[time].item())
        return rows_that_suffice(events.collect(), self._makes_it)

    def _makes_it(self, events: pl.DataFrame) -> bool:
        found = self.rows.find_seen(feature_rows(self.read.view, self.read.enrich(events.lazy())))
        return found.height > 0 and rows_are_alike(found.tail(1), self.row)

    @cached_property
    def _noted_origin(self) -> pl.DataFrame:
        noted = enrich_and_note(self.read, self.origin.lazy())
        known, until = self.read.view.event_known_at, self.read.view.event_known_until
        if until is not None:  # the versions of its event that count at the moment
            at = self.rows.question.at
            noted = noted.filter(pl.col(str(known)) <= at, pl.col(until).is_null() | (pl.col(until) > at))
        return noted.collect()

    @property
    def rows_seen(self) -> dict[str, pl.DataFrame]:
        """Return the rows of other tables that it sees."""
        return dict(rows_seen(self.read.view, self._noted_origin)) if self.read.view.enrichments else {}

    @property
    def tables_without_a_row(self) -> list[str]:
        """Return the tables behind the feature that have no row for it."""
        feature = self.rows.question.feature
        return tables_without_a_row(self.read, self._noted_origin, feature) if self.read.view.enrichments else []

    @property
    def steps(self) -> list[tuple[str, str]]:
        steps = [("source", f"{self.origin.height} row(s) of {self.read.source_name}")]
        for table, seen in self.rows_seen.items():
            for row in seen.iter_rows(named=True):
                words = " ".join(f"{name}={short_moment(value)}" for name, value in row.items())
                steps.append(("dimension", f"{table}@{self.read.versions[table]}: {words}"))
        return steps

"""The windows of one key at one instant: which events are in them, and what these events give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial

import numpy as np
import polars as pl

from feature_platform.compute.transforms.rows import feature_rows
from feature_platform.compute.windows import window_features
from feature_platform.compute.windows.bounds import bounds_of
from feature_platform.declarations.windowing import Windowing
from feature_platform.ground.clock import ALWAYS, NEVER, UTC, microsecond_of, moment_of
from feature_platform.ground.working_columns import MOMENT
from feature_platform.offline.history import PartitionState
from feature_platform.parts.aggregations import Aggregation
from feature_platform.parts.aggregations.base import WindowedFeature
from feature_platform.verification.tracing.commits import ReadTables
from feature_platform.verification.tracing.dimensions import (
    enrich_and_note,
    has_notes,
    rows_seen,
    tables_without_a_row,
    without_notes,
)
from feature_platform.verification.tracing.making import are_alike, compare_with_source, try_to_make
from feature_platform.verification.tracing.question import ValueQuestion
from feature_platform.verification.tracing.traced import Reason, TracedValue, only_value, short_moment, show_value

_FIRST, _LAST = microsecond_of(ALWAYS), microsecond_of(NEVER)


@dataclass(frozen=True, eq=False)
class StoredRow:
    """The row of a table that an answer is read from.

    Attributes:
        state: that of its partition.
        is_newest: whether it is of the newest version of the table.
    """

    table: str
    row: pl.DataFrame
    state: PartitionState | None
    is_newest: bool


@dataclass(frozen=True, eq=False)
class WindowsOfKey:
    """The windows of a feature, or of those that it is derived from.

    Attributes:
        instant: at which they are asked.
    """

    question: ValueQuestion
    read: ReadTables
    instant: datetime

    @cached_property
    def needed_windows(self) -> Windowing:
        """Return what makes the feature, and nothing else."""
        return self.question.view.windows.only([self.question.feature])

    @cached_property
    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return the start and end of the window of each feature, in microseconds: `[start, end)`."""
        at = np.array([microsecond_of(self.instant)], dtype=np.int64)
        found = {}
        for aggregation in self.needed_windows.aggregations:
            for each in aggregation.windowed_features():
                start, end = bounds_of(each.window, at)
                found[each.name] = (max(int(start[0]), _FIRST), min(int(end[0]), _LAST))
        return found

    @cached_property
    def events(self) -> pl.DataFrame:
        """Return the events of the key in the widest window, known or not, with notes of what enriches them if kept."""
        view = self.read.view
        plain = self._make_events(self.read.enrich(self._source_rows))
        if not view.enrichments:
            return plain
        made = try_to_make(partial(self._make_events, enrich_and_note(self.read, self._source_rows)))
        noted = made.value  # none where a function refuses columns that it does not know
        if noted is None or not has_notes(view, noted) or not without_notes(noted).equals(plain):
            return plain
        return noted

    @cached_property
    def _source_rows(self) -> pl.LazyFrame:
        return self.read.read_between(*map(moment_of, self._reach()))

    def _make_events(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Return the events of the key in the widest window, from rows of the source that are enriched."""
        made, time = feature_rows(self.read.view, rows), pl.col(str(self.read.view.source.event_time))
        low, high = (pl.lit(moment_of(each), UTC) for each in self._reach())
        return made.filter(self.question.is_own(made.collect_schema()), time >= low, time < high).collect()

    @cached_property
    def values(self) -> pl.DataFrame:
        """Return the features of the windows, one row."""
        view = self.read.view
        spine = pl.DataFrame([*self.question.key_row, pl.Series(MOMENT, [self.instant], UTC)])
        return window_features(
            spine,
            without_notes(self.events),
            on=view.join_keys,
            spine_time=MOMENT,
            event_time=str(view.source.event_time),
            known_at=view.event_known_at,
            known_until=view.event_known_until,
            aggregations=self.needed_windows.aggregations,
            derived=self.needed_windows.derived,
            owner=self.question.owner,
        ).collect()

    def trace(self, feature: str, answer: TracedValue, stored: StoredRow | None) -> TracedValue:
        """Return an answer with the value of a feature, and what it is made from.

        Args:
            answer: what is known so far; one that is expired stays so.
            stored: the row of the table; None where the value is made when it is asked for.
        """
        again = only_value(self.values[feature])
        value = again if stored is None else only_value(stored.row[feature])
        steps = list(answer.steps)
        if feature in self.needed_windows.derived:
            found, more = self._trace_derived(feature, answer, stored)
        else:
            found, more = self._trace_window(feature, answer)
        steps += more
        agrees = None
        if stored is not None:
            agrees = are_alike(value, again)
            told = show_value(value), show_value(again)
            steps.append(compare_with_source(stored.table, self.read.view, stored.state, *told, agrees=agrees))
            if stored.is_newest and feature == self.question.feature:
                low, high = self._reach()
                steps += self.read.describe_newer(moment_of(low), moment_of(max(low, high - 1)))
        is_expired = answer.reason is Reason.EXPIRED
        reason = answer.reason if is_expired else Reason.PRESENT if value is not None else found.reason
        return replace(
            found,
            feature=f"{self.question.view.name}.{feature}",
            value=None if is_expired else value,
            reason=reason,
            steps=tuple(steps),
            stored=value if stored is not None else None,
            again=again,
            agrees=agrees,
        )

    def _reach(self) -> tuple[int, int]:
        """Return the start and end of all windows, in microseconds."""
        return min(start for start, _ in self.bounds.values()), max(end for _, end in self.bounds.values())

    def _trace_derived(
        self, feature: str, answer: TracedValue, stored: StoredRow | None
    ) -> tuple[TracedValue, list[tuple[str, str]]]:
        names = list(dict.fromkeys(self.needed_windows.derived[feature].meta.root_names()))
        inputs = tuple(self.trace(name, replace(answer, steps=()), stored) for name in names)
        lacking = [each.reason for each in inputs if each.value is None]
        found = replace(answer, inputs=inputs, reason=lacking[0] if lacking else Reason.NULL_IN_ROW)
        return found, [("derived", f"of {', '.join(names)} of the same row")]

    def _trace_window(self, feature: str, answer: TracedValue) -> tuple[TracedValue, list[tuple[str, str]]]:
        aggregation, windowed = self._aggregation_of(feature)
        start, end = self.bounds[feature]
        inside, known, counted = self._choose_events(self.events, aggregation, windowed)
        begin = "the first event" if start == _FIRST else short_moment(moment_of(start))
        steps = [("window", f"[{begin}, {short_moment(moment_of(end))}) of {aggregation!r}")]
        steps.append(("events", f"{counted.height} of {self.read.source_name}{self._aside(inside, known, counted)}"))
        steps += self._describe_values(aggregation, counted)
        reason = Reason.EMPTY_WINDOW if counted.is_empty() else Reason.NULL_IN_ROW
        seen: Mapping[str, pl.DataFrame] = {}
        if self.read.view.enrichments:
            noted = (
                counted if has_notes(self.read.view, counted) else self._noted_sources(aggregation, windowed, counted)
            )
            seen, lacking, more = self._dimensions_of(aggregation.column, counted, noted)
            steps += more
            reason = Reason.NO_DIMENSION_ROW if lacking and counted.height else reason
        rows = without_notes(counted).sort(str(self.read.view.source.event_time), maintain_order=True)
        return replace(answer, reason=reason, rows=rows, dimensions=seen), steps

    def _choose_events(
        self, events: pl.DataFrame, aggregation: Aggregation, windowed: WindowedFeature
    ) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Return the events in the window of a feature, those that were known, and those that count besides."""
        start, end = (pl.lit(moment_of(each), UTC) for each in self.bounds[windowed.name])
        time = pl.col(str(self.read.view.source.event_time))
        inside = events.filter(time >= start, time < end)
        known, condition = self._keep_known(inside), aggregation.condition_of(windowed.category)
        return inside, known, known if condition is None else known.filter(condition.fill_null(value=False))

    def _noted_sources(
        self, aggregation: Aggregation, windowed: WindowedFeature, counted: pl.DataFrame
    ) -> pl.DataFrame | None:
        """Return rows of the source that alone make the events that count, with notes; None where none are found.

        They are the rows of these times, of the key where the source has a column of that name: it is tried whether the
        function makes the same events of them.
        """
        view, time = self.read.view, str(self.read.view.source.event_time)
        rows = self._source_rows.filter(pl.col(time).is_in(counted[time].unique().implode()))
        schema = rows.collect_schema()
        own = set(view.join_keys) <= set(schema)

        def find() -> pl.DataFrame | None:
            few = (rows.filter(self.question.is_own(schema)) if own else rows).collect().lazy()
            events = self._make_events(self.read.enrich(few))
            same = self._choose_events(events, aggregation, windowed)[2].equals(counted)
            return self._keep_known(enrich_and_note(self.read, few).collect()) if same else None

        return try_to_make(find).value

    def _aggregation_of(self, feature: str) -> tuple[Aggregation, WindowedFeature]:
        return next(
            (aggregation, each)
            for aggregation in self.needed_windows.aggregations
            for each in aggregation.windowed_features()
            if each.name == feature
        )

    def _keep_known(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the events, and the version of each, that were known at the instant."""
        at, known_at, until = pl.lit(self.instant, UTC), self.read.view.event_known_at, self.read.view.event_known_until
        known = events if known_at is None else events.filter(pl.col(known_at) <= at)
        return known if until is None else known.filter(pl.col(until).is_null() | (pl.col(until) > at))

    def _aside(self, inside: pl.DataFrame, known: pl.DataFrame, counted: pl.DataFrame) -> str:
        known_at = self.read.view.event_known_at
        late = 0 if known_at is None else inside.filter(pl.col(known_at) > pl.lit(self.instant, UTC)).height
        parts = [f"; not counted there: {known.height - counted.height}"] if known.height > counted.height else []
        parts += [f"; known only later: {late}"] if late else []
        return "".join(parts)

    def _describe_values(self, aggregation: Aggregation, counted: pl.DataFrame) -> list[tuple[str, str]]:
        column = aggregation.column
        if column is None or column not in counted.columns or counted.is_empty():
            return []
        values = counted[column]
        text = f"`{column}`: {values.n_unique()} different"
        return [("values", f"{text}, {values.null_count()} null" if values.null_count() else text)]

    def _dimensions_of(
        self, column: str | None, counted: pl.DataFrame, noted: pl.DataFrame | None
    ) -> tuple[Mapping[str, pl.DataFrame], Sequence[str], list[tuple[str, str]]]:
        """Return the rows of other tables that events see, the tables that have none, and both as steps."""
        view = self.read.view
        if noted is None:
            names = ", ".join(self.read.dimensions)
            return {}, (), [("dimension", f"the view's function leaves out which rows of {names} the events see")]
        seen, lacking = rows_seen(view, noted), list[str]()
        if column is not None and column in counted.columns and counted[column].null_count() == counted.height:
            lacking = tables_without_a_row(self.read, noted, column)
        steps = [
            ("dimension", f"{rows.height} row(s) of {table}@{self.read.versions[table]} seen by these events")
            for table, rows in seen.items()
        ]
        return seen, lacking, [*steps, *(("dimension", f"{table} had no row for any of them") for table in lacking)]

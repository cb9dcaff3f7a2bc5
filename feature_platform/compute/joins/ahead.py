"""The join of a label over windows: what its windows after each moment hold, and null until that is final."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from feature_platform.compute.joins.base import Join
from feature_platform.compute.joins.exact import ComputedColumns, WindowWords, are_many, compute_windows
from feature_platform.compute.joins.finality import NOT_COVERED, Coverage, Finality
from feature_platform.compute.joins.pieces import Table, pieces_between, rows_of_table
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.join_keys import refuse_collisions, shared_types
from feature_platform.compute.transforms.rows import outcome_rows
from feature_platform.declarations.ahead import HAPPENED, LookAhead, columns_of
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import UTC, moment_of, rfc3339
from feature_platform.ground.working_columns import COVERED, MOMENT
from feature_platform.parts.aggregations import Aggregation, TimeTo
from feature_platform.parts.aggregations.windows import Ahead

_MICROSECONDS = 1_000_000  # of a second


@dataclass(frozen=True)
class LabelColumn:
    """One column of a label over windows.

    Attributes:
        feature: the feature of the windows that it is made of.
        end: how long after the moment the window ends, in microseconds.
    """

    name: str
    feature: str
    aggregation: Aggregation
    end: int


@dataclass(frozen=True)
class AheadJoin(Join):
    """The windows of a label after each moment; the table holds the rows of its source."""

    label: Label
    finality: Finality

    @cached_property
    def columns(self) -> Mapping[str, LabelColumn]:
        """Return its columns by name."""
        return label_columns(self.label)

    @property
    def method(self) -> str:
        last = self.finality.coverage.covered_to
        until = "nothing yet" if last is None else f"up to {rfc3339(moment_of(last))}"
        return f"windows after the moment, from events; the data covers {until}"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        clocks = (self.label.event_time, self.label.known_at)
        return [pl.col(name) for name in dict.fromkeys(clocks) if name]

    @property
    def asks_by_rows(self) -> bool:
        return True

    def reads(self, names: Sequence[str]) -> Sequence[str]:
        clocks = (name for each in self.clocks for name in each.meta.root_names())
        inputs = (name for each in self._aggregations(names) for name in each.reads)
        return list(dict.fromkeys([*self.label.join_keys, *clocks, *inputs]))

    def reach(self, first: int, last: int) -> Table:
        if not self.label.partitioned:  # its function may look at all rows
            return self.table
        return pieces_between(self.table, first + self.finality.start, last + max(self.finality.ends.values()))

    def method_for(self, reached: Table, names: Sequence[str]) -> str:
        return f"{self.method}, in buckets of keys on disk" if are_many(reached, self.reads(names)) else self.method

    def answer(self, spine: SpineRows, names: Sequence[str]) -> ComputedColumns:
        span = spine.span()
        table = self.reach(*span) if span else self.table[:1]
        moments, covered = pl.Series(MOMENT, spine.moments), self.finality.ends_of_data(spine)
        if spine.timed is not None:
            moments = moments.set(pl.Series(~spine.timed), None)
        asked = spine.rows.select(self.label.join_keys).with_columns(moments.cast(UTC), pl.Series(COVERED, covered))
        return self.compute(asked.lazy(), rows_of_table(table), names, on_disk=are_many(table, self.reads(names)))

    def _aggregations(self, names: Sequence[str]) -> list[Aggregation]:
        """Return the aggregations that some columns are made of."""
        wanted = {self.columns[name].feature for name in names}
        return [each for each in self.label.aggregations if wanted.intersection(each.features)]

    def compute(
        self, asked: pl.LazyFrame, rows: pl.LazyFrame, names: Sequence[str], *, on_disk: bool
    ) -> ComputedColumns:
        """Return some columns for rows of keys and moments, from rows of the label's source."""
        label, last = self.label, self.finality.coverage.covered_to
        events = outcome_rows(label, rows)
        if label.known_at is not None and last is not None:
            events = events.filter(pl.col(label.known_at) <= pl.lit(moment_of(last), UTC))
        arguments: WindowWords = {
            "on": label.join_keys,
            "spine_time": MOMENT,
            "event_time": label.event_time,
            "known_at": label.known_at,
            "known_until": None,
            "aggregations": self._aggregations(names),
            "derived": {},
            "owner": f"Label `{label.name}`",
        }
        return compute_windows(asked, events, arguments, [self._value(name) for name in names], on_disk=on_disk)

    def _value(self, name: str) -> pl.Expr:
        """Return a column from its feature: null until it is final, or until some of its window was watched."""
        column, late = self.columns[name], self.finality.lateness
        moment, covered = pl.col(MOMENT).to_physical(), pl.col(COVERED)
        final = moment + (column.end + late) <= covered
        if not isinstance(column.aggregation, TimeTo):
            return pl.when(final).then(column.feature).alias(name)
        shown = final
        if name in self.finality.watched:
            last = self.finality.coverage.covered_to
            newest = covered == (NOT_COVERED if last is None else last)
            shown = final | (newest & (moment + (self.finality.start + late) < covered))
        watched = (pl.when(final).then(column.end).otherwise(covered - late - moment)) / _MICROSECONDS
        happened = (pl.col(column.feature) < watched).fill_null(value=False)
        value = happened if name.endswith(HAPPENED) else pl.when(happened).then(column.feature).otherwise(watched)
        return pl.when(shown).then(value).alias(name)


def ahead_join(
    spine: pl.Schema, table: Table, label: Label, coverage: Coverage, *, watch: bool, name: str, owner: str
) -> AheadJoin:
    """Return the join of a spine with a label over windows, checked.

    Args:
        table: the rows of the label's source.
        watch: whether times to an event that are not final are those that were watched so far.

    Raises:
        TransformFailed, MissingColumns, WrongColumnType, ColumnCollision: the label does not fit its source
            or the spine.
    """
    rows = outcome_rows(label, table[0].rows).collect_schema()
    types = shared_types(spine, rows, label.join_keys, owner)
    columns, ahead = label_columns(label), _look_ahead(label)
    refuse_collisions(spine, list(columns), owner)
    watched = frozenset(name for name, each in columns.items() if watch and isinstance(each.aggregation, TimeTo))
    ends = {name: each.end for name, each in columns.items()}
    finality = Finality(label.name, types, coverage, ahead.start, ends, ahead.lateness, watched)
    unchecked = AheadJoin(name, table, types, {}, label, finality)
    no_rows = pl.LazyFrame(schema={key: spine[key] for key in label.join_keys} | {MOMENT: UTC, COVERED: pl.Int64})
    nothing = unchecked.compute(no_rows, table[0].rows.clear(), list(columns), on_disk=False)
    return AheadJoin(name, table, types, dict(nothing.columns.collect_schema()), label, finality)


def label_columns(label: Label) -> dict[str, LabelColumn]:
    """Return the columns of a label over windows, in the order declared."""
    return {
        name: LabelColumn(name, each.name, aggregation, each.window.end)
        for aggregation in label.aggregations
        for each in aggregation.windowed_features()
        if isinstance(each.window, Ahead)
        for name in columns_of(aggregation, each.name)
    }


def _look_ahead(label: Label) -> LookAhead:
    return label.look_ahead or LookAhead()

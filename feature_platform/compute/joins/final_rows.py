"""The join of a row label that says when it is final: the first row within the horizon, or what is so without one.

Of the rows those count that were known when the horizon and the lateness had passed. Until then all is null: that there
is no row yet does not say that none will come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from feature_platform.compute.joins.base import FindingJoin, FoundRows, Join, JoinAnswer, no_places
from feature_platform.compute.joins.finality import Coverage, Finality
from feature_platform.compute.joins.pieces import Table, pieces_between
from feature_platform.compute.joins.point_in_time import row_join
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.join_keys import has_whole_key, key_names, key_parts
from feature_platform.compute.windows.asked import AskedWindows
from feature_platform.compute.windows.timeline import NO_KEY, timeline
from feature_platform.compute.windows.window_values import WindowQuery, window_values
from feature_platform.declarations.label import Label
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform.ground.working_columns import KNOWN_TICKS, RUN_PLACE, TICKS, WHEN_FOUND
from feature_platform.parts.aggregations import First
from feature_platform.parts.aggregations.windows import Ahead


@dataclass(frozen=True)
class FinalRows(Join):
    """The values of the rows that `found` finds, null until the label is final.

    Attributes:
        found: the join that finds the row; it adds `WHEN_FOUND`, too.
        otherwise: the values without a row, by column.
    """

    found: FindingJoin
    finality: Finality
    otherwise: Mapping[str, object]

    @property
    def method(self) -> str:
        return f"{self.found.method}, final once the horizon has passed"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        return self.found.clocks

    @property
    def asks_by_rows(self) -> bool:
        return True

    def reads(self, names: Sequence[str]) -> Sequence[str]:
        return self.found.reads(names)

    def reach(self, first: int, last: int) -> Table:
        return self.found.reach(first, last)

    def answer(self, spine: SpineRows, names: Sequence[str]) -> "FinalValues":
        answer = self.found.answer(spine, [*names, WHEN_FOUND])
        covered = self.finality.ends_of_data(spine)
        final = self.finality.is_final(spine.moments, covered, next(iter(self.finality.ends)))
        return FinalValues(answer, pl.Series(final), self.otherwise)


@dataclass(frozen=True)
class FinalValues(JoinAnswer):
    """The values of rows, where they are final."""

    found: JoinAnswer
    final: pl.Series
    otherwise: Mapping[str, object]

    def values(self, names: Sequence[str]) -> pl.DataFrame:
        rows = self.found.values([*names, WHEN_FOUND])
        is_there = pl.col(WHEN_FOUND).is_not_null()
        values = [
            pl.when(is_there).then(name).otherwise(pl.lit(self.otherwise[name], rows.schema[name])).alias(name)
            if name in self.otherwise
            else pl.col(name)
            for name in names
        ]
        return rows.select(pl.when(self.final).then(value) for value in values)


@dataclass(frozen=True)
class FirstKnownRow(FindingJoin):
    """The first row from each moment on, among those known in time for that moment.

    Of rows of one time the newest known wins, then the last. Windows that look ahead find them.

    Attributes:
        event, known: the clocks in microseconds.
        window: in which it may lie, and by when it must be known.
    """

    event: pl.Expr = field(kw_only=True)
    known: pl.Expr = field(kw_only=True)
    window: Ahead = field(kw_only=True)

    @property
    def method(self) -> str:
        return "first row from the moment on that was known in time"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        return [self.event.alias(TICKS), self.known.alias(KNOWN_TICKS)]

    def reach(self, first: int, last: int) -> Table:
        return pieces_between(self.table, first + self.window.start, last + self.window.end)

    @property
    def asks_by_rows(self) -> bool:
        return True

    def answer(self, spine: SpineRows, names: Sequence[str]) -> FoundRows:
        span = spine.span()
        table = self.reach(*span) if span else self.table[:1]
        frames = list(self.narrow(table))
        heights = [frame.height for frame in frames]
        rows = pl.concat(frames).with_row_index(RUN_PLACE)
        ticks = rows[TICKS]
        first = self._first_places(rows, spine)
        places = no_places(table, spine.height)
        places[:] = first.fill_null(-1).to_numpy()
        events = ticks.gather(first).fill_null(0).to_numpy() if self.event_time_as else np.zeros(0, dtype=np.int64)
        return self.answer_at(table, heights, places, events)

    def _first_places(self, rows: pl.DataFrame, spine: SpineRows) -> pl.Series:
        """Return the place of the first row of each moment; null where there is none."""
        names = key_names(list(self.types))
        newest_first = rows.sort(TICKS, KNOWN_TICKS, RUN_PLACE, descending=[False, True, True])
        clocks = [pl.col(name).cast(UTC).alias(f"{name}_at") for name in (TICKS, KNOWN_TICKS)]
        events = newest_first.select(*names, *clocks, pl.col(RUN_PLACE).cast(pl.Int64))
        asking = spine.rows.select(key_parts(self.types))
        types = dict(asking.schema)
        owner = f"The label in `{self.name}`"
        line = timeline(
            events,
            types,
            event_time=f"{TICKS}_at",
            known_at=f"{KNOWN_TICKS}_at",
            inputs=[RUN_PLACE],
            owner=owner,
        )
        whole = asking.select(has_whole_key(types)).to_series().to_numpy()
        if spine.timed is not None:
            whole = whole & spine.timed
        codes = np.where(whole, line.codes_of(asking, types), NO_KEY)
        first = First(RUN_PLACE, windows=["1d"])
        asked = AskedWindows.of([first])
        windows = replace(asked, features=tuple(replace(each, window=self.window) for each in asked.features))
        moments = np.where(whole, spine.moments, 0)
        return window_values(WindowQuery(line, codes, moments, owner, names), windows).to_series()


def final_rows(
    spine: pl.Schema, table: Table, label: Label, coverage: Coverage, horizon: int, *, name: str, owner: str
) -> FinalRows:
    """Return the join of a spine with a row label that says when it is final, checked.

    Args:
        table: the rows of the label.
        horizon: how long after its moment the first row may be, in microseconds; exactly that is still in time.

    Raises:
        MissingColumns, NotUtc, WrongColumnType, ColumnCollision: as `row_join`.
        UnknownName, InvalidDeclaration: `otherwise` names no column of the label, or not a value of it.
    """
    ahead = label.look_ahead
    lateness, otherwise = (0, {}) if ahead is None else (ahead.lateness, ahead.otherwise)
    row = row_join(
        spine,
        table,
        on=label.join_keys,
        event_time=label.event_time,
        known_at=label.known_at,
        limit=horizon,
        event_time_as=WHEN_FOUND,
        forward=True,
        name=name,
        owner=owner,
    )
    found: FindingJoin = row
    if row.known is not None:
        found = FirstKnownRow(
            name,
            table,
            row.types,
            row.added,
            row.columns,
            event_time_as=WHEN_FOUND,
            event=row.event,
            known=row.known,
            window=Ahead(0, horizon + 1, lateness),
        )
    added = {column: dtype for column, dtype in found.added.items() if column != WHEN_FOUND}
    _check_otherwise(owner, otherwise, added)
    end = horizon + 1  # the window is closed: it ends a microsecond after the last row that can be in it
    finality = Finality(label.name, found.types, coverage, 0, dict.fromkeys(added, end), lateness)
    return FinalRows(name, table, found.types, added, found, finality, otherwise)


def _check_otherwise(owner: str, otherwise: Mapping[str, object], added: Mapping[str, pl.DataType]) -> None:
    for column, value in otherwise.items():
        if column not in added:
            raise UnknownName(f"{owner}, otherwise,", "column", column, added)
        try:
            same = value is not None and pl.Series([value], dtype=added[column], strict=True).to_list() == [value]
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            same = False
        if not same:
            raise InvalidDeclaration(
                f"{owner}, otherwise,", f"has {value!r} for `{column}`, which is {added[column]}", "Give such a value."
            )

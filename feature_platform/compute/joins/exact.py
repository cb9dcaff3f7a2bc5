"""The exact join: the windows of a view at each spine row's own moment, from the events themselves."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict
from weakref import finalize

import polars as pl

from feature_platform.compute.joins.base import Join, JoinAnswer
from feature_platform.compute.joins.pieces import Table, pieces_between, rows_of_table
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.join_keys import refuse_collisions, shared_types
from feature_platform.compute.keys.widths import row_width
from feature_platform.compute.transforms.rows import as_events, feature_rows
from feature_platform.compute.windows import window_features
from feature_platform.compute.windows.bucketed import bucketed_windows
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.ground.memory import working_memory
from feature_platform.ground.working_columns import MOMENT
from feature_platform.parts.aggregations import Aggregation


@dataclass(frozen=True)
class ComputedColumns(JoinAnswer):
    """Columns that are computed already: in memory, or in files of a folder that goes when the answer does."""

    columns: pl.LazyFrame

    def values(self, names: Sequence[str]) -> pl.DataFrame:
        return self.columns.select(names).collect()


@dataclass(frozen=True)
class ExactJoin(Join):
    """The windows of a view that end at each moment.

    Attributes:
        view: a windowed view; the table holds the rows of its source.
        features: the names of the columns, and of the view's features.
    """

    view: FeatureView
    features: Mapping[str, str]

    @property
    def method(self) -> str:
        return "windows that end at the moment, from events"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        return [pl.col(name) for name in self.view.event_clocks]

    def reads(self, names: Sequence[str]) -> Sequence[str]:
        wanted = {self.features[name] for name in names}
        aggregations = self.view.windows.only(wanted).aggregations
        clocks = (name for each in self.clocks for name in each.meta.root_names())
        keys = self.view.own_keys.values()
        return list(dict.fromkeys([*keys, *clocks, *(name for each in aggregations for name in each.reads)]))

    @property
    def asks_by_rows(self) -> bool:
        return True

    def reach(self, first: int, last: int) -> Table:
        return pieces_between(self.table, first - self.view.reach_us, last)

    def answer(self, spine: SpineRows, names: Sequence[str]) -> ComputedColumns:
        span = spine.span()
        table = self.reach(*span) if span else self.table[:1]
        events = feature_rows(self.view.original, as_events(self.view.source, rows_of_table(table)))
        keys = (pl.col(column).alias(key) for column, key in self.view.own_keys.items())
        asked = spine.rows.select(*keys, spine.time).lazy()
        columns = [pl.col(self.features[name]).alias(name) for name in names]
        arguments = _window_arguments(self.view, spine.time, [self.features[name] for name in names])
        return compute_windows(asked, events, arguments, columns, on_disk=self.is_large(table, names))

    def method_for(self, reached: Table, names: Sequence[str]) -> str:
        return f"{self.method}, in buckets of keys on disk" if self.is_large(reached, names) else self.method

    def is_large(self, table: Table, names: Sequence[str]) -> bool:
        """Tell whether the events are more than should be held at once, and can be cut into buckets of keys."""
        return bool(self.view.join_keys) and are_many(table, self.reads(names))


def are_many(table: Table, columns: Sequence[str]) -> bool:
    """Tell whether some columns of the events are more than should be held at once."""
    heights = [piece.height for piece in table]
    if None in heights:
        return False
    if not table:  # no row is asked for, so no piece of the table is reached
        return False
    schema = table[0].rows.collect_schema()
    read = pl.Schema({name: schema[name] for name in columns if name in schema})
    return row_width(read) * sum(height or 0 for height in heights) > working_memory()


def compute_windows(
    asked: pl.LazyFrame, events: pl.LazyFrame, arguments: "WindowWords", columns: Sequence[pl.Expr], *, on_disk: bool
) -> ComputedColumns:
    """Return columns made of `asked` with its windows; on disk they are computed in buckets of keys."""
    if not on_disk:
        return ComputedColumns(window_features(asked, events, **arguments).select(columns))
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="feature_platform-windows-"))
        scan = bucketed_windows(asked, events, **arguments, folder=Path(folder, "answer"))
        answer = ComputedColumns(scan.select(columns))
        finalize(answer, stack.pop_all().close)
    return answer


def exact_join(
    spine: pl.Schema, table: Table, view: FeatureView, features: Mapping[str, str], *, name: str, owner: str
) -> ExactJoin:
    """Return the join of a spine with the windows of a view, checked.

    Raises:
        TransformFailed, MissingColumns, WrongColumnType, ColumnCollision: the view does not fit its source
            or the spine.
    """
    rows = feature_rows(view.original, as_events(view.source, table[0].rows)).collect_schema()
    types = shared_types(spine, rows, view.join_keys, owner, view.own_keys)
    refuse_collisions(spine, list(features), owner)
    no_rows = pl.LazyFrame(schema={key: spine[column] for column, key in view.own_keys.items()} | {MOMENT: UTC})
    features_of_none = window_features(
        no_rows, pl.LazyFrame(schema=rows), **_window_arguments(view, MOMENT, list(features.values()))
    )
    schema = features_of_none.collect_schema()
    added = {column: schema[feature] for column, feature in features.items()}
    return ExactJoin(name, table, types, added, view, features)


class WindowWords(TypedDict):
    """The arguments of `window_features` besides its frames."""

    on: Sequence[str]
    spine_time: str
    event_time: str
    known_at: str | None
    known_until: str | None
    aggregations: Sequence[Aggregation]
    derived: Mapping[str, pl.Expr]
    owner: str


def _window_arguments(view: FeatureView, time: str, wanted: Sequence[str]) -> WindowWords:
    windowing = view.windows.only(wanted)
    return {
        "on": tuple(view.own_keys.values()),
        "spine_time": time,
        "event_time": str(view.source.event_time),
        "known_at": view.event_known_at,
        "known_until": view.event_known_until,
        "aggregations": windowing.aggregations,
        "derived": windowing.derived,
        "owner": f"Feature view `{view.name}`",
    }

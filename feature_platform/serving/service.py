"""A service as it is served: from entities and a moment to the values, statuses and times of its features.

`compute/serving` decides what a value means. A view is compiled when its table is first read, and again when that
changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.compute.serving.answers import (
    AnswerColumns,
    FeaturePick,
    answer_columns_of,
    answer_rows_of,
    join_columns,
    join_rows,
    pick_features,
    write_rows_of_one,
)
from feature_platform.compute.serving.keys import encode_keys
from feature_platform.compute.serving.served_rows import ServedRows, find_rows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.view import FeatureSelection, FeatureView, view_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import MissingColumns, UnknownName
from feature_platform.online.base import Reader
from feature_platform.serving.gaps import GapSource, filled_columns
from feature_platform.serving.on_demand import OnDemand, computed_types
from feature_platform.serving.windows import ExactWindows

Entities = Mapping[str, Sequence[object]]
"""The values of each join key and request field, one for each entity."""
_GLOBAL = b"k"


@dataclass(frozen=True)
class CompiledView:
    """One view, compiled for the table that it is served from.

    Attributes:
        picks: the features that are listed in the service.
        needs: what on-demand features read of it.
        types: of all its features.
        keyed: a text that is the same for views whose rows are found by the same columns of the same types.
        ttl: how old a row may be, in microseconds.
        windows: computes the windows of an exact view.
    """

    view: FeatureView
    table: ServedTable
    picks: FeaturePick
    needs: FeaturePick
    types: Mapping[str, pl.DataType]
    keyed: str
    ttl: int | None
    windows: ExactWindows | None


@dataclass(frozen=True)
class WorkBounds:
    """How much work one answer may be; any amount where it is None.

    Attributes:
        entries: bytes that are searched for the rows of a view.
        events: events that windows are computed from.
        at_once: the same where an answer must be quick: one that may be slow is not begun (`NotQuick`).
    """

    entries: int | None = None
    events: int | None = None
    at_once: int | None = None


class ServedService:
    """A feature service and the open online store that it is answered from.

    Attributes:
        views: those with listed features, in order: an answer has an event time and an age for each of them.
        join_keys: the join keys that it needs, each once, in order.
        bounds: how much work one answer may be.
        watch: called with the rows that an answer is made from; such as to count them.
        saw_clipped: called with a request field and how many of its values were replaced by a bound.
    """

    def __init__(self, service: FeatureService, reader: Reader) -> None:
        self.service = service
        self.reader = reader
        self._selections = [selection_of(each) for each in service.selections]
        listed = [each for each in self._selections if not isinstance(each, OnDemandSelection)]
        self.views = tuple(dict.fromkeys(view_of(each) for each in listed))
        self._plain = len(listed) == len(self._selections) == len(self.views) and not service.impute
        self.join_keys = tuple(dict.fromkeys(key for view in service.views for key in view.join_keys))
        self.bounds = WorkBounds()
        self.watch: Callable[[Mapping[FeatureView, tuple[CompiledView, ServedRows]]], None] | None = None
        self.saw_clipped: Callable[[str, int], None] | None = None
        self._read = service.views
        self._compiled: dict[FeatureView, CompiledView] = {}
        self._types: tuple[Sequence[CompiledView], Mapping[str, pl.DataType]] | None = None
        self._on_demand: tuple[Sequence[CompiledView], Sequence[OnDemand]] = ((), ())

    def compiled_views(self) -> Sequence[CompiledView]:
        """Return each view with the table it is served from now.

        Raises:
            NotServed: a view was never published.
            UnknownName: a selected feature is not in its view.
        """
        return [self._current_view(view, self.reader.get(view.original.name, ())[0]) for view in self._read]

    def types(self) -> Mapping[str, pl.DataType]:
        """Return the features of an answer in order, and their types; raises as `compiled_views`."""
        self.compiled_views()
        return self.last_types

    @property
    def last_types(self) -> Mapping[str, pl.DataType]:
        """Return the features of the last answer in order, and their types; the same object while nothing changes."""
        compiled = list(self._compiled.values())
        if self._types is None or self._types[0] != compiled:
            self._types = (compiled, self._types_of(self._compiled))
        return self._types[1]

    def find_rows(
        self, entities: Entities, height: int, now: datetime
    ) -> Mapping[FeatureView, tuple[CompiledView, ServedRows]]:
        """Find the rows of the entities in each view.

        Raises:
            MissingColumns: a join key is not given.
            InvalidKey: a value cannot be a join key.
            NotServed, UnknownName: as `compiled_views`.
        """
        missing = [key for key in self.join_keys if key not in entities]
        if missing:
            raise MissingColumns(f"The request for `{self.service.name}`", missing, entities)
        keys: dict[str, Sequence[bytes | None]] = {}
        rows_of_views = {view: self._find_rows(view, entities, height, now, keys) for view in self._read}
        if self.watch is not None:
            self.watch(rows_of_views)
        return rows_of_views

    def keys(self, entities: Entities, height: int) -> Mapping[str, Sequence[bytes | None]]:
        """Return the keys that will be looked up in each table, as far as it is known; of exact views none.

        Raises:
            MissingColumns, InvalidKey: as `find_rows`.
        """
        known: dict[str, Sequence[bytes | None]] = {}
        compiled = [self._compiled[view] for view in self._read if view in self._compiled]
        keys: dict[str, Sequence[bytes | None]] = {}
        for each in compiled:
            if each.windows is None:
                name = each.view.original.name
                keys[name] = [*keys.get(name, ()), *_keys(each, entities, height, known)]
        return keys

    def rows(self, entities: Entities, height: int, now: datetime) -> bytes:
        """Return the answer as the inside of a JSON array, an object for each entity; see `answers.join_rows`.

        Raises:
            MissingRequestField, WrongColumnType, TransformFailed: a request field is missing or does not fit.
            MissingColumns, InvalidKey, NotServed, UnknownName: as `find_rows`.
        """
        rows_of_views = self.find_rows(entities, height, now)
        if self._plain and len(self.views) == 1:
            compiled, only = rows_of_views[self.views[0]]
            return write_rows_of_one(compiled.picks, only, now)
        rows = [answer_rows_of(rows_of_views[view][0].picks, rows_of_views[view][1], now) for view in self.views]
        if self._plain:
            return join_rows(rows)
        return join_columns(self._columns(entities, height, rows_of_views), rows, height)

    def columns(self, entities: Entities, height: int, now: datetime) -> AnswerColumns:
        """Return the answer by feature, in the order of the service; raises as `rows`."""
        return self._columns(entities, height, self.find_rows(entities, height, now))

    def _columns(
        self, entities: Entities, height: int, rows_of_views: Mapping[FeatureView, tuple[CompiledView, ServedRows]]
    ) -> AnswerColumns:
        columns = AnswerColumns.concat(
            [answer_columns_of(rows_of_views[view][0].picks, rows_of_views[view][1]) for view in self.views]
        )
        if self.service.on_demand:
            inputs = {
                view.name: answer_columns_of(compiled.needs, rows) for view, (compiled, rows) in rows_of_views.items()
            }
            prepared = self._on_demand_features([compiled for compiled, _ in rows_of_views.values()])
            clipped: dict[str, int] = {}  # by field: several views that read one replace the same values
            made = [each.columns(inputs, entities, height, clipped.__setitem__) for each in prepared]
            if self.saw_clipped is not None:
                for field, count in clipped.items():
                    self.saw_clipped(field, count)
            columns = AnswerColumns.concat([columns, *made])
        if not self._plain:
            columns = columns.in_order(self._names({view: compiled for view, (compiled, _) in rows_of_views.items()}))
        if self.service.impute:
            keys = {key: dtype for compiled, _ in rows_of_views.values() for key, dtype in compiled.table.keys.items()}
            columns = filled_columns(GapSource(self.service, self.reader, keys), columns, entities)
        return columns

    def _on_demand_features(self, compiled: Sequence[CompiledView]) -> Sequence[OnDemand]:
        """Return the on-demand features, prepared for the tables that their inputs are read from now."""
        if self._on_demand[0] != compiled:
            types = {each.view.name: each.types for each in compiled}
            self._on_demand = (compiled, [OnDemand(self.service, each, types) for each in self.service.on_demand])
        return self._on_demand[1]

    def _find_rows(
        self,
        view: FeatureView,
        entities: Entities,
        height: int,
        now: datetime,
        known: dict[str, Sequence[bytes | None]],
    ) -> tuple[CompiledView, ServedRows]:
        compiled = self._compiled.get(view) or self._current_view(view, self.reader.get(view.original.name, ())[0])
        while True:
            keys = _keys(compiled, entities, height, known)
            table, rows = self._find_once(compiled, keys, now)
            if table is compiled.table:
                return compiled, rows
            compiled = self._current_view(view, table)

    def _find_once(
        self, compiled: CompiledView, keys: Sequence[bytes | None], now: datetime
    ) -> tuple[ServedTable, ServedRows]:
        """Find the rows of some keys in a view; a key that is there several times is looked up once."""
        places = _places(keys) if len(keys) > 1 else None
        asked = keys if places is None else list(places)
        if compiled.windows is not None:
            first = None if places is None else [keys.index(key) for key in asked]
            bounds = self.bounds
            table, rows = compiled.windows.find_windows(
                asked, self.reader, now, most=bounds.events, at_once=bounds.at_once, rows=first
            )
        else:
            table, entries = self.reader.get(compiled.view.original.name, asked)
            rows = find_rows(table, entries, asked, now=now, ttl=compiled.ttl, most=self.bounds.entries)
        if places is None or table is not compiled.table:
            return table, rows
        return table, rows.at([places[key] for key in keys])

    def _current_view(self, view: FeatureView, table: ServedTable) -> CompiledView:
        compiled = self._compiled.get(view)
        if compiled is None or compiled.table is not table:
            compiled = self._compile(view, table)
            self._compiled[view] = compiled
        return compiled

    def _compile(self, view: FeatureView, table: ServedTable) -> CompiledView:
        windows = ExactWindows(view, table) if table.kind is ViewKind.EXACT else None
        types = dict(table.features) if windows is None else windows.types
        wanted = [
            (name, self.service.column(each, name))
            for each in self._selections
            if not isinstance(each, OnDemandSelection) and view_of(each) is view
            for name in (each.features if isinstance(each, FeatureSelection) else types)
        ]
        needed = [name for name in self.service.needs.get(view, ()) if name != "event_time"]
        for name in (*(name for name, _ in wanted), *needed):
            if name not in types:
                raise UnknownName(f"Feature view `{view.name}`", "feature", name, types)
        timeless = view.event_time is None
        return CompiledView(
            view,
            table,
            pick_features(
                view.name, [name for name, _ in wanted], types, [name for _, name in wanted], timeless=timeless
            ),
            pick_features(
                view.name,
                needed,
                types,
                [f"{view.name}.{name}" for name in needed],
                timeless=timeless,
                as_stored=True,
            ),
            types,
            f"{dict(table.keys)}{dict(view.spine_keys)}",
            view.ttl_us,
            windows,
        )

    def _names(self, compiled: Mapping[FeatureView, CompiledView]) -> Sequence[str]:
        """Return the features of the answer in the order of the service, without flags."""
        names: list[str] = []
        for each in self._selections:
            if isinstance(each, FeatureView):
                features: Sequence[str] = list(compiled[each].types)
            else:
                features = each.features
            names.extend(self.service.column(each, name) for name in features)
        return names

    def _types_of(self, compiled: Mapping[FeatureView, CompiledView]) -> Mapping[str, pl.DataType]:
        types: dict[str, pl.DataType] = {}
        for each in self._selections:
            if isinstance(each, OnDemandSelection):
                own = computed_types(each, {view.name: each_view.types for view, each_view in compiled.items()})
                features: Sequence[str] = each.features
            else:
                own = compiled[view_of(each)].types
                features = each.features if isinstance(each, FeatureSelection) else list(own)
            types |= {self.service.column(each, name): own[name] for name in features}
        filled = {name: rule.filled(types[name]) for name, rule in self.service.impute.items()}
        flags = {f"{name}_was_missing": pl.Boolean() for name, rule in self.service.impute.items() if rule.flag}
        return {**types, **filled, **flags}


def _places(keys: Sequence[bytes | None]) -> Mapping[bytes | None, int] | None:
    """Map each key to its place among the different keys; None where all differ."""
    differing = dict.fromkeys(keys)
    return None if len(differing) == len(keys) else {key: place for place, key in enumerate(differing)}


def _keys(
    compiled: CompiledView, entities: Entities, height: int, known: dict[str, Sequence[bytes | None]]
) -> Sequence[bytes | None]:
    """Return the keys of a view; views with the same join keys share them."""
    types = compiled.table.keys
    if not types:
        return [_GLOBAL] * height
    if compiled.keyed not in known:
        columns = [compiled.view.spine_keys.get(key, key) for key in types]
        if missing := [name for name in columns if name not in entities]:  # declared otherwise than it was published
            raise MissingColumns(
                f"The request for feature view `{compiled.view.name}` as it is published", missing, entities
            )
        known[compiled.keyed] = encode_keys(types, [entities[name] for name in columns])
    return known[compiled.keyed]

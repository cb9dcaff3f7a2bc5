"""A service as it is served: from entities and a moment to the values, statuses and times of its features.

What a value means is decided below, in `compute/served`. What this knows of a view is compiled when the view's table
is first seen, and again when that changes.
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
from feature_platform.ground.errors import MissingColumns, UnknownName
from feature_platform.online.base import Reader
from feature_platform.serving.gaps import Filled, filled_columns
from feature_platform.serving.on_demand import OnDemand, computed_types
from feature_platform.serving.windows import ExactWindows

Entities = Mapping[str, Sequence[object]]
"""The values of each join key and request field, one for each entity."""
_GLOBAL = b"k"


@dataclass(frozen=True)
class Held:
    """One view, compiled for the table that it is served from.

    Attributes:
        picks: the features that are listed in the service.
        needs: what on-demand features read of it.
        types: of all its features.
        keyed: what tells its join keys from those of other views.
        ttl: how old a row may be, in microseconds.
        windows: what computes those of an exact view.
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
class Bounds:
    """How much work one answer may be; any amount where it is not said.

    Attributes:
        entries: bytes that are looked through to find the rows of a view.
        events: that windows are computed from.
        at_once: the same where an answer must not take long: what may is not begun (`NotQuick`).
    """

    entries: int | None = None
    events: int | None = None
    at_once: int | None = None


class Served:
    """A feature service and the open online store that it is answered from.

    Attributes:
        views: those with listed features, in order: event times and ages are told for each of them.
        join_keys: those that it needs, each once, in order.
        bounds: how much work one answer may be.
        watch: told what an answer is made from; such as to count what was found.
        saw_clipped: told a request field and how many of its values were replaced by a bound.
    """

    def __init__(self, service: FeatureService, reader: Reader) -> None:
        self.service = service
        self.reader = reader
        self._selections = [selection_of(each) for each in service.selections]
        listed = [each for each in self._selections if not isinstance(each, OnDemandSelection)]
        self.views = tuple(dict.fromkeys(view_of(each) for each in listed))
        self._plain = len(listed) == len(self._selections) == len(self.views) and not service.impute
        self.join_keys = tuple(dict.fromkeys(key for view in service.views for key in view.join_keys))
        self.bounds = Bounds()
        self.watch: Callable[[Mapping[FeatureView, tuple[Held, ServedRows]]], None] | None = None
        self.saw_clipped: Callable[[str, int], None] | None = None
        self._read = service.views
        self._held: dict[FeatureView, Held] = {}
        self._types: tuple[Sequence[Held], Mapping[str, pl.DataType]] | None = None
        self._on_demand: tuple[Sequence[Held], Sequence[OnDemand]] = ((), ())

    def held(self) -> Sequence[Held]:
        """Each view with the table it is served from now.

        Raises:
            NotServed: a view was never published.
            UnknownName: a selected feature is not in its view.
        """
        return [self._compiled(view, self.reader.get(view.name, ())[0]) for view in self._read]

    def types(self) -> Mapping[str, pl.DataType]:
        """The features of an answer in order, and their types; raises as `held`."""
        self.held()
        return self.last_types

    @property
    def last_types(self) -> Mapping[str, pl.DataType]:
        """The features of the last answer in order, and their types; the same object while nothing has changed."""
        held = list(self._held.values())
        if self._types is None or self._types[0] != held:
            self._types = (held, self._types_of(self._held))
        return self._types[1]

    def found(self, entities: Entities, height: int, now: datetime) -> Mapping[FeatureView, tuple[Held, ServedRows]]:
        """What each view says of the entities.

        Raises:
            MissingColumns: a join key is not given.
            InvalidKey: a value cannot be a join key.
            NotServed, UnknownName: as `held`.
        """
        missing = [key for key in self.join_keys if key not in entities]
        if missing:
            raise MissingColumns(f"The request for `{self.service.name}`", missing, entities)
        keys: dict[str, Sequence[bytes | None]] = {}
        found = {view: self._found(view, entities, height, now, keys) for view in self._read}
        if self.watch is not None:
            self.watch(found)
        return found

    def keys(self, entities: Entities, height: int) -> Mapping[str, Sequence[bytes | None]]:
        """The keys that will be looked up of each view, as far as its table is known; of exact views none.

        Raises:
            MissingColumns, InvalidKey: as `found`.
        """
        known: dict[str, Sequence[bytes | None]] = {}
        held = [self._held[view] for view in self._read if view in self._held]
        return {each.view.name: _keys(each, entities, height, known) for each in held if each.windows is None}

    def rows(self, entities: Entities, height: int, now: datetime) -> bytes:
        """The answer as the inside of a JSON array, an object for each entity; see `answers.joined_rows`.

        Raises:
            MissingRequestField, WrongColumnType, TransformFailed: a request field is missing or does not fit.
            MissingColumns, InvalidKey, NotServed, UnknownName: as `found`.
        """
        found = self.found(entities, height, now)
        if self._plain and len(self.views) == 1:
            held, only = found[self.views[0]]
            return write_rows_of_one(held.picks, only, now)
        rows = [answer_rows_of(found[view][0].picks, found[view][1], now) for view in self.views]
        if self._plain:
            return join_rows(rows)
        return join_columns(self._columns(entities, height, found), rows, height)

    def columns(self, entities: Entities, height: int, now: datetime) -> AnswerColumns:
        """The answer by feature, in the order of the service; raises as `rows`."""
        return self._columns(entities, height, self.found(entities, height, now))

    def _columns(
        self, entities: Entities, height: int, found: Mapping[FeatureView, tuple[Held, ServedRows]]
    ) -> AnswerColumns:
        columns = AnswerColumns.concat([answer_columns_of(found[view][0].picks, found[view][1]) for view in self.views])
        if self.service.on_demand:
            inputs = {view.name: answer_columns_of(held.needs, rows) for view, (held, rows) in found.items()}
            prepared = self._prepared([held for held, _ in found.values()])
            made = [each.columns(inputs, entities, height, self.saw_clipped) for each in prepared]
            columns = AnswerColumns.concat([columns, *made])
        if not self._plain:
            columns = columns.in_order(self._names({view: held for view, (held, _) in found.items()}))
        if self.service.impute:
            keys = {key: dtype for held, _ in found.values() for key, dtype in held.table.keys.items()}
            columns = filled_columns(Filled(self.service, self.reader, keys), columns, entities)
        return columns

    def _prepared(self, held: Sequence[Held]) -> Sequence[OnDemand]:
        """The on-demand features, prepared for the tables that their inputs are read from now."""
        if self._on_demand[0] != held:
            types = {each.view.name: each.types for each in held}
            self._on_demand = (held, [OnDemand(self.service, each, types) for each in self.service.on_demand])
        return self._on_demand[1]

    def _found(
        self,
        view: FeatureView,
        entities: Entities,
        height: int,
        now: datetime,
        known: dict[str, Sequence[bytes | None]],
    ) -> tuple[Held, ServedRows]:
        held = self._held.get(view) or self._compiled(view, self.reader.get(view.name, ())[0])
        while True:
            keys = _keys(held, entities, height, known)
            table, found = self._found_once(held, keys, now)
            if table is held.table:
                return held, found
            held = self._compiled(view, table)

    def _found_once(self, held: Held, keys: Sequence[bytes | None], now: datetime) -> tuple[ServedTable, ServedRows]:
        """What a view says of some keys; of one that is asked for again and again it is found once."""
        places = _places(keys) if len(keys) > 1 else None
        asked = keys if places is None else list(places)
        if held.windows is not None:
            first = None if places is None else [keys.index(key) for key in asked]
            bounds = self.bounds
            table, found = held.windows.found(
                asked, self.reader, now, most=bounds.events, at_once=bounds.at_once, rows=first
            )
        else:
            table, entries = self.reader.get(held.view.name, asked)
            found = find_rows(table, entries, asked, now=now, ttl=held.ttl, most=self.bounds.entries)
        if places is None or table is not held.table:
            return table, found
        return table, found.at([places[key] for key in keys])

    def _compiled(self, view: FeatureView, table: ServedTable) -> Held:
        held = self._held.get(view)
        if held is None or held.table is not table:
            held = self._compile(view, table)
            self._held[view] = held
        return held

    def _compile(self, view: FeatureView, table: ServedTable) -> Held:
        windows = ExactWindows(view, table) if table.kind == "exact" else None
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
        held, timeless = list(types), view.event_time is None
        return Held(
            view,
            table,
            pick_features(
                view.name, [name for name, _ in wanted], held, [name for _, name in wanted], timeless=timeless
            ),
            pick_features(view.name, needed, held, [f"{view.name}.{name}" for name in needed], timeless=timeless),
            types,
            str(dict(table.keys)),
            view.ttl_us,
            windows,
        )

    def _names(self, held: Mapping[FeatureView, Held]) -> Sequence[str]:
        """The features of the answer in the order of the service, without flags."""
        names: list[str] = []
        for each in self._selections:
            if isinstance(each, FeatureView):
                features: Sequence[str] = list(held[each].types)
            else:
                features = each.features
            names.extend(self.service.column(each, name) for name in features)
        return names

    def _types_of(self, held: Mapping[FeatureView, Held]) -> Mapping[str, pl.DataType]:
        types: dict[str, pl.DataType] = {}
        for each in self._selections:
            if isinstance(each, OnDemandSelection):
                own = computed_types(each, {view.name: found.types for view, found in held.items()})
                features: Sequence[str] = each.features
            else:
                own = held[view_of(each)].types
                features = each.features if isinstance(each, FeatureSelection) else list(own)
            types |= {self.service.column(each, name): own[name] for name in features}
        filled = {name: rule.filled(types[name]) for name, rule in self.service.impute.items()}
        flags = {f"{name}_was_missing": pl.Boolean() for name, rule in self.service.impute.items() if rule.flag}
        return {**types, **filled, **flags}


def _places(keys: Sequence[bytes | None]) -> Mapping[bytes | None, int] | None:
    """Each key and its place among the keys that differ; None where all do."""
    differing = dict.fromkeys(keys)
    return None if len(differing) == len(keys) else {key: place for place, key in enumerate(differing)}


def _keys(
    held: Held, entities: Entities, height: int, known: dict[str, Sequence[bytes | None]]
) -> Sequence[bytes | None]:
    """The keys of a view; those of other views with the same join keys are made once."""
    types = held.table.keys
    if not types:
        return [_GLOBAL] * height
    if held.keyed not in known:
        if missing := [key for key in types if key not in entities]:  # declared otherwise than it was published
            raise MissingColumns(
                f"The request for feature view `{held.view.name}` as it is published", missing, entities
            )
        known[held.keyed] = encode_keys(types, [entities[key] for key in types])
    return known[held.keyed]

"""A feature view: a function from rows of a source to features of an entity.

A row view gives one feature row for each event; a windowed view aggregates events at each instant
of its cadence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard, assert_never

import polars as pl

from feature_platform.declarations.about import About, Stage
from feature_platform.declarations.aliases import validate_alias_keys
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.monitor import Monitor
from feature_platform.declarations.naming import (
    AS_OF,
    KNOWN_AT,
    KNOWN_UNTIL,
    validate_column_list,
    validate_name,
)
from feature_platform.declarations.source import (
    Source,
    Transform,
)
from feature_platform.declarations.union import Union, title_of
from feature_platform.declarations.windowing import ViewKind, Windowing, kind_of
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform.ground.table_names import TableKind
from feature_platform.parts.aggregations import Aggregation


@dataclass(frozen=True, eq=False)
class FeatureView:
    """Features of one entity, computed from the rows of one source and what enriches them. Made by `fp.feature_view`.

    Select features with `view["a", "b"]`; the bare view stands for all of them.
    """

    name: str
    entity: Entity | None
    source: "Source | Union | FeatureView"
    transform: Transform
    windowing: Windowing | None
    ttl: str | None
    expectations: tuple[Expect, ...]
    monitor: Monitor | None
    owner: str | None
    description: str
    enrichments: tuple[Enrichment, ...] = ()
    aliased: "FeatureView | None" = None
    stage: Stage | None = None
    tags: tuple[str, ...] = ()
    about: Mapping[str, About] = field(default_factory=dict)
    spine_keys: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, pl.DataType] = field(default_factory=dict)

    def alias(self, name: str, *, keys: Mapping[str, str]) -> "FeatureView":
        """Return the same features found by other columns of a spine or request, shown as `<name>__<feature>`.

        The table is shared, offline and online: an alias has no asset and nothing is stored for it.

        Args:
            keys: for join keys of the view the columns that are taken for them, e.g. `{"origin": "dest"}`.

        Raises:
            InvalidDeclaration, UnknownName: a key is none of the view, or two are found by one column.
        """
        original = self.original
        culprit = f"The alias `{validate_name('The alias', name)}` of feature view `{original.name}`"
        validate_alias_keys(culprit, keys, original.join_keys)
        return replace(original, name=name, aliased=original, spine_keys=dict(keys))

    @property
    def original(self) -> "FeatureView":
        """Return the view whose table has its rows: itself, or the one that it is an alias of."""
        return self.aliased or self

    @property
    def own_keys(self) -> Mapping[str, str]:
        """Map each column of a spine that finds a row to the join key in the table."""
        return {} if self.entity is None else {self.spine_keys.get(key, key): key for key in self.entity.join_keys}

    def __getitem__(self, names: str | tuple[str, ...]) -> "FeatureSelection":
        owner = f"Feature view `{self.name}`"
        wanted = validate_column_list(owner, "features", [names] if isinstance(names, str) else names)
        known = wanted if self.declared_features is None else self.declared_features
        for name in wanted:
            if name in (*self.own_keys.values(), self.event_time, self.known_at):
                raise InvalidDeclaration(
                    owner, f"is asked for `{name}`, a join key or clock", "Select features; the spine has the keys."
                )
            if name not in known:
                raise UnknownName(owner, "feature", name, known)
        if not wanted:
            raise InvalidDeclaration(owner, "is asked for no feature", 'Name at least one: view["a"].')
        return FeatureSelection(self, wanted)

    @property
    def kind(self) -> ViewKind:
        """Return how its values are made: from each row, or from windows at instants or at each moment."""
        return kind_of(self.windowing)

    @property
    def asset(self) -> str:
        """Return its table in the offline store, which is its Dagster asset key, too."""
        return TableKind.VIEWS.of(self.original.name)

    @property
    def members(self) -> "tuple[FeatureView, ...]":
        """Return the views whose tables have its rows, as a source of other views: itself."""
        return (self.original,)

    @property
    def inputs(self) -> "tuple[Source | FeatureView, ...]":
        """Return the assets whose tables its own is made from: of its source, then what enriches its events."""
        return tuple(dict.fromkeys((*self.source.members, *(each.dimension for each in self.enrichments))))

    @property
    def join_keys(self) -> tuple[str, ...]:
        """Return the columns that find a row; none for a global view. Those of an alias are the spine's."""
        return tuple(self.own_keys)

    @property
    def event_time(self) -> str | None:
        """Return the column with the time that a row of this view belongs to: `as_of` for windowed views."""
        return AS_OF if is_windowed(self) else self.source.event_time

    @property
    def known_at(self) -> str | None:
        """Return the column that says when a row could be known; a windowed view knows it from its cadence."""
        return KNOWN_AT if is_windowed(self) else self.event_known_at

    @property
    def has_versions(self) -> bool:
        """Tell whether an event may have several versions: rows that enrich it may be known later than they hold."""
        return any(each.known_at is not None for each in self.enrichments)

    @property
    def event_known_at(self) -> str | None:
        """Return the column of its events that says when each, or each version of one, could be known."""
        return KNOWN_AT if self.source.known_at is None and self.has_versions else self.source.known_at

    @property
    def event_known_until(self) -> str | None:
        """Return the column of its events that says from when on another version counts; None without versions."""
        return KNOWN_UNTIL if self.has_versions else None

    @property
    def event_clocks(self) -> tuple[str, ...]:
        """Return the clocks of its events, which its function keeps, each once."""
        clocks = (self.source.event_time, self.event_known_at, self.event_known_until)
        return tuple(dict.fromkeys(clock for clock in clocks if clock is not None))

    @property
    def partitioned(self) -> bool:
        """Tell whether its table is partitioned by time, as its source is."""
        return self.source.partitioned

    @property
    def closes_right(self) -> bool:
        """Tell whether its rows belong to the partition that their time closes, as instants of a cadence do."""
        return is_windowed(self) or (isinstance(self.source, FeatureView) and self.source.closes_right)

    @property
    def read_from(self) -> "Source | Union | FeatureView":
        """Return whose rows its values are read from: exact windows are computed from events."""
        match self.kind:
            case ViewKind.ROW | ViewKind.SNAPSHOT:
                return self.original
            case ViewKind.EXACT:
                return self.source
            case _:
                assert_never(self.kind)

    @property
    def rows_name(self) -> str:
        """Return the name of the rows that its values are joined from: a table, or events that are enriched first."""
        return self.asset if self.enriches_when_read else title_of(self.read_from)

    @property
    def tables_read(self) -> tuple[str, ...]:
        """Return the tables that its values are read from: of an exact view those that enrich its events, too."""
        enriching = (each.asset for each in self.enrichments) if self.enriches_when_read else ()
        return tuple(dict.fromkeys((*(each.asset for each in self.read_from.members), *enriching)))

    @property
    def enriches_when_read(self) -> bool:
        """Tell whether its events are enriched each time its values are read; others have them in their table."""
        return bool(self.enrichments) and self.kind is ViewKind.EXACT

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """Return what its windows compute; nothing for a row view."""
        return self.windowing.aggregations if self.windowing else ()

    @property
    def declared_features(self) -> tuple[str, ...] | None:
        """Return the features that the declaration names; None for a row view, whose columns only data tells."""
        return self.windowing.features if self.windowing else None

    def stage_of(self, feature: str) -> Stage | None:
        """Return the stage of a feature: its own, or else that of the view."""
        about = self.about.get(feature)
        return self.stage if about is None or about.stage is None else about.stage

    @property
    def windows(self) -> Windowing:
        """Return its windows, for code that only windowed views come to.

        Raises:
            TypeError: it is a row view.
        """
        if self.windowing is None:
            raise TypeError(f"`{self.name}` is a row view")
        return self.windowing

    @property
    def reach_us(self) -> int:
        """Return how far back it looks at most, in microseconds: 0 for a row view."""
        return max((each.reach for each in self.aggregations), default=0)

    @property
    def lateness(self) -> str | None:
        """Return how long after its partition an event still counts; None where that is not declared."""
        return self.windowing.cadence.lateness if self.windowing else None

    @property
    def ttl_us(self) -> int | None:
        """Return the time to live in microseconds."""
        return None if self.ttl is None else microseconds(self.ttl, f"Feature view `{self.name}`, ttl,")


@dataclass(frozen=True, eq=False)
class FeatureSelection:
    """Some features of a view, in the order in which they are requested."""

    view: FeatureView
    features: tuple[str, ...]

    def enrichment(self) -> Enrichment:
        """Return what an event of another view gets of it."""
        view = self.view
        before = "" if view.aliased is None else f"{view.name}__"
        columns = {f"{before}{feature}": feature for feature in self.features}
        cadence = view.windowing.cadence if view.windowing else None
        return Enrichment(view.original, dict(view.own_keys), columns, view.ttl_us, cadence)


def is_windowed(asset: object) -> TypeGuard[FeatureView]:
    """Tell whether an asset is a view that aggregates events: it has a cadence, and its table has its instants."""
    return isinstance(asset, FeatureView) and asset.windowing is not None


def view_of(selected: FeatureView | FeatureSelection) -> FeatureView:
    """Return the view behind a selection."""
    return selected.view if isinstance(selected, FeatureSelection) else selected

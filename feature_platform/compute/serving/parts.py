"""Parts of an enriched view online: its events as they came, and of each table that enriches them a history.

Nothing that was joined is stored. An event that is pushed is one tile, and a row of another table one entry of its
history, seen by all events at once; both meet when a value is asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from feature_platform.compute.plans.functions import keeps_columns, works_row_by_row
from feature_platform.compute.serving.keys import key_expr
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.lineage import columns_read
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.source import Source, Transform
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.declarations.windowing import ViewKind, Windowing
from feature_platform.ground.errors import WrongColumnType
from feature_platform.ground.working_columns import ENTITY

WHOLE_HISTORY = 2**62  # the length of a tile that holds all rows of a key, in microseconds
_HISTORY = "history"


@dataclass(frozen=True, eq=False)
class ServedPart(FeatureView):
    """A part of an enriched view, which is published and pushed to as if it were an exact view of its source.

    Facts without a date are kept as a row view is: the last row of each key.

    Attributes:
        serves: the view that it is a part of.
        kept: the columns that are kept besides join keys and clocks.
        histories: of the part with the events the names of the others, by the asset that they are of.
    """

    serves: FeatureView | None = None
    kept: tuple[str, ...] = ()
    histories: Mapping[str, str] = field(default_factory=dict)

    @property
    def declared_features(self) -> tuple[str, ...]:
        return self.kept

    @property
    def reach_us(self) -> int:
        return 0 if self.serves is None else self.serves.reach_us

    @property
    def read_from(self) -> Source | Union | FeatureView:
        return self.source

    @property
    def is_history(self) -> bool:
        """Tell whether it has the rows of another table, not the events."""
        return not self.histories


@dataclass(frozen=True)
class ServedParts:
    """The parts of a view: its events, and by asset the histories of the tables that enrich them."""

    events: ServedPart
    histories: Mapping[str, ServedPart]

    @property
    def every(self) -> Sequence[ServedPart]:
        """Return all parts, the events last."""
        return [*self.histories.values(), self.events]

    @property
    def names(self) -> Sequence[str]:
        """Return the names of their tables online."""
        return [part.name for part in self.every]


def history_table(view: str, asset: str = "") -> str:
    """Return the name of the history of a table that enriches a view; no view can have it.

    >>> history_table("spending", "sources/products")
    'history.spending.sources.products'
    """
    return f"{_HISTORY}.{view}.{asset.replace('/', '.')}"


def name_shown(view: FeatureView) -> str:
    """Return the name of a view, of a part that of the view that it is a part of."""
    return view.serves.name if isinstance(view, ServedPart) and view.serves is not None else view.name


def view_of_history(table: str) -> str | None:
    """Return the view that a table is a history of; None for any other table.

    >>> view_of_history("history.spending.sources.products"), view_of_history("spending")
    ('spending', None)
    """
    first, *names = table.split(".")
    return names[0] if first == _HISTORY and names else None


def histories_of(view: str, tables: Iterable[str]) -> Sequence[str]:
    """Return the tables among some that are histories of a view.

    >>> histories_of("spending", ["spending", "history.spending.sources.products", "history.other.sources.products"])
    ['history.spending.sources.products']
    """
    return [table for table in tables if view_of_history(table) == view]


def served_parts_of(view: FeatureView, table: ServedTable) -> ServedParts | None:
    """Return the parts that a view is served in; None where its events were published as they are enriched."""
    if not table.histories:
        return None
    clocks = {view.source.event_time, view.source.known_at}
    return _parts(view.original, tuple(name for name in table.features if name not in clocks))


def plan_parts(view: FeatureView, source: pl.Schema, dimensions: Mapping[str, pl.Schema]) -> ServedParts | None:
    """Return the parts in which an exact view can be served; None where its events have to be enriched before.

    The rows of a key must be found before they are enriched: the function has to work row by row, and to keep join keys
    and event time as they are in the source, which Polars has to show. Windows of another view wait for a run anyway.

    Args:
        source: the columns of its source, as events have them.
        dimensions: those of the tables that enrich it.
    """
    if not _can_be_parts(view) or not all(_can_be_found(dimensions[each.asset], each) for each in view.enrichments):
        return None
    given = schema_given(view, source, dimensions)
    if any(name not in source for name in view.join_keys) or not works_row_by_row(view.transform, given):
        return None
    if not keeps_columns(view.transform, given, [*view.join_keys, str(view.source.event_time)]):
        return None
    needed = needed_columns(view, given)
    return _parts(view.original, tuple(name for name in source if name in needed))


def schema_given(view: FeatureView, source: pl.Schema, dimensions: Mapping[str, pl.Schema]) -> pl.Schema:
    """Return the columns that the function of a view is given; the arguments are those of `plan_parts`."""
    no_rows = {name: pl.LazyFrame(schema=schema) for name, schema in dimensions.items()}
    return enrich_events(view, pl.LazyFrame(schema=source), no_rows).collect_schema()


def needed_columns(view: FeatureView, given: pl.Schema) -> set[str]:
    """Return the columns of enriched events that the values of a view are made from; join keys only where they are.

    Args:
        given: the columns of enriched events.
    """
    behind = columns_read(view.transform, given)
    aggregated = [name for each in view.aggregations for name in each.reads]
    needed = {column for name in (*view.event_clocks, *aggregated) for column in behind.get(name, ())}
    finding = {name for each in view.enrichments for name in each.on}
    return needed | finding | (set() if shows_numbers(view, given) else set(view.join_keys))


def shows_numbers(view: FeatureView, given: pl.Schema) -> bool:
    """Tell whether the function of a view keeps a column that it does not know, such as the number of a row."""
    return ENTITY in view.transform(pl.LazyFrame(schema={**given, ENTITY: pl.Int64()})).lazy().collect_schema()


def _can_be_parts(view: FeatureView) -> bool:
    if view.kind is not ViewKind.EXACT or not view.enrichments or is_windowed(view.source):
        return False
    return all(each.cadence is None and each.on for each in view.enrichments)


def _can_be_found(rows: pl.Schema, by: Enrichment) -> bool:
    """Tell whether the key of another table can be one of the online store, which has no lists and no bytes as keys."""
    try:
        key_expr({key: rows[key] for key in by.on.values()})
    except WrongColumnType:
        return False
    return True


@lru_cache(maxsize=1_000)
def _parts(view: FeatureView, kept: tuple[str, ...]) -> ServedParts:
    columns: dict[str, dict[str, None]] = {}
    for each in view.enrichments:
        columns.setdefault(each.asset, {}).update(dict.fromkeys(each.columns.values()))
    histories = {
        each.asset: _part(
            view,
            history_table(view.name, each.asset),
            each.dimension,
            tuple(each.on.values()),
            tuple(columns[each.asset]),
        )
        for each in view.enrichments
    }
    names = {asset: part.name for asset, part in histories.items()}
    return ServedParts(_part(view, view.name, view.source, view.join_keys, kept, names), histories)


def _part(
    view: FeatureView,
    name: str,
    source: Source | Union | FeatureView,
    keys: tuple[str, ...],
    kept: tuple[str, ...],
    histories: Mapping[str, str] | None = None,
) -> ServedPart:
    has_time = source.event_time is not None
    return ServedPart(
        name=name,
        entity=Entity("key", join_keys=keys) if keys else None,
        source=source,
        transform=_as_they_are if has_time else _selection_of([*keys, *kept]),
        windowing=Windowing((), Cadence(), "exact") if has_time else None,
        ttl=None,
        expectations=(),
        monitor=None,
        owner=view.owner,
        description="",
        serves=view,
        kept=kept,
        histories=histories or {},
    )


def _as_they_are(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows as they are."""
    return rows


def _selection_of(columns: Sequence[str]) -> Transform:
    """Return a function that selects columns."""
    return lambda rows: rows.select(columns)

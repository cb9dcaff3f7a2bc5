"""The decorator that declares a feature view, and what it refuses."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from feature_platform.declarations.about import About, Stage, validate_about, validate_stage, validate_tags
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.enrichment import Enrichment, require_enrichments
from feature_platform.declarations.entity import Entity
from feature_platform.declarations.expectation import Expect
from feature_platform.declarations.feature_types import feature_types
from feature_platform.declarations.monitor import Monitor, validate_monitor
from feature_platform.declarations.naming import (
    describe_value,
    name_of_declaration,
    validate_function,
    validate_kind,
)
from feature_platform.declarations.source import (
    Source,
    SourceSelection,
    Transform,
    validate_expectations,
    validate_owner,
)
from feature_platform.declarations.union import Union
from feature_platform.declarations.view import FeatureSelection, FeatureView, is_windowed
from feature_platform.declarations.windowing import Accuracy, ViewKind, Windowing, declare_windowing
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform.parts.aggregations import Aggregation


def feature_view(
    *,
    entity: Entity | None,
    source: Source | Union | FeatureView,
    enrich: Sequence[SourceSelection | FeatureSelection] = (),
    aggregations: Sequence[Aggregation] = (),
    derive: Mapping[str, pl.Expr] | None = None,
    cadence: Cadence | None = None,
    accuracy: Accuracy = "snapshot",
    ttl: str | None = None,
    expectations: Sequence[Expect] = (),
    monitor: Monitor | None = None,
    types: Mapping[str, pl.DataType] | None = None,
    about: Mapping[str, About] | None = None,
    stage: Stage | None = None,
    tags: Sequence[str] = (),
    owner: str | None = None,
    name: str | None = None,
) -> Callable[[Transform], FeatureView]:
    """Declare a feature view; the decorated function turns the source's rows into the view's.

    The function gets and returns a LazyFrame and works row by row, or within one event time, so that the size of a
    partition never changes a value; a run refuses one that does not, unless its source has no partitions.
    It keeps the join keys, the event time and the known-at column.

    Args:
        entity: what the features describe; None for a global view with one value at each instant.
        enrich: columns of other sources and views, e.g. `[products["price"]]`: the function gets each event with
            the newest row of its key at the event's own time, one at that time included; null where there is none. Of a
            snapshot view it is the newest instant, and a key without a row there has the values of an empty window.
        aggregations: none for a row view, where every row is a feature row at its event time.
        derive: further features of a windowed view by name: expressions over those of the aggregations, row by row.
        cadence: when a windowed view publishes. Defaults to daily.
        accuracy: `snapshot` serves the last published instant, `exact` ends the window at the moment of the request.
        ttl: how old a value may be when it is read; exactly `ttl` is still valid.
        monitor: what new partitions are compared with.
        types: of features of a row view, e.g. `{"embedding": pl.Array(pl.Float32, 64)}`. What its function makes is
            held to them: a list may stand for an array of its length. Tables hold lists, and whoever reads gets arrays.
        about: what people should know of single features, by name: `{"amount": fp.About("What was paid.")}`.
        stage: how far its features can be relied on: `experimental`, `stable` or `deprecated`.
        tags: words to find it by.
        name: the name of the view. Defaults to the function's name.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.
    """

    def declare(function: Transform) -> FeatureView:
        called = name_of_declaration("Feature view", function, name)
        culprit = f"Feature view `{called}`"
        validate_function(culprit, "the function", function)
        _check_arguments(culprit, entity, source, ttl)
        enrichments = _enrichments(culprit, enrich, source)
        windowing = declare_windowing(
            culprit,
            aggregations,
            cadence,
            accuracy,
            derive,
            join_keys=() if entity is None else entity.join_keys,
            event_time=source.event_time,
        )
        return FeatureView(
            name=called,
            entity=entity,
            source=source,
            transform=function,
            windowing=windowing,
            ttl=ttl,
            expectations=validate_expectations(culprit, expectations),
            monitor=_monitor_of(culprit, monitor, source, windowing),
            owner=validate_owner(culprit, owner),
            description=(function.__doc__ or "").strip(),
            enrichments=enrichments,
            types=feature_types(culprit, types, windowed=windowing is not None),
            stage=validate_stage(culprit, stage),
            tags=validate_tags(culprit, tags),
            about=validate_about(culprit, about, windowing.features if windowing else None),
        )

    return declare


def _check_arguments(
    culprit: str, entity: Entity | None, source: Source | Union | FeatureView, ttl: str | None
) -> None:
    if entity is not None:
        validate_kind(culprit, "entity", entity, Entity, "Give an fp.Entity, or None for a global view.")
    validate_kind(
        culprit,
        "source",
        source,
        (Source, Union, FeatureView),
        "Give an fp.Source, an fp.Union or another feature view.",
    )
    if isinstance(source, FeatureView) and not is_windowed(source) and source.has_versions:
        found = f"reads the rows of `{source.name}`, of which several may be versions of one event"
        raise InvalidDeclaration(culprit, found, f"Read its source, and enrich that as `{source.name}` does.")
    for key in () if entity is None else entity.join_keys:
        if key in (source.event_time, source.known_at):
            raise InvalidDeclaration(
                culprit, f"has `{key}` as a join key and as a clock", "Find its rows by another column."
            )
    if ttl is not None:
        microseconds(ttl, f"{culprit}, ttl,")
        if source.event_time is None:
            raise InvalidDeclaration(
                culprit, "has a ttl but its source has no event_time", "Drop the ttl: rows without a time never expire."
            )


def _enrichments(culprit: str, enrich: object, source: Source | Union | FeatureView) -> tuple[Enrichment, ...]:
    remedy = 'Give a list of columns of sources and feature views: enrich=[products["price"]].'
    if not isinstance(enrich, Sequence) or isinstance(enrich, str):
        raise InvalidDeclaration(culprit, f"has enrich={describe_value(enrich)}", remedy)
    enrichments: list[Enrichment] = []
    for selected in enrich:
        if not isinstance(selected, (SourceSelection, FeatureSelection)):
            raise InvalidDeclaration(culprit, f"is enriched by {describe_value(selected)}", remedy)
        if isinstance(selected, FeatureSelection) and selected.view.kind is ViewKind.EXACT:
            found = (
                f"is enriched by the exact view `{selected.view.name}`, whose windows end at the reader's own moment"
            )
            raise InvalidDeclaration(
                culprit, found, "Enrich by a snapshot view of the same windows, or put both views into one service."
            )
        enrichment = selected.enrichment()
        if enrichment.known_at is not None and is_windowed(source):
            found = f"reads windows of `{source.name}` and is enriched by rows that may be known later than they hold"
            raise InvalidDeclaration(
                culprit, found, "Enrich the events of that view, or by rows that are known when they hold."
            )
        enrichments.append(enrichment)
    require_enrichments(culprit, enrichments, (source.event_time, source.known_at))
    return tuple(enrichments)


def _monitor_of(
    culprit: str, monitor: object, source: "Source | Union | FeatureView", windowing: Windowing | None
) -> Monitor | None:
    checked = validate_monitor(culprit, monitor, partitioned=source.partitioned)
    for column in (checked.columns or ()) if checked else ():
        if windowing is not None and column not in windowing.features:
            raise UnknownName(f"{culprit}, monitor,", "feature", column, windowing.features)
    return checked

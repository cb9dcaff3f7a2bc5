"""The Dagster assets of declarations: one function for each kind of declaration.

The body of an asset calls one function of the rooms below and yields Dagster events. What is computed is decided there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import dagster as dg

from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset, Project, asset_upstream, is_partitioned
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import ActiveKeys, LoggedRequests, Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground.clock import duration_of
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.automation import when_data_changed, when_raw_changed
from feature_platform.orchestration.checks import check_specs, counts_rows, leakage_result, leakage_spec
from feature_platform.orchestration.events import Event, run_events
from feature_platform.orchestration.metadata import asset_key
from feature_platform.orchestration.partitions import dagster_partitions, span_of, upstream_mapping
from feature_platform.orchestration.unreached import monitoring_not_reached
from feature_platform.pipelines.materialization import lateness_of, materialize_asset
from feature_platform.training.sets import build_training_set

Body = Callable[[dg.AssetExecutionContext, OfflineStore], Iterator[Event]]


@dataclass(frozen=True)
class _Description:
    """What the Dagster catalogue shows of an asset."""

    kinds: set[str]
    description: str
    owner: str | None
    metadata: Mapping[str, object]
    tags: Mapping[str, str]


def raw_asset(source: Source) -> dg.SourceAsset | dg.AssetsDefinition:
    """Return the asset of the data outside the platform that a source reads, which is observed for changes."""

    @dg.observable_source_asset(
        key=raw_key(source),
        group_name="raw",
        description=f"{PurePath(source.connector.location).name}, as it is found outside the platform.",
        metadata={"location": source.connector.location},
        tags={f"dagster/kind/{source.connector.kind}": ""},
    )
    def observe() -> dg.DataVersion:
        return dg.DataVersion(source.connector.fingerprint(source.name))

    return observe


def source_asset(source: Source, project: Project) -> dg.AssetsDefinition:
    """Return the asset of the prepared and validated rows of a source."""
    late = lateness_of(source, project.declarations)

    def body(context: dg.AssetExecutionContext, store: OfflineStore) -> Iterator[Event]:
        span = span_of(context, source, project.partitions)
        with report_to(ProgressLines(context.log.info)):
            published = materialize_asset(source, store, span, project.partitions, late=late, run_id=context.run.run_id)
        yield from run_events(context, source, published, store, project)

    described = _Description(
        kinds={"polars", source.connector.kind},
        description=source.description or f"Rows of {source.connector.location}, prepared and validated.",
        owner=source.owner,
        metadata={
            "event_time": str(source.event_time),
            "known_at": str(source.known_at or source.event_time),
        },
        tags={"kind": "source"},
    )
    condition = None if source.partitioned else when_raw_changed()
    return _asset(source, project, body, described, [dg.AssetDep(raw_key(source))], condition)


def derived_asset(asset: FeatureView | Label, project: Project) -> dg.AssetsDefinition:
    """Return the asset of the rows of a feature view or a label."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore) -> Iterator[Event]:
        span = span_of(context, asset, project.partitions)
        with report_to(ProgressLines(context.log.info)):
            published = materialize_asset(asset, store, span, project.partitions, run_id=context.run.run_id)
        yield from run_events(context, asset, published, store, project)

    return _asset(
        asset,
        project,
        body,
        _description_of(asset),
        [
            dg.AssetDep(asset_key(each.asset), partition_mapping=upstream_mapping(asset, each, project.partitions))
            for each in asset_upstream(asset)
        ],
        when_data_changed(),
    )


def spine_asset(spine: Spine, project: Project) -> dg.AssetsDefinition:
    """Return the asset of a spine: keys and moments from the whole of each table that it is made from."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore) -> Iterator[Event]:
        with report_to(ProgressLines(context.log.info)):
            published = materialize_asset(spine, store, None, project.partitions, run_id=context.run.run_id)
        yield from run_events(context, spine, published, store, project)

    rule = spine.rule
    origins = [rule.service] if isinstance(rule, LoggedRequests) else spine.origins
    names = ", ".join(f"`{each.name}`" for each in origins)
    facts: dict[str, object] = {"join_keys": ", ".join(spine.join_keys) or "none"}
    if isinstance(rule, ActiveKeys):
        facts |= {"cadence": repr(rule.cadence), "active": rule.active}
    described = _Description(
        kinds={"polars"},
        description=spine.description or f"Keys and moments that features are asked for, from {names}.",
        owner=spine.owner,
        metadata=facts,
        tags={"kind": "spine"},
    )
    deps = [dg.AssetDep(asset_key(each.asset)) for each in asset_upstream(spine)]
    return _asset(spine, project, body, described, deps, when_data_changed())


def training_set_asset(training_set: TrainingSet, project: Project) -> dg.AssetsDefinition:
    """Return the asset of a training set: rows for a model, from pinned versions of all that it reads."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore) -> Iterator[Event]:
        if store.pin(training_set.asset) is not None:
            context.log.warning(
                f"{training_set.asset} is pinned and stays as it is; `feature-platform release` ends it."
            )
            yield from monitoring_not_reached(context, f"{training_set.asset} is pinned", project, store)
            return
        with report_to(ProgressLines(context.log.info)):
            built = build_training_set(training_set, store, run_id=context.run.run_id)
        for table in built.incomplete:
            context.log.warning(f"{training_set.asset} was built from a table that is not complete: {table}.")
        if training_set.labels:
            yield leakage_result(asset_key(training_set.asset), built.leaks)
        yield from run_events(context, training_set, built.published, store, project)

    service = training_set.service
    described = _Description(
        kinds={"polars"},
        description=training_set.description
        or f"The features of `{service.name}` at each moment of `{training_set.spine.name}`.",
        owner=training_set.owner or service.owner,
        metadata={
            "feature_service": service.name,
            "label": ", ".join(label.name for label in training_set.labels) or "none",
        },
        tags={"kind": "training_set"},
    )
    deps = [dg.AssetDep(asset_key(each.asset)) for each in asset_upstream(training_set)]
    return _asset(training_set, project, body, described, deps, when_data_changed())


def raw_key(source: Source) -> dg.AssetKey:
    """Return the asset key of the data outside the platform."""
    return dg.AssetKey(["raw", source.name])


def _description_of(asset: FeatureView | Label) -> _Description:
    facts: dict[str, object] = {"entity": asset.entity.name if asset.entity else "global"}
    tags = {"kind": "label" if isinstance(asset, Label) else "feature_view"}
    if isinstance(asset, FeatureView):
        facts["ttl"] = asset.ttl or "none"
        if is_windowed(asset):
            facts |= {"cadence": repr(asset.windows.cadence), "accuracy": asset.kind.value}
            facts["features"] = ", ".join(asset.windows.features)
        if asset.monitor:
            facts["monitor"] = repr(asset.monitor)
        if asset.stage is not None:
            facts["stage"] = asset.stage
        tags |= dict.fromkeys(asset.tags, "")
    return _Description({"polars"}, asset.description, asset.owner, facts, tags)


def _checks_of(asset: Asset, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    if isinstance(asset, TrainingSet):
        return [leakage_spec(key)] if asset.labels else []
    return check_specs(key, asset.expectations, counted=counts_rows(asset))


def _asset(
    asset: Asset,
    project: Project,
    body: Body,
    described: _Description,
    deps: Sequence[dg.AssetDep],
    condition: dg.AutomationCondition[dg.AssetKey] | None,
) -> dg.AssetsDefinition:
    key = asset_key(asset.asset)
    freshness = asset.freshness if isinstance(asset, Source) else None

    @dg.asset(
        key=key,
        deps=deps,
        group_name=asset.asset.split("/")[0],
        description=described.description or None,
        owners=[described.owner] if described.owner else None,
        kinds={*described.kinds, "deltalake"},
        tags={f"feature_platform/{name}": value for name, value in described.tags.items()},
        metadata=described.metadata,
        code_version=code_version(asset),
        partitions_def=dagster_partitions(project.partitions) if is_partitioned(asset) else None,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=_checks_of(asset, key),
        output_required=False,
        automation_condition=condition,
        freshness_policy=dg.FreshnessPolicy.time_window(duration_of(freshness)) if freshness else None,
    )
    def compute(context: dg.AssetExecutionContext, offline_store: dg.ResourceParam[OfflineStore]) -> Iterator[Event]:
        context.log.info(f"{asset.asset}: begins.")
        yield from body(context, offline_store)

    return compute

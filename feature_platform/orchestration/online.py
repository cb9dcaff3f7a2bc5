"""The online store as Dagster assets: one for each feature view, and one for the statistics of a service's imputations.

A run publishes the newest offline version. The data version is a hash of the content that is served, so that a
repeated run triggers nothing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import title_of
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import instant, microsecond_of
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.online import OnlineStore
from feature_platform.orchestration.automation import when_data_changed
from feature_platform.orchestration.metadata import Metadata, asset_key
from feature_platform.orchestration.partitions import serving_moment
from feature_platform.serving.publication import Publication, publish, publish_statistics
from feature_platform.training.fitted import is_fitted

Event = Iterator[dg.MaterializeResult[object]]
Body = Callable[[dg.AssetExecutionContext, OfflineStore, OnlineStore], Publication | None]
GROUP = "online"


def online_assets(project: Project, store: OnlineStore) -> list[dg.AssetsDefinition]:
    """Return the assets of everything that is served."""
    views = [each for each in project.assets if isinstance(each, FeatureView)]
    learning = [each for each in project.services if is_fitted(each) and _training_sets_of(each, project)]
    kind = type(store).__name__.lower()
    return [
        *(online_asset(view, project, kind) for view in views),
        *(statistics_asset(service, project, kind) for service in learning),
    ]


def online_asset(view: FeatureView, project: Project, kind: str) -> dg.AssetsDefinition:
    """Return the asset of a view in the online store: its newest values, or the events in reach of an exact view."""
    table = title_of(view.read_from)

    def body(context: dg.AssetExecutionContext, store: OfflineStore, online: OnlineStore) -> Publication:
        with report_to(ProgressLines(context.log.info)):
            (done,) = publish(view, store, online, now=serving_moment(project))
        return done

    return _asset(
        asset_key(f"{GROUP}/{view.name}"),
        [asset_key(name) for name in view.tables_read],
        body,
        description=f"The newest of `{table}` in the online store, for readers of `{view.name}`.",
        owner=view.owner,
        kind=kind,
    )


def statistics_asset(service: FeatureService, project: Project, kind: str) -> dg.AssetsDefinition:
    """Return the asset of the statistics of a service's imputations in the online store."""

    def body(_: dg.AssetExecutionContext, store: OfflineStore, online: OnlineStore) -> Publication | None:
        return publish_statistics(service, store, online, serving_moment(project))

    return _asset(
        statistics_key(service),
        [asset_key(each.asset) for each in _training_sets_of(service, project)],
        body,
        description=f"What the imputations of `{service.name}` have learnt, in the online store.",
        owner=service.owner,
        kind=kind,
        output_required=False,
    )


def statistics_key(service: FeatureService) -> dg.AssetKey:
    """Return the asset key of the statistics of a service's imputations."""
    return asset_key(f"{GROUP}/{TableKind.IMPUTATION.of(service.name)}")


def _asset(
    key: dg.AssetKey,
    deps: Sequence[dg.AssetKey],
    body: Body,
    *,
    description: str,
    owner: str | None,
    kind: str,
    output_required: bool = True,
) -> dg.AssetsDefinition:
    """Return the asset of what a body publishes.

    Args:
        kind: of the online store.
        output_required: False where there may be nothing to publish.
    """

    @dg.asset(
        key=key,
        deps=deps,
        group_name=GROUP,
        description=description,
        owners=[owner] if owner else None,
        kinds={kind},
        tags={"feature_platform/kind": "online"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=when_data_changed(),
        output_required=output_required,
    )
    def publish_to_store(
        context: dg.AssetExecutionContext,
        offline_store: dg.ResourceParam[OfflineStore],
        online_store: dg.ResourceParam[OnlineStore],
    ) -> Event:
        began = time.monotonic()
        done = body(context, offline_store, online_store)
        if done is not None:
            yield _result(context, done, offline_store, time.monotonic() - began)

    return publish_to_store


def _training_sets_of(service: FeatureService, project: Project) -> list[TrainingSet]:
    """Return the training sets that imputations of a service learn from."""
    return [each for each in project.assets if isinstance(each, TrainingSet) and each.service is service]


def _result(
    context: dg.AssetExecutionContext, publication: Publication, store: OfflineStore, duration: float
) -> dg.MaterializeResult[object]:
    """Return the Dagster event of a publication."""
    table = publication.table
    context.log.info(f"{'/'.join(context.asset_key.path)}: {publication.how}, {publication.written} entries written.")
    newest = None if table.newest is None else instant(table.newest, "The newest event")
    metadata: Metadata = {
        "how": publication.how,
        "dagster/row_count": table.entries,
        "entries_written": publication.written,
        "kind": table.kind.value,
        "published_at": table.published_at,
        "duration_s": round(duration, 3),
        "generation": table.generation,
        "change": table.change,
        **{f"delta_version/{name}": version for name, version in table.versions.items()},
    }
    if newest is not None:
        age = (microsecond_of(datetime.now(UTC)) - microsecond_of(newest)) / 1_000_000
        metadata |= {"newest_event": dg.MetadataValue.timestamp(newest), "freshness_s": age}
    return dg.MaterializeResult(
        asset_key=context.asset_key, metadata=metadata, data_version=dg.DataVersion(_served_hash(publication, store))
    )


def _served_hash(publication: Publication, store: OfflineStore) -> str:
    """Return a hash of the content that is served: of the partitions of the version that it was made from."""
    facts = [publication.table.code_version, publication.table.kind]
    for name, version in sorted(publication.table.versions.items()):
        for key, state in sorted(store.partition_states(name, version).items()):
            facts.append(f"{name} {key} {state.hash or f'version {version}'}")
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()

"""Proofs that serving is right, as Dagster assets: online against offline, and logged responses against training.

Each stores its comparison as a table and reports it in a check; a schedule runs them every night, once it is turned on.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from feature_platform.compute.serving.comparison import difference_count
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.clock import instant
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.online import OnlineStore
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.orchestration.metadata import Metadata, asset_key
from feature_platform.orchestration.partitions import serving_moment
from feature_platform.verification.consistency import check_consistency
from feature_platform.verification.skew import measure_skew

ONLINE_EQUALS_OFFLINE = "online_equals_offline"
SERVING_EQUALS_TRAINING = "serving_equals_training"
_NIGHTLY = "30 3 * * *"

Comparison = tuple[pl.DataFrame, Metadata]
Body = Callable[[dg.AssetExecutionContext, OfflineStore, OnlineStore], Comparison]


def verification_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the proofs of every service."""
    pairs = [(consistency_asset(each, project), skew_asset(each)) for each in project.services]
    return [asset for pair in pairs for asset in pair]


def consistency_asset(service: FeatureService, project: Project) -> dg.AssetsDefinition:
    """Return the asset that requests real keys from both stores at one moment; other keys every day."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore, online: OnlineStore) -> Comparison:
        now = max([serving_moment(project), *_published_moments(service, online)])
        seed = datetime.now(UTC).toordinal()
        with report_to(ProgressLines(context.log.info)):
            found = check_consistency(service, store, online, now=now, seed=seed, run_id=context.run.run_id)
        return found.features, {"entities": found.entities, "at": dg.MetadataValue.timestamp(now), "seed": seed}

    return _asset(
        consistency_key(service),
        service,
        body,
        description=f"Values for real keys of `{service.name}` in the online store, compared to the offline tables.",
        check=ONLINE_EQUALS_OFFLINE,
        claim="The online store has the values of the offline store, of the same version at the same moment.",
        severity=dg.AssetCheckSeverity.ERROR,
    )


def skew_asset(service: FeatureService) -> dg.AssetsDefinition:
    """Return the asset that recomputes what the server logged since the last time as training would read it."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore, _: OnlineStore) -> Comparison:
        with report_to(ProgressLines(context.log.info)):
            found = measure_skew(service, store, now=datetime.now(UTC), run_id=context.run.run_id)
        return found.features, {
            "requests": found.requests,
            "entities": found.entities,
            "requests_skipped": found.skipped,
            "features_of_another_type": list(found.retyped),
        }

    return _asset(
        skew_key(service),
        service,
        body,
        description=f"Logged responses of `{service.name}`, compared to what training reads for the same moments.",
        check=SERVING_EQUALS_TRAINING,
        claim="The values that were served are those that training reads for the same entities and moments.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def verification_schedule(project: Project) -> dg.ScheduleDefinition:
    """Return the schedule for every night; it is off until someone turns it on."""
    job = dg.define_asset_job(
        "verify",
        selection=dg.AssetSelection.assets(*verification_keys(project)),
        description="Compares online with offline values, and served values with those that training reads.",
    )
    return dg.ScheduleDefinition(name="verify_daily", job=job, cron_schedule=_NIGHTLY)


def verification_keys(project: Project) -> list[dg.AssetKey]:
    """Return the asset keys of all proofs."""
    return [key for each in project.services for key in (consistency_key(each), skew_key(each))]


def consistency_key(service: FeatureService) -> dg.AssetKey:
    """Return the asset key of the comparison of both stores."""
    return asset_key(TableKind.CONSISTENCY.of(service.name))


def skew_key(service: FeatureService) -> dg.AssetKey:
    """Return the asset key of the comparison of serving and training."""
    return asset_key(TableKind.SKEW.of(service.name))


def _asset(
    key: dg.AssetKey,
    service: FeatureService,
    body: Body,
    *,
    description: str,
    check: str,
    claim: str,
    severity: dg.AssetCheckSeverity,
) -> dg.AssetsDefinition:
    """Return the asset of a comparison, with its check.

    Args:
        check: the name of the check.
        claim: what the check says when it passes.
        severity: how bad a difference is.
    """

    @dg.asset(
        key=key,
        deps=[asset_key(f"online/{view.name}") for view in service.stored_views],
        group_name=key.path[0],
        description=description,
        owners=[service.owner] if service.owner else None,
        kinds={"polars", "deltalake"},
        tags={"feature_platform/kind": key.path[0]},
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec(check, asset=key, description=claim)],
    )
    def compare(
        context: dg.AssetExecutionContext,
        offline_store: dg.ResourceParam[OfflineStore],
        online_store: dg.ResourceParam[OnlineStore],
    ) -> Iterator[dg.MaterializeResult[object]]:
        features, facts = body(context, offline_store, online_store)
        yield dg.MaterializeResult(
            asset_key=key, metadata=facts | _metadata(features), check_results=[_check(key, check, features, severity)]
        )

    return compare


def _published_moments(service: FeatureService, online: OnlineStore) -> list[datetime]:
    """Return the moments that the views of a service were published for; no earlier moment can be requested."""
    tables = [online.table(view.name) for view in service.stored_views]
    return [instant(table.published_at, "Published at") for table in tables if table is not None]


def _metadata(features: pl.DataFrame) -> Metadata:
    table = features.drop("examples")
    examples = [text for texts in features["examples"].to_list() for text in texts]
    metadata: Metadata = {
        "values_compared": int(features["compared"].sum()),
        "values_ahead": int(features["ahead"].sum()),
        "differences": difference_count(features),
        "by_feature": dg.MetadataValue.md(markdown_table(table)),
    }
    return metadata | (
        {"examples": dg.MetadataValue.md("\n".join(f"- {escape_markdown(text)}" for text in examples))}
        if examples
        else {}
    )


def _check(
    key: dg.AssetKey, check: str, features: pl.DataFrame, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    differing = features.filter(pl.sum_horizontal("mismatch", "missing", "extra") > 0)
    descriptions = [
        f"{row['feature']} ({_counts(row)} of {row['compared']})" for row in differing.iter_rows(named=True)
    ]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=not descriptions,
        severity=severity,
        description=f"Values differ: {', '.join(descriptions)}." if descriptions else None,
        metadata={"values": int(features["compared"].sum())},
    )


def _counts(row: dict[str, object]) -> str:
    kinds = ("mismatch", "missing", "extra")
    return ", ".join(f"{row[kind]} {kind}" for kind in kinds if row[kind])

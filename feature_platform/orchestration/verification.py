"""Proofs that serving tells the truth, as Dagster assets: online against offline, and logged answers against training.

Each keeps its comparison as a table and says it in a check; a schedule runs them every night, once someone turns it on.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from feature_platform.compute.serving.compared import difference_count
from feature_platform.declarations.project import Project
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.clock import instant
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.progress import Lines, report_to
from feature_platform.offline import OfflineStore
from feature_platform.online import OnlineStore
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.orchestration.metadata import Metadata, asset_key
from feature_platform.orchestration.partitions import present
from feature_platform.verification.consistency import check_consistency
from feature_platform.verification.skew import measure_skew

ONLINE_EQUALS_OFFLINE = "online_equals_offline"
SERVING_EQUALS_TRAINING = "serving_equals_training"
_NIGHTLY = "30 3 * * *"

Found = tuple[pl.DataFrame, Metadata]
Body = Callable[[dg.AssetExecutionContext, OfflineStore, OnlineStore], Found]


def verification_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The proofs of every service."""
    made = [(consistency_asset(each, project), skew_asset(each)) for each in project.services]
    return [asset for pair in made for asset in pair]


def consistency_asset(service: FeatureService, project: Project) -> dg.AssetsDefinition:
    """Real keys asked of both stores at one moment; other keys every day."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore, online: OnlineStore) -> Found:
        now = max([present(project), *_published(service, online)])
        seed = datetime.now(UTC).toordinal()
        with report_to(Lines(context.log.info)):
            found = check_consistency(service, store, online, now=now, seed=seed, run_id=context.run.run_id)
        return found.features, {"entities": found.entities, "at": dg.MetadataValue.timestamp(now), "seed": seed}

    return _asset(
        consistency_key(service),
        service,
        [asset_key(f"online/{view.name}") for view in service.views],
        body,
        f"Real keys of `{service.name}` asked of the online store and of the offline tables, value by value.",
        dg.AssetCheckSpec(
            ONLINE_EQUALS_OFFLINE,
            asset=consistency_key(service),
            description="The online store says what the offline store says, of the same version at the same moment.",
        ),
        dg.AssetCheckSeverity.ERROR,
    )


def skew_asset(service: FeatureService) -> dg.AssetsDefinition:
    """What the server logged since the last time, recomputed as training would see it."""

    def body(context: dg.AssetExecutionContext, store: OfflineStore, _: OnlineStore) -> Found:
        with report_to(Lines(context.log.info)):
            found = measure_skew(service, store, now=datetime.now(UTC), run_id=context.run.run_id)
        return found.features, {
            "requests": found.requests,
            "entities": found.entities,
            "requests_skipped": found.skipped,
        }

    return _asset(
        skew_key(service),
        service,
        [asset_key(f"online/{view.name}") for view in service.views],
        body,
        f"Logged answers of `{service.name}`, recomputed as of their instants.",
        dg.AssetCheckSpec(
            SERVING_EQUALS_TRAINING,
            asset=skew_key(service),
            description="What was served is what training sees of the same entities at the same instants.",
        ),
        dg.AssetCheckSeverity.WARN,
    )


def verification_schedule(project: Project) -> dg.ScheduleDefinition:
    """Every night, once someone turns it on."""
    job = dg.define_asset_job(
        "verify",
        selection=dg.AssetSelection.assets(*verification_keys(project)),
        description="Does online say what offline says, and was that served which is trained on?",
    )
    return dg.ScheduleDefinition(name="verify_daily", job=job, cron_schedule=_NIGHTLY)


def verification_keys(project: Project) -> list[dg.AssetKey]:
    """The asset keys of all proofs."""
    return [key for each in project.services for key in (consistency_key(each), skew_key(each))]


def consistency_key(service: FeatureService) -> dg.AssetKey:
    """The asset key of the comparison of both stores."""
    return dg.AssetKey(["consistency", service.name])


def skew_key(service: FeatureService) -> dg.AssetKey:
    """The asset key of the comparison of serving and training."""
    return dg.AssetKey(["skew", service.name])


def _asset(
    key: dg.AssetKey,
    service: FeatureService,
    deps: list[dg.AssetKey],
    body: Body,
    description: str,
    check: dg.AssetCheckSpec,
    severity: dg.AssetCheckSeverity,
) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        deps=deps,
        group_name=key.path[0],
        description=description,
        owners=[service.owner] if service.owner else None,
        kinds={"polars", "deltalake"},
        tags={"feature_platform/kind": key.path[0]},
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[check],
    )
    def compared(
        context: dg.AssetExecutionContext,
        offline_store: dg.ResourceParam[OfflineStore],
        online_store: dg.ResourceParam[OnlineStore],
    ) -> Iterator[dg.MaterializeResult[object]]:
        features, facts = body(context, offline_store, online_store)
        yield dg.MaterializeResult(
            asset_key=key, metadata=facts | _metadata(features), check_results=[_check(key, check, features, severity)]
        )

    return compared


def _published(service: FeatureService, online: OnlineStore) -> list[datetime]:
    """The moments that the views of a service were published for: before them nothing may be asked."""
    tables = [online.table(view.name) for view in service.views]
    return [instant(table.published_at, "Published at") for table in tables if table is not None]


def _metadata(features: pl.DataFrame) -> Metadata:
    shown = features.drop("examples")
    examples = [text for texts in features["examples"].to_list() for text in texts]
    found: Metadata = {
        "values_compared": int(features["compared"].sum()),
        "values_ahead": int(features["ahead"].sum()),
        "differences": difference_count(features),
        "by_feature": dg.MetadataValue.md(markdown_table(shown)),
    }
    return found | (
        {"examples": dg.MetadataValue.md("\n".join(f"- {escape_markdown(text)}" for text in examples))}
        if examples
        else {}
    )


def _check(
    key: dg.AssetKey, check: dg.AssetCheckSpec, features: pl.DataFrame, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    differing = features.filter(pl.sum_horizontal("mismatch", "missing", "extra") > 0)
    told = [f"{row['feature']} ({_counts(row)} of {row['compared']})" for row in differing.iter_rows(named=True)]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=not told,
        severity=severity,
        description=f"Values differ: {', '.join(told)}." if told else None,
        metadata={"values": int(features["compared"].sum())},
    )


def _counts(row: dict[str, object]) -> str:
    kinds = ("mismatch", "missing", "extra")
    return ", ".join(f"{row[kind]} {kind}" for kind in kinds if row[kind])

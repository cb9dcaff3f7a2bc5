"""Monitoring as Dagster assets: one for each table, partitioned like it, with checks, plots and pictures.

No alert is sent from here, but from `alerts`: a run that is tried again, or a backfill, would send it again.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.ground.progress import ProgressLines, report_to
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.partitions import (
    MonitoringResult,
    empty_result,
    monitor_asset,
    monitoring_version,
)
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.orchestration.metadata import Metadata, asset_key
from feature_platform.orchestration.monitored_metadata import (
    monitoring_check_results,
    monitoring_check_specs,
    monitoring_metadata,
)
from feature_platform.orchestration.partition_events import PartitionReport, RangeEvent, range_events
from feature_platform.orchestration.partitions import dagster_partitions

Event = dg.AssetCheckResult | RangeEvent
_NOTHING = "nothing committed"  # the data version of what could not be judged
_JUDGED = "partitions_judged"
MONITORING = "monitoring"


def monitoring_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the monitoring assets of all tables of a project."""
    return [monitoring_asset(each, project) for each in project.assets]


def monitoring_asset(asset: Asset, project: Project) -> dg.AssetsDefinition:
    """Return the asset that judges new partitions of a table against earlier ones."""
    key = monitoring_key(asset)

    @dg.asset(
        key=key,
        deps=[asset_key(asset.asset)],
        group_name=MONITORING,
        description=f"Partitions of `{asset.asset}` judged against those before: "
        + ("drift, and " if getattr(asset, "monitor", None) else "")
        + "volume, schema, units, keys and columns that died.",
        owners=[asset.owner] if asset.owner else None,
        kinds={"polars", "deltalake"},
        tags={"feature_platform/kind": MONITORING},
        metadata={"monitor": repr(getattr(asset, "monitor", None))},
        code_version=monitoring_version(asset),
        partitions_def=dagster_partitions(project.partitions) if is_partitioned(asset) else None,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=monitoring_check_specs(key, asset),
        output_required=False,
    )
    def judge(context: dg.AssetExecutionContext, offline_store: dg.ResourceParam[OfflineStore]) -> Iterator[Event]:
        context.log.info(f"{TableKind.MONITORING.of(asset.asset)}: begins.")
        keys = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
        with report_to(ProgressLines(context.log.info)):
            found = _monitor(asset, project, offline_store, keys, context.run.run_id)
        yield from _events(context, asset, found)

    return judge


def _monitor(asset: Asset, project: Project, store: OfflineStore, keys: Sequence[str], run_id: str) -> MonitoringResult:
    if not store.exists(asset.asset):
        return empty_result(asset)
    return monitor_asset(asset, project, store, keys, run_id)


def monitoring_key(asset: Asset) -> dg.AssetKey:
    """Return the asset key of the monitoring of a table."""
    return asset_key(TableKind.MONITORING.of(asset.asset))


def _events(context: dg.AssetExecutionContext, asset: Asset, found: MonitoringResult) -> Iterator[Event]:
    """Yield check results about the worst partition that was judged, and an event for each partition.

    A partition that was asked for and is not committed has an event, too: it says that nothing was judged. Without it,
    Dagster would call a backfill failed.
    """
    key, hashes = context.asset_key, {} if found.commit is None else found.commit.hashes
    requested = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    context.log.info(_summary_of(asset, found, requested))
    history = pl.concat([found.before, found.rows])
    yield from monitoring_check_results(key, found.rows, asset, history)
    partitions = [
        PartitionReport(each, hashes.get(each, _NOTHING), _partition_metadata(each, found, history))
        for each in requested
    ]
    if len(partitions) > 1:
        yield from range_events(context, key, partitions)
        return
    (alone,) = partitions
    version = dg.DataVersion(alone.data_version)
    yield dg.MaterializeResult(asset_key=key, metadata=alone.metadata, data_version=version)


def _partition_metadata(partition: str, found: MonitoringResult, history: pl.DataFrame) -> Metadata:
    """Return the metadata of one partition; the newest that was judged has pictures."""
    if partition not in found.partitions:
        return {_JUDGED: 0, "summary": dg.MetadataValue.md("Nothing is committed of it, so nothing was judged.")}
    rows = found.rows.filter(pl.col("partition") == partition)
    judged = found.judgement if partition == found.partitions[-1] else None
    return {_JUDGED: 1, **monitoring_metadata(rows, judged, history)}


def _summary_of(asset: Asset, found: MonitoringResult, requested: Sequence[str]) -> str:
    uncommitted = len(requested) - len(found.partitions)
    nothing = f", {uncommitted} with nothing committed" if uncommitted else ""
    version = "no version" if found.commit is None else f"version {found.commit.version}"
    return f"{TableKind.MONITORING.of(asset.asset)}: {version}, {len(found.partitions)} partition(s) judged{nothing}."

"""Monitoring as Dagster assets: one for each table, partitioned like it, with checks, plots and pictures.

Nobody is alerted here: a run that is tried again, or a backfill, would tell it again. See `orchestration/alerts.py`.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.ground.progress import Lines, report_to
from feature_platform.monitoring.partitions import (
    Monitored,
    monitor_asset,
    monitoring_table,
    monitoring_version,
    nothing_monitored,
)
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.orchestration.metadata import Metadata, asset_key
from feature_platform.orchestration.monitored_metadata import (
    check_results,
    monitoring_check_specs,
    monitoring_metadata,
)
from feature_platform.orchestration.partition_events import PartitionTold, RangeEvent, range_events
from feature_platform.orchestration.partitions import dagster_partitions

Event = dg.AssetCheckResult | RangeEvent
_NOTHING = "nothing committed"  # the data version of what could not be judged
_JUDGED = "partitions_judged"
MONITORING = "monitoring"


def monitoring_assets(project: Project) -> list[dg.AssetsDefinition]:
    """What watches the tables of a project."""
    return [monitoring_asset(each, project) for each in project.assets]


def monitoring_asset(asset: Asset, project: Project) -> dg.AssetsDefinition:
    """New partitions of a table judged against those before."""
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
    def watched(context: dg.AssetExecutionContext, offline_store: dg.ResourceParam[OfflineStore]) -> Iterator[Event]:
        context.log.info(f"{monitoring_table(asset)}: begins.")
        keys = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
        with report_to(Lines(context.log.info)):
            found = _monitored(asset, project, offline_store, keys, context.run.run_id)
        yield from _events(context, asset, found)

    return watched


def _monitored(asset: Asset, project: Project, store: OfflineStore, keys: Sequence[str], run_id: str) -> Monitored:
    if not store.exists(asset.asset):
        return nothing_monitored(asset)
    return monitor_asset(asset, project, store, keys, run_id)


def monitoring_key(asset: Asset) -> dg.AssetKey:
    """The asset key of what watches a table."""
    return asset_key(monitoring_table(asset))


def _events(context: dg.AssetExecutionContext, asset: Asset, found: Monitored) -> Iterator[Event]:
    """The checks speak of the worst partition that was judged; every partition has its own numbers.

    What was asked for and is not committed is told, too, as not judged: Dagster calls a backfill failed that leaves a
    partition untold.
    """
    key, hashes = context.asset_key, {} if found.commit is None else found.commit.hashes
    asked = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    context.log.info(_done(asset, found, asked))
    history = pl.concat([found.before, found.rows])
    yield from check_results(key, found.rows, asset, history)
    partitions = [PartitionTold(each, hashes.get(each, _NOTHING), _shown(each, found, history)) for each in asked]
    if len(partitions) > 1:
        yield from range_events(context, key, partitions)
        return
    (alone,) = partitions
    version = dg.DataVersion(alone.data_version)
    yield dg.MaterializeResult(asset_key=key, metadata=alone.metadata, data_version=version)


def _shown(partition: str, found: Monitored, history: pl.DataFrame) -> Metadata:
    """What is seen of one partition; the newest that was judged has pictures."""
    if partition not in found.partitions:
        return {_JUDGED: 0, "summary": dg.MetadataValue.md("Nothing is committed of it: nothing was judged.")}
    rows = found.rows.filter(pl.col("partition") == partition)
    judged = found.judged if partition == found.partitions[-1] else None
    return {_JUDGED: 1, **monitoring_metadata(rows, judged, history)}


def _done(asset: Asset, found: Monitored, asked: Sequence[str]) -> str:
    left = len(asked) - len(found.partitions)
    nothing = f", {left} with nothing committed" if left else ""
    version = "no version" if found.commit is None else f"version {found.commit.version}"
    return f"{monitoring_table(asset)}: {version}, {len(found.partitions)} partition(s) judged{nothing}."

"""Monitoring as Dagster assets: one for each table, partitioned like it, with checks, plots and pictures.

Nobody is alerted here: a run that is tried again, or a backfill, would tell it again. See `orchestration/alerts.py`.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.monitoring import Monitored, monitor_asset, monitoring_table, monitoring_version
from feature_platform.offline import OfflineStore
from feature_platform.offline.names import WHOLE
from feature_platform.orchestration.metadata import asset_key
from feature_platform.orchestration.monitored_metadata import (
    check_results,
    monitoring_check_specs,
    monitoring_metadata,
)
from feature_platform.orchestration.partitions import dagster_partitions
from feature_platform.progress import Lines, reported_to

GROUP = "monitoring"
Event = dg.AssetCheckResult | dg.MaterializeResult[object] | dg.AssetMaterialization
_DATA_VERSION, _CODE_VERSION = "dagster/data_version", "dagster/code_version"


def monitoring_assets(project: Project) -> list[dg.AssetsDefinition]:
    """What watches the tables of a project."""
    return [monitoring_asset(each, project) for each in project.assets]


def monitoring_asset(asset: Asset, project: Project) -> dg.AssetsDefinition:
    """New partitions of a table judged against those before."""
    key = monitoring_key(asset)

    @dg.asset(
        key=key,
        deps=[asset_key(asset.asset)],
        group_name=GROUP,
        description=f"Partitions of `{asset.asset}` judged against those before: "
        + ("drift, and " if getattr(asset, "monitor", None) else "")
        + "volume, schema, units, keys and columns that died.",
        owners=[asset.owner] if asset.owner else None,
        kinds={"polars", "deltalake"},
        tags={"feature_platform/kind": GROUP},
        metadata={"monitor": repr(getattr(asset, "monitor", None))},
        code_version=monitoring_version(asset),
        partitions_def=dagster_partitions(project.partitions) if is_partitioned(asset) else None,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=monitoring_check_specs(key, asset),
        output_required=False,
    )
    def watched(context: dg.AssetExecutionContext, offline_store: dg.ResourceParam[OfflineStore]) -> Iterator[Event]:
        keys = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
        with reported_to(Lines(context.log.info)):
            found = monitor_asset(asset, project, offline_store, keys, context.run.run_id)
        yield from _events(context, asset, found)

    return watched


def monitoring_key(asset: Asset) -> dg.AssetKey:
    """The asset key of what watches a table."""
    return asset_key(monitoring_table(asset))


def _events(context: dg.AssetExecutionContext, asset: Asset, found: Monitored) -> Iterator[Event]:
    """The checks speak of the newest partition that was judged; every partition has its own numbers.

    Of several each is told by itself: a result for all would say that what is not committed was judged, too.
    """
    if found.commit is None:
        context.log.info(f"{asset.asset}: nothing is committed of what was asked for.")
        return
    key, hashes = context.asset_key, found.commit.hashes
    done = f"version {found.commit.version}, {len(found.partitions)} partition(s) judged"
    context.log.info(f"{monitoring_table(asset)}: {done}.")
    newest = found.partitions[-1]
    by_partition = {each: found.rows.filter(pl.col("partition") == each) for each in found.partitions}
    history = pl.concat([found.before, found.rows])
    yield from check_results(key, by_partition[newest], asset, history)
    asked = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    shown = monitoring_metadata(by_partition[newest], found.judged, history)
    if asked == [newest]:
        yield dg.MaterializeResult(asset_key=key, metadata=shown, data_version=dg.DataVersion(hashes[newest]))
        return
    for partition in found.partitions:
        metadata = shown if partition == newest else monitoring_metadata(by_partition[partition], None, history)
        tags = {_DATA_VERSION: hashes[partition], _CODE_VERSION: monitoring_version(asset)}
        yield dg.AssetMaterialization(asset_key=key, partition=partition, metadata=metadata, tags=tags)

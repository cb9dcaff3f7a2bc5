"""Results of monitoring checks that a run does not reach, because a table upstream of them has nothing new in it.

Dagster runs no step downstream of one that failed or gave nothing, and shows every check that it had planned there as
one that failed to execute, as if monitoring were broken. So the step that knows the reason reports results for them,
with what is known from before: a check that had failed does not turn green by that.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.ground.pictures.markdown import escape_markdown
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.metadata import asset_key
from feature_platform.orchestration.monitored_metadata import monitoring_check_results


def monitoring_not_reached(
    context: dg.AssetExecutionContext, why: str, project: Project, store: OfflineStore
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield what is known from before for each monitoring check of this run downstream of the current asset.

    Nothing is judged and nothing is written. Checks of the downstream tables themselves, such as expectations of a
    view, have no result: it is not known whether they hold.

    Args:
        why: what happened to the asset, as a clause.
    """
    watched = {asset_key(TableKind.MONITORING.of(each.asset)): each for each in project.assets}
    reason = escape_markdown(f"Not judged: {why}, so this run commits nothing new to judge.")
    for key in _downstream_of(context):
        if key in watched:
            yield from _earlier_results(context, key, watched[key], reason, store)


def _earlier_results(
    context: dg.AssetExecutionContext, key: dg.AssetKey, asset: Asset, reason: str, store: OfflineStore
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the check results of one monitored table, from the stored rows about the partitions of this run."""
    name, rows = TableKind.MONITORING.of(asset.asset), pl.DataFrame(schema=MONITORED)
    if store.exists(name):
        of_partitions = is_partitioned(asset) and (context.has_partition_key or context.has_partition_key_range)
        partitions = list(context.partition_keys) if of_partitions else None
        rows = store.read(name, partitions=partitions).select(MONITORED.names()).collect()
    judged = {"partitions_judged": dg.MetadataValue.int(0)}
    for result in monitoring_check_results(key, rows, asset):
        known = f"\n\nKnown from before:\n\n{result.description}" if result.description and rows.height else ""
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=str(result.check_name),
            passed=result.passed,
            metadata={**result.metadata, **judged},
            severity=result.severity,
            description=f"{reason}{known}",
            blocking=False,
        )


def _downstream_of(context: dg.AssetExecutionContext) -> list[dg.AssetKey]:
    """Return the assets of this run that wait for the current one, directly or through others."""
    layer = context.job_def.asset_layer
    downstream: dict[dg.AssetKey, None] = {}
    waiting = [context.asset_key]
    while waiting:
        children = layer.asset_graph.get(waiting.pop()).child_keys & layer.selected_asset_keys
        new = sorted(children - downstream.keys())
        downstream.update(dict.fromkeys(new))
        waiting.extend(new)
    return list(downstream)

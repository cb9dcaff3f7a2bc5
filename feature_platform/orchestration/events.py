"""The events of a run: check results first, then the materialization of every changed partition."""

from collections.abc import Collection, Iterator

import dagster as dg

from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.checks import counts_rows, expectation_results
from feature_platform.orchestration.data_docs import write_page
from feature_platform.orchestration.metadata import (
    Metadata,
    asset_key,
    materialization_metadata,
    profile_metadata,
    row_count,
)
from feature_platform.orchestration.partition_events import PartitionReport, RangeEvent, partition_events, range_events
from feature_platform.orchestration.unreached import monitoring_not_reached
from feature_platform.pipelines.results import PublishResult

Event = dg.AssetCheckResult | dg.AssetCheckEvaluation | RangeEvent
WHOLE = ""
PICTURED = 31  # partitions of a run; of more only the newest has its picture, which Dagster keeps for ever


def run_events(
    context: dg.AssetExecutionContext, asset: Asset, published: PublishResult, store: OfflineStore, project: Project
) -> Iterator[Event]:
    """Yield the events of one run of one asset; a refused candidate has only check results.

    When the run publishes nothing, Dagster runs nothing downstream, and the monitoring checks of this run are reported
    as not judged.
    """
    key = asset_key(asset.asset)
    docs = write_page(published, store, context.run.run_id)
    yield from expectation_results(key, published, counted=counts_rows(asset), docs=docs)
    commit = published.commit
    if commit is None:
        context.log.error(f"{asset.asset} was refused; its rows are in {published.quarantine}, the last version stays.")
        yield from monitoring_not_reached(context, f"{asset.asset} was refused", project, store)
        return
    context.log.info(f"{asset.asset}: version {commit.version}, {len(commit.changed)} partition(s) changed.")
    for partition, loss in published.candidate.kept.items():
        context.log.warning(f"{asset.asset}, partition {partition}, is left as it is: {loss}.")
    requested = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    requested = [each for each in requested if each in commit.hashes]  # not those that are left as they are
    if not requested:
        yield from monitoring_not_reached(context, f"{asset.asset} was left as it is", project, store)
        return
    metadata = materialization_metadata(asset, published, store) | docs
    reported = {*requested, *commit.changed} if len(requested) > 1 else {*commit.changed} - {*requested}
    profiled = {*requested, *reported} & published.profiles.keys()
    pictured = profiled if len(profiled) <= PICTURED else {max(profiled)}
    if len(requested) > 1:
        metadata |= {"rows_of_this_run": sum(published.rows.values())}
    partitions = [
        PartitionReport(each, commit.hashes[each], metadata | _partition_metadata(each, published, pictured))
        for each in sorted(reported)
    ]
    if len(requested) > 1:
        yield from range_events(context, key, partitions)
        return
    shown = metadata | _partition_metadata(requested[0], published, pictured)
    version = dg.DataVersion(commit.hashes[requested[0]])
    yield dg.MaterializeResult(asset_key=key, metadata=shown, data_version=version)
    yield from partition_events(context, key, partitions)


def _partition_metadata(partition: str, published: PublishResult, pictured: Collection[str]) -> Metadata:
    """Return what differs between partitions: rows, the share of missing values, the picture of the profile."""
    profile = published.profiles.get(partition)
    return row_count(partition, published.rows) | profile_metadata(profile, pictured=partition in pictured)

"""What a run tells Dagster: check results first, then the materialization of every changed partition."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

import dagster as dg

from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.checks import check_results, counts_rows
from feature_platform.orchestration.data_docs import kept_page
from feature_platform.orchestration.metadata import (
    Metadata,
    asset_key,
    materialization_metadata,
    profile_metadata,
    row_count,
)
from feature_platform.orchestration.unreached import monitoring_not_reached
from feature_platform.publishing import Published

Event = dg.AssetCheckResult | dg.AssetCheckEvaluation | dg.MaterializeResult[object] | dg.AssetMaterialization
WHOLE = ""
_DATA_VERSION = "dagster/data_version"
PICTURED = 31  # partitions of a run; of more only the newest has its picture, which Dagster keeps for ever


def run_events(
    context: dg.AssetExecutionContext, asset: Asset, published: Published, store: OfflineStore, project: Project
) -> Iterator[Event]:
    """The events of one run of one asset; a refused candidate has check results only.

    Where nothing comes of the run, nothing behind it runs, and the monitoring that waits for it is told as not judged.
    """
    key = asset_key(asset.asset)
    docs = kept_page(published, store, context.run.run_id)
    yield from check_results(key, published, counted=counts_rows(asset), docs=docs)
    commit = published.commit
    if commit is None:
        context.log.error(f"{asset.asset} was refused; its rows are in {published.quarantine}, the last version stays.")
        yield from monitoring_not_reached(context, f"{asset.asset} was refused", project, store)
        return
    context.log.info(f"{asset.asset}: version {commit.version}, {len(commit.changed)} partition(s) changed.")
    for partition, loss in published.candidate.kept.items():
        context.log.warning(f"{asset.asset}, partition {partition}, is left as it is: {loss}.")
    asked = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    asked = [each for each in asked if each in commit.hashes]  # not those that are left as they are
    if not asked:
        yield from monitoring_not_reached(context, f"{asset.asset} was left as it is", project, store)
        return
    metadata = materialization_metadata(asset, published, store) | docs
    rows = published.rows
    told = {*asked, *commit.changed} if len(asked) > 1 else {*commit.changed} - {*asked}
    profiled = {*asked, *told} & published.profiles.keys()
    pictured = profiled if len(profiled) <= PICTURED else {max(profiled)}
    counted: Metadata = {"rows_of_this_run": sum(rows.values())}  # Dagster tells this once for each of several
    if len(asked) == 1:
        counted = _of_partition(asked[0], published, pictured)
    version = data_version([commit.hashes[each] for each in asked])
    yield dg.MaterializeResult(asset_key=key, metadata=metadata | counted, data_version=dg.DataVersion(version))
    tags = provenance_tags(context, key, asked) if told else {}
    for partition in sorted(told):
        yield dg.AssetMaterialization(
            asset_key=key,
            partition=partition,
            metadata=metadata | _of_partition(partition, published, pictured),
            tags={**tags, _DATA_VERSION: commit.hashes[partition]},
        )


def _of_partition(partition: str, published: Published, pictured: Collection[str]) -> Metadata:
    """What differs from partition to partition: rows, the share of missing values, the picture of the profile."""
    profile = published.profiles.get(partition)
    return row_count(partition, published.rows) | profile_metadata(profile, pictured=partition in pictured)


def data_version(hashes: Sequence[str]) -> str:
    """The content hash of one partition, or a hash of those of several."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


def provenance_tags(context: dg.AssetExecutionContext, key: dg.AssetKey, asked: Sequence[str]) -> dict[str, str]:
    """The tags of the materialization just told, which say where it comes from.

    Dagster gives all partitions of one run the same data version, so each is told once more with its own.
    """
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=list(asked))
    records = context.instance.fetch_materializations(wanted, limit=1).records
    materialization = records[0].asset_materialization if records else None
    return dict(materialization.tags or {}) if materialization else {}

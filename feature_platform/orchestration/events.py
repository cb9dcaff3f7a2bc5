"""What a run tells Dagster: check results first, then the materialization of every changed partition."""

import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg

from feature_platform.declarations.project import Asset, is_partitioned
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.checks import check_results, counts_rows
from feature_platform.orchestration.metadata import asset_key, materialization_metadata
from feature_platform.publishing import Published

Event = dg.AssetCheckResult | dg.MaterializeResult[object] | dg.AssetMaterialization
WHOLE = ""
_DATA_VERSION = "dagster/data_version"


def run_events(
    context: dg.AssetExecutionContext, asset: Asset, published: Published, store: OfflineStore
) -> Iterator[Event]:
    """The events of one run of one asset; a refused candidate has check results only."""
    key = asset_key(asset.asset)
    yield from check_results(key, published, counted=counts_rows(asset))
    commit = published.commit
    if commit is None:
        context.log.error(
            f"{asset.asset} was refused; the rows are in {published.quarantine}, the last version stays."
        )
        return
    metadata = materialization_metadata(asset, published, store)
    context.log.info(f"{asset.asset}: version {commit.version}, {len(commit.changed)} partition(s) changed.")
    asked = list(context.partition_keys) if is_partitioned(asset) else [WHOLE]
    version = data_version([commit.hashes[each] for each in asked])
    yield dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=dg.DataVersion(version))
    if len(asked) > 1 or set(commit.changed) - set(asked):
        yield from _each_partition(context, key, published, asked)


def data_version(hashes: Sequence[str]) -> str:
    """The content hash of one partition, or a hash of those of several."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


def _each_partition(
    context: dg.AssetExecutionContext, key: dg.AssetKey, published: Published, asked: list[str]
) -> Iterator[dg.AssetMaterialization]:
    """The data version of each partition: Dagster gives all partitions of one run the same."""
    commit = published.commit
    if commit is None:
        return
    told = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=asked), limit=len(asked)
    )
    tags = next(
        (dict(each.asset_materialization.tags or {}) for each in told.records if each.asset_materialization),
        {},
    )
    several = asked if len(asked) > 1 else []
    for partition in sorted({*several, *commit.changed}):
        rows = commit.rows.get(partition, 0)
        yield dg.AssetMaterialization(
            asset_key=key,
            partition=partition,
            metadata={"dagster/partition_row_count": rows, "delta_version": commit.version},
            tags={**tags, _DATA_VERSION: commit.hashes[partition]},
        )

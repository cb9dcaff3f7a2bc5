"""One materialization for each partition of a run, with its own data version and metadata, see ADR 37.

Dagster makes one materialization for each partition of the run from an asset's result, and gives all of them the same
data version. Here the result of a range makes none, and each partition gets one event of its own, stored in batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import DagsterEventBatchMetadata

from feature_platform.orchestration.metadata import Metadata

RangeEvent = dg.MaterializeResult[object] | dg.DagsterEvent


@dataclass(frozen=True)
class PartitionReport:
    """What the event of one partition says: the hash of its content as its data version, and metadata for people."""

    partition: str
    data_version: str
    metadata: Metadata


def range_events(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[PartitionReport]
) -> Iterator[RangeEvent]:
    """Yield the result of an asset for a range, which lets downstream steps run, and one event for each partition.

    The result says, as that of an observable source does, that the step yields its events itself. If a new Dagster
    ignored that, it would make its own materializations before ours, and ours would still be the newest.
    """
    own_events = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    yield dg.MaterializeResult(asset_key=key, metadata=own_events)
    yield from partition_events(context, key, partitions)


def partition_events(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[PartitionReport]
) -> Iterator[dg.DagsterEvent]:
    """Yield a materialization for each partition, stored together."""
    step, tags = context.get_step_execution_context(), _provenance_tags(context, key)
    batch, last = uuid4().hex, len(partitions) - 1
    for number, report in enumerate(partitions):
        materialization = dg.AssetMaterialization(
            asset_key=key,
            partition=report.partition,
            metadata=report.metadata,
            tags={**tags, DATA_VERSION_TAG: report.data_version},
        )
        place = DagsterEventBatchMetadata(batch, is_end=number == last)
        yield dg.DagsterEvent.asset_materialization(step, materialization, place)


def _provenance_tags(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dict[str, str]:
    """Return the tags with which Dagster notes where a materialization comes from.

    For each input they name its newest materialization and the versions of the partitions that are read (for a hundred
    and more only the newest, as Dagster does).
    """
    step = context.get_step_execution_context()
    node = step.job_def.asset_layer.get(key)
    tags = {
        CODE_VERSION_TAG: node.code_version or context.run.run_id,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for parent in sorted(node.parent_keys):
        known = step.maybe_fetch_and_get_input_asset_version_info(parent)
        version = (known.data_version if known else None) or DEFAULT_DATA_VERSION
        tags[get_input_data_version_tag(parent)] = version.value
        tags[get_input_event_pointer_tag(parent)] = str(known.storage_id) if known else NULL_EVENT_POINTER
    return tags

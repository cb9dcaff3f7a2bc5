"""The project's partitions as Dagster's, and how windows map them onto one another."""

from datetime import UTC, datetime

import dagster as dg

from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Asset, Project, is_partitioned
from feature_platform.declarations.view import FeatureView
from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.aggregations.windows import UNBOUNDED
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.candidates.upstream import reach_us


def dagster_partitions(partitions: Partitions) -> dg.TimeWindowPartitionsDefinition:
    """Return the Dagster partitions with the same intervals and keys.

    Raises:
        InvalidDeclaration: the partitions have no start.
    """
    if partitions.start is None:
        raise InvalidDeclaration(
            "The project",
            "has no start for its partitions",
            'Declare e.g. fp.Partitions("daily", start="2024-01-01").',
        )
    start, end = partitions.start, partitions.end
    if partitions.grain == "hourly":
        return dg.HourlyPartitionsDefinition(start_date=start, end_date=end)
    if partitions.grain == "daily":
        return dg.DailyPartitionsDefinition(start_date=start, end_date=end)
    if partitions.grain == "weekly":
        return dg.WeeklyPartitionsDefinition(start_date=start, end_date=end, day_offset=1)
    return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end)


def upstream_mapping(asset: FeatureView | Label, upstream: Asset, partitions: Partitions) -> dg.PartitionMapping | None:
    """Return which partitions of an input one of an asset reads: as far back as its windows go, or all.

    Of what enriches its events it reads all: an old row holds until a newer one.
    """
    if not (asset.partitioned and is_partitioned(upstream)):
        return None
    is_dimension = isinstance(asset, FeatureView) and any(each.dimension is upstream for each in asset.enrichments)
    if is_dimension or reach_us(asset) >= UNBOUNDED:
        return dg.AllPartitionMapping()
    back = clock.partitions_back(reach_us(asset), partitions.grain)
    return dg.TimeWindowPartitionMapping(start_offset=-back, allow_nonexistent_upstream_partitions=True)


def span_of(context: dg.AssetExecutionContext, asset: Asset, partitions: Partitions) -> Span | None:
    """Return the interval that a run of an asset covers; None for an unpartitioned asset, whatever the run covers."""
    if not is_partitioned(asset):
        return None
    keys = context.partition_key_range
    return partitions.bounds(keys.start)[0], partitions.bounds(keys.end)[1]


def serving_moment(project: Project) -> datetime:
    """Return the moment from which on values are requested: now, or the end of the project when that has passed.

    So what a project of historical data serves can be requested as of any moment since its end.
    """
    now, end = datetime.now(UTC), project.partitions.end
    return now if end is None else min(now, end)

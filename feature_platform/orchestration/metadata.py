"""What people see of a materialization: rows, versions, columns, lineage, a preview."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.pictures import null_share, profile_picture
from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset, asset_upstream
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import OfflineStore
from feature_platform.orchestration.markdown import markdown_table
from feature_platform.pipelines.results import PublishResult

Metadata = dict[str, Any]  # whatever Dagster turns into a MetadataValue


def asset_key(name: str) -> dg.AssetKey:
    """Return the asset key of a table name: `views/carrier_delays` is `["views", "carrier_delays"]`."""
    return dg.AssetKey(name.split("/"))


def materialization_metadata(asset: Asset, published: PublishResult, store: OfflineStore) -> Metadata:
    """Return the metadata of one run's materialization; lineage and schema are under Dagster's own keys."""
    commit, candidate = published.commit, published.candidate
    if commit is None:
        return {}
    metadata: Metadata = {
        "dagster/table_name": asset.asset,
        "dagster/column_schema": column_schema(published.schema, asset),
        "delta_version": commit.version,
        "rows_read": candidate.rows_in,
        "partitions_changed": len(commit.changed),
        "input_versions": dg.MetadataValue.json(dict(candidate.inputs)),
        "preview": dg.MetadataValue.md(markdown_table(published.preview)),
        **candidate.notes,
    }
    if candidate.execution:
        metadata["execution"] = dg.MetadataValue.md("```\n" + candidate.execution.replace("```", "'''") + "\n```")
    if isinstance(asset, (FeatureView, Label)):
        metadata["dagster/column_lineage"] = _lineage(asset, store, candidate.inputs)
    return metadata


def row_count(partition: str, rows: Mapping[str, int]) -> Metadata:
    """Return the number of rows of a partition, or of a whole table (`""`), under the key that Dagster plots."""
    name = "dagster/partition_row_count" if partition else "dagster/row_count"
    return {name: rows.get(partition, 0)}


def profile_metadata(profile: PartitionProfile | None, *, pictured: bool) -> Metadata:
    """Return the share of missing values, which Dagster plots, and the picture of a partition's profile."""
    if profile is None:
        return {}
    picture = {"profile": dg.MetadataValue.md(profile_picture(profile))} if pictured else {}
    return {"null_share": null_share(profile), **picture}


def column_schema(schema: pl.Schema, asset: Asset) -> dg.TableSchema:
    """Return the columns of a table, their Polars types, and what people should know of them."""
    return dg.TableSchema([_column(name, dtype, asset) for name, dtype in schema.items()])


def _column(name: str, dtype: pl.DataType, asset: Asset) -> dg.TableColumn:
    about = asset.about.get(name) if isinstance(asset, FeatureView) else None
    if about is None:
        return dg.TableColumn(name, str(dtype))
    tags = dict.fromkeys(about.tags, "") | ({} if about.stage is None else {"stage": about.stage})
    return dg.TableColumn(name, str(dtype), description=about.description or None, tags=tags)


def _lineage(asset: FeatureView | Label, store: OfflineStore, versions: Mapping[str, int]) -> dg.TableColumnLineage:
    tables = [each.asset for each in asset_upstream(asset)]
    schemas = {name: store.read(name, version=versions.get(name)).collect_schema() for name in tables}
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=asset_key(table), column_name=column) for table, column in behind]
            for name, behind in lineage_by_table(asset, schemas).items()
        }
    )

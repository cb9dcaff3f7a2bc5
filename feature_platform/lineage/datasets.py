"""The data that a run read and wrote, in the words of OpenLineage: names, columns, owners, results of expectations."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import quote

import polars as pl
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    OutputDatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    datasource_dataset,
    documentation_dataset,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
    tags_dataset,
)

from feature_platform.compute.transforms.lineage import lineage_by_table
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset, asset_upstream, kind_of_declaration
from feature_platform.declarations.source import Source
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.lineage.naming import DatasetName, name_place, name_raw_data
from feature_platform.lineage.records import TableSchemas

PRODUCER = "urn:feature-platform"
INTEGRATION = "FEATURE_PLATFORM"
_SEVERITIES = {"critical": "error", "warning": "warn"}

Facet = TypeVar("Facet")
Facets = dict[str, DatasetFacet]


def make_facet(kind: Callable[..., Facet], **values: object) -> Facet:
    """Return a facet that names this platform as its producer."""
    return kind(producer=PRODUCER, **values)


@dataclass(frozen=True)
class StoredTables:
    """The tables of a store.

    Attributes:
        address: below which they are.
        namespace: in which a table has its plain name, such as `views/spending`, too.
        schemas: of the tables that runs published or read.
    """

    address: str
    namespace: str
    schemas: TableSchemas
    _behind: dict[Any, Mapping[str, tuple[tuple[str, str], ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def name_table(self, table: str) -> DatasetName:
        """Return the name of a table: where it is."""
        return name_place(f"{self.address}/{table}")

    def facets_of(self, table: str, version: int | None) -> Facets:
        """Return what is said of a table at a version, whether it was read or written."""
        plain_name = symlinks_dataset.Identifier(namespace=self.namespace, name=table, type="TABLE")
        facets: Facets = {
            "symlinks": make_facet(symlinks_dataset.SymlinksDatasetFacet, identifiers=[plain_name]),
            "storage": make_facet(storage_dataset.StorageDatasetFacet, storageLayer="delta", fileFormat="parquet"),
            "datasetType": make_facet(dataset_type_dataset.DatasetTypeDatasetFacet, datasetType="TABLE"),
            "dataSource": _source_facet("feature_platform", self.name_table(table)),
        }
        if version is not None:
            facets["version"] = _version_facet(version)
            schema = self.schemas.get((table, version))
            if schema is not None:
                facets["schema"] = make_facet(schema_dataset.SchemaDatasetFacet, fields=_fields_of(schema))
        return facets

    def columns_behind(
        self, asset: FeatureView | Label, schemas: Mapping[str, pl.Schema]
    ) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Return the tables and columns behind each column; found once, since it runs the function for each."""
        key = asset.asset, tuple((name, *schema.items()) for name, schema in schemas.items())
        if key not in self._behind:
            self._behind[key] = lineage_by_table(asset, schemas)
        return self._behind[key]


def inputs_of(record: Mapping[str, Any], asset: Asset | None, tables: StoredTables) -> Iterator[InputDataset]:
    """Yield what a run read: tables at their versions, and the raw data of a source.

    The record of a run that failed has no versions; then it is what its declaration reads.
    """
    versions: dict[str, int | None] = {each["table"]: each["version"] for each in record["inputs_declared"] or ()}
    if asset is not None and record["version"] is None:
        versions = {**{each.asset: None for each in asset_upstream(asset)}, **versions}
    if isinstance(asset, Source):
        opened = {name_place(each["table"]): each["version"] for each in record["inputs_opened"] or ()}
        name = name_raw_data(asset)
        facets: Facets = {"dataSource": _source_facet(asset.connector.kind, name)}
        if name in opened:
            facets["version"] = _version_facet(opened[name])
        yield InputDataset(*name, facets=facets)
    for table, version in versions.items():
        yield InputDataset(*tables.name_table(table), facets=tables.facets_of(table, version))


def output_of(record: Mapping[str, Any], asset: Asset | None, tables: StoredTables) -> OutputDataset:
    """Return what a run wrote: its table, and what is known of it."""
    table, checks = record["asset"], record["checks"] or ()
    facets = tables.facets_of(table, record["version"])
    if asset is not None:
        facets |= _declared_facets(asset, tables.schemas.get((table, record["version"])) or ())
        columns = _column_lineage(record, asset, tables)
        facets |= {} if columns is None else {"columnLineage": columns}
    if checks:  # the standard has it as a facet of inputs; it is said where the rows were judged, as others do
        columns_of = {each.check_name: each.subject for each in getattr(asset, "expectations", ())}
        results = [_assertion(each, columns_of.get(each["name"], ())) for each in checks]
        kind = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet
        facets["dataQualityAssertions"] = cast("DatasetFacet", make_facet(kind, assertions=results))
    written: dict[str, OutputDatasetFacet] = {}
    if record["version"] is not None and record["rows_out"] is not None:
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
        written["outputStatistics"] = make_facet(statistics, rowCount=record["rows_out"])
    return OutputDataset(*tables.name_table(table), facets=facets, outputFacets=written)


def _declared_facets(asset: Asset, columns: Iterable[str]) -> Facets:
    facets: Facets = {"tags": make_facet(tags_dataset.TagsDatasetFacet, tags=list(_tags_of(asset, columns)))}
    if asset.owner:
        owners = [ownership_dataset.Owner(name=asset.owner, type="OWNER")]
        facets["ownership"] = make_facet(ownership_dataset.OwnershipDatasetFacet, owners=owners)
    if asset.description:
        kind = documentation_dataset.DocumentationDatasetFacet
        facets["documentation"] = make_facet(kind, description=asset.description)
    return facets


def _tags_of(asset: Asset, columns: Iterable[str]) -> Iterator[tags_dataset.TagsDatasetFacetFields]:
    """Yield the kind of an asset, and which of its columns are keys and clocks."""
    yield tags_dataset.TagsDatasetFacetFields(key="kind", value=kind_of_declaration(asset), source=INTEGRATION)
    if isinstance(asset, TrainingSet):
        return
    roles = {asset.known_at: "known at", asset.event_time: "event time"}
    roles |= {} if isinstance(asset, Source) else dict.fromkeys(asset.join_keys, "join key")
    for column in columns:
        if column in roles:
            yield tags_dataset.TagsDatasetFacetFields(key="role", value=roles[column], source=INTEGRATION, field=column)


def _column_lineage(
    record: Mapping[str, Any], asset: Asset, tables: StoredTables
) -> column_lineage_dataset.ColumnLineageDatasetFacet | None:
    """Return which columns of other tables each column is made of; None unless the code is still that of the run."""
    if not isinstance(asset, (FeatureView, Label)) or record["code_version"] != code_of(asset).version:
        return None
    versions = {each["table"]: each["version"] for each in record["inputs_declared"] or ()}
    names = [each.asset for each in asset_upstream(asset)]
    schemas = {name: tables.schemas.get((name, versions.get(name, -1))) for name in names}
    known = {name: schema for name, schema in schemas.items() if schema is not None}
    if len(known) < len(names):
        return None
    fields = {
        column: column_lineage_dataset.Fields(
            inputFields=[
                column_lineage_dataset.InputField(*tables.name_table(table), field=each) for table, each in behind
            ]
        )
        for column, behind in tables.columns_behind(asset, known).items()
        if behind
    }
    return make_facet(column_lineage_dataset.ColumnLineageDatasetFacet, fields=fields)


def _assertion(check: Mapping[str, Any], columns: tuple[str, ...]) -> data_quality_assertions_dataset.Assertion:
    """Return the result of an expectation, without the values that it found: rows of people may be among them."""
    return data_quality_assertions_dataset.Assertion(
        assertion=check["name"].partition("__")[0],
        success=check["passed"],
        column=columns[0] if len(columns) == 1 else None,
        severity=_SEVERITIES.get(check["severity"], check["severity"]),
        name=check["name"],
    )


def _fields_of(schema: pl.Schema | pl.Struct) -> list[schema_dataset.SchemaDatasetFacetFields]:
    columns = [(each.name, each.dtype) for each in schema.fields] if isinstance(schema, pl.Struct) else schema.items()
    return [
        schema_dataset.SchemaDatasetFacetFields(
            name=name,
            type=str(dtype),
            ordinal_position=number,
            fields=_fields_of(dtype) if isinstance(dtype, pl.Struct) else [],
        )
        for number, (name, dtype) in enumerate(columns, start=1)
    ]


def _version_facet(version: int) -> DatasetFacet:
    return make_facet(dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=str(version))


def _source_facet(kind: str, name: DatasetName) -> DatasetFacet:
    place = {"file": "file://"}.get(name.namespace, name.namespace)
    uri = place + name.name if place.endswith("//") else f"{place}/{name.name}"
    return make_facet(datasource_dataset.DatasourceDatasetFacet, name=kind, uri=quote(uri, safe=":/@"))

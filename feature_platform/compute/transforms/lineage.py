"""Column lineage: which columns of its source each column of a declaration is made from.

It comes from Polars: a scan notes which columns the optimizer wants of it, once for each output column.
"""

from collections.abc import Collection, Iterator, Mapping

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.compute.transforms.enriched import enriched_schema
from feature_platform.compute.transforms.rows import as_events
from feature_platform.compute.transforms.unions import schema_of_read
from feature_platform.declarations.ahead import columns_of
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import AS_OF, KNOWN_AT
from feature_platform.declarations.source import Transform
from feature_platform.declarations.view import FeatureView, is_windowed


def column_lineage(asset: FeatureView | Label, source_schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """Return the source columns behind each feature or label, filters included.

    Args:
        source_schema: the columns of the source's table.
    """
    outputs = columns_read(asset.transform, source_schema)
    if not asset.aggregations:
        return outputs
    rows = [column for column in source_schema if all(column in read for read in outputs.values())]
    behind = {
        column: tuple(dict.fromkeys([*(read for name in aggregation.reads for read in outputs.get(name, ())), *rows]))
        for aggregation in asset.aggregations
        for feature in aggregation.features
        for column in columns_of(aggregation, feature)
    }
    for name, expression in asset.windows.derived.items() if is_windowed(asset) else ():
        behind[name] = tuple(dict.fromkeys(read for root in expression.meta.root_names() for read in behind[root]))
    return {**{key: outputs[key] for key in asset.join_keys if key in outputs}, **behind}


def lineage_by_table(
    asset: FeatureView | Label, schemas: Mapping[str, pl.Schema]
) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the columns behind each feature or label, each with its table: of its source and of what enriches it.

    Behind a column that enriches an event are that column of its table, the key that finds its row, and both clocks.

    Args:
        schemas: the columns of the tables that the asset is made from, by name.
    """
    given = _schemas_given(asset, schemas)
    if isinstance(asset, Label) or not asset.enrichments:
        behind = column_lineage(asset, schema_of_read(asset.source, given))
        found = {
            name: tuple(pair for column in columns for pair in _columns_read(asset, column, given))
            for name, columns in behind.items()
        }
    else:
        added = {
            name: _behind_added(asset, each, own, given)
            for each in asset.enrichments
            for name, own in each.columns.items()
        }
        found = {
            feature: tuple(pair for name in columns for pair in added.get(name) or _columns_read(asset, name, given))
            for feature, columns in column_lineage(asset, enriched_schema(asset, given)).items()
        }
    instants = [each.asset for each in asset.source.members if is_windowed(each)]
    stored = {(source, KNOWN_AT): (source, AS_OF) for source in instants}
    return {name: tuple(dict.fromkeys(stored.get(pair, pair) for pair in pairs)) for name, pairs in found.items()}


def _schemas_given(asset: FeatureView | Label, schemas: Mapping[str, pl.Schema]) -> dict[str, pl.Schema]:
    """Return the columns of tables as the function of an asset is given them, from those that are stored."""
    enriching = (each.dimension for each in asset.enrichments) if isinstance(asset, FeatureView) else ()
    tables = (each for each in (*asset.source.members, *enriching) if each.asset in schemas)
    return {
        **schemas,
        **{each.asset: as_events(each, pl.LazyFrame(schema=schemas[each.asset])).collect_schema() for each in tables},
    }


def _columns_read(
    asset: FeatureView | Label, name: str, schemas: Mapping[str, pl.Schema]
) -> tuple[tuple[str, str], ...]:
    """Return the columns that one of a source is, each with its table: of a union in each member that has it."""
    return tuple((each.asset, name) for each in asset.source.members if name in schemas[each.asset])


def _behind_added(
    view: FeatureView, by: Enrichment, column: str, schemas: Mapping[str, pl.Schema]
) -> tuple[tuple[str, str], ...]:
    """Return the columns behind one that enriches events; the key that finds it may have been added itself."""
    added = {name: (each.asset, own) for each in view.enrichments for name, own in each.columns.items()}
    keys: list[tuple[str, str]] = []
    for mine, theirs in by.on.items():
        keys += [(by.asset, theirs), *([added[mine]] if mine in added else _columns_read(view, mine, schemas))]
    time = str(view.source.event_time)
    clocks = [] if by.event_time is None else [(by.asset, by.event_time), *_columns_read(view, time, schemas)]
    return ((by.asset, column), *keys, *clocks)


def columns_read(
    transform: Transform, schema: pl.Schema, wanted: Collection[str] | None = None
) -> Mapping[str, tuple[str, ...]]:
    """Return for each column that a function returns the columns of its input that it needs.

    What every column needs decides which rows there are: filters. Where a function collects, all that it
    read by then is behind each column.

    Args:
        wanted: the columns to look at. Defaults to all.
    """
    asked: list[list[str]] = []

    def nothing(with_columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        asked.append(list(schema) if with_columns is None else with_columns)
        yield pl.DataFrame(schema=schema).select(asked[-1])

    rows = transform(register_io_source(nothing, schema=schema)).lazy()
    early = list(asked)
    columns: dict[str, tuple[str, ...]] = {}
    for name in (name for name in rows.collect_schema() if wanted is None or name in wanted):
        asked[:] = early
        rows.select(name).collect()
        columns[name] = tuple(dict.fromkeys(column for each in asked for column in each))
    return columns

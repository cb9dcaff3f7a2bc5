"""Column lineage: which columns of its source each column of a declaration is made from.

It comes from Polars: a scan notes which columns the optimizer wants of it, once for each output column.
"""

from collections.abc import Iterator, Mapping

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.declarations.label import Label
from feature_platform.declarations.source import Transform
from feature_platform.declarations.view import FeatureView, is_windowed


def column_lineage(asset: FeatureView | Label, source_schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """Return the source columns behind each feature or label, filters included.

    Args:
        source_schema: the columns of the source's table.
    """
    outputs = columns_read(asset.transform, source_schema)
    if not is_windowed(asset):
        return outputs
    rows = [column for column in source_schema if all(column in read for read in outputs.values())]
    behind = {
        feature: tuple(dict.fromkeys([*(read for name in aggregation.reads for read in outputs.get(name, ())), *rows]))
        for aggregation in asset.aggregations
        for feature in aggregation.features
    }
    for name, expression in asset.windows.derived.items():
        behind[name] = tuple(dict.fromkeys(read for root in expression.meta.root_names() for read in behind[root]))
    return {**{key: outputs[key] for key in asset.join_keys if key in outputs}, **behind}


def columns_read(transform: Transform, schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """Return for each column that a function returns the columns of its input that it needs.

    What every column needs decides which rows there are: filters. Where a function collects, all that it
    read by then is behind each column.
    """
    asked: list[list[str]] = []

    def nothing(with_columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        asked.append(list(schema) if with_columns is None else with_columns)
        yield pl.DataFrame(schema=schema).select(asked[-1])

    rows = transform(register_io_source(nothing, schema=schema)).lazy()
    early = list(asked)
    columns: dict[str, tuple[str, ...]] = {}
    for name in rows.collect_schema():
        asked[:] = early
        rows.select(name).collect()
        columns[name] = tuple(dict.fromkeys(column for each in asked for column in each))
    return columns

"""Column lineage: which columns of its source each column of a declaration is made from.

Polars tells: a scan that notes which columns the optimizer asks it for, once for each output column.
"""

from collections.abc import Iterator, Mapping

import polars as pl
from polars.io.plugins import register_io_source

from feature_platform.declarations.label import Label
from feature_platform.declarations.source import Transform
from feature_platform.declarations.view import FeatureView


def column_lineage(asset: FeatureView | Label, source_schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """The source columns behind each feature or label, filters included.

    Args:
        source_schema: the columns of the source's table.
    """
    windowing = asset.windowing if isinstance(asset, FeatureView) else None
    outputs = columns_read(asset.transform, source_schema)
    if windowing is None:
        return outputs
    rows = rows_read(asset.transform, source_schema)
    behind = {
        feature: tuple(dict.fromkeys([*(read for name in each.inputs for read in outputs.get(name, ())), *rows]))
        for each in windowing.aggregations
        for feature in each.features
    }
    return {**{key: outputs[key] for key in asset.join_keys if key in outputs}, **behind}


def columns_read(transform: Transform, schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """For each column that a function returns, the columns of its input that it needs."""
    with _Noting(schema) as noting:
        rows = transform(noting.scan).lazy()
        return {name: noting.read_by(rows.select(name)) for name in rows.collect_schema()}


def rows_read(transform: Transform, schema: pl.Schema) -> tuple[str, ...]:
    """The columns that decide which rows a function returns: those of its filters."""
    XX

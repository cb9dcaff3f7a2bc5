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
    behind = {
        feature: tuple(dict.fromkeys(column for name in each.inputs for column in outputs.get(name, ())))
        for each in windowing.aggregations
        for feature in each.features
    }
    return {**{key: outputs[key] for key in asset.join_keys if key in outputs}, **behind}


def columns_read(transform: Transform, schema: pl.Schema) -> Mapping[str, tuple[str, ...]]:
    """For each column that a function returns, the columns of its input that it needs."""
    asked: list[list[str] | None] = []

    def nothing(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        asked.append(with_columns)
        empty = pl.DataFrame(schema=schema)
        yield empty if with_columns is None else empty.select(with_columns)

    rows = transform(register_io_source(nothing, schema=schema))
    found: dict[str, tuple[str, ...]] = {}
    for name in rows.collect_schema():
        asked.clear()
        rows.select(name).collect()
        found[name] = tuple(dict.fromkeys(column for each in asked for column in (each or list(schema))))
    return found

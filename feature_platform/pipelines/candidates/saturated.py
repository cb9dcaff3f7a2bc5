"""Saturated times: the last moment that nanoseconds can hold, which Polars makes of Spark's INT96 times beyond 2262.

A connector that knows of such columns reads them exactly; this check is for all others, above all tables of Delta.
"""

import polars as pl

from feature_platform.declarations.source import Source
from feature_platform.ground.errors import SourceUnreadable

_LAST_NANOSECOND = 2**63 - 1  # 2262-04-11 23:47:16.854775807
_LAST = {"ns": _LAST_NANOSECOND, "us": _LAST_NANOSECOND // 1_000, "ms": _LAST_NANOSECOND // 1_000_000}
_REMEDY = (
    "Write the times as microseconds (in Spark: set `spark.sql.parquet.outputTimestampType` to TIMESTAMP_MICROS "
    "and write the data again), or read the files exactly, as docs/how-to/data-files.md shows."
)


def refuse_saturated(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows as they are.

    Raises:
        SourceUnreadable: a time is the last one that nanoseconds can hold; names the column and the row.
    """
    for column in rows.iter_columns():
        if not isinstance(column.dtype, pl.Datetime):
            continue
        last = column.to_physical() == _LAST[column.dtype.time_unit]
        if last.any():
            found = (
                f"column `{column.name}` holds 2262-04-11 23:47:16.854775 in row {last.arg_max()} of a batch: "
                "Polars gives it for each time in Spark's INT96 format that nanoseconds cannot hold"
            )
            raise SourceUnreadable(source.name, source.connector.location, found, _REMEDY)
    return rows

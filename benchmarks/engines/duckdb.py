"""DuckDB as its users would write it: ASOF LEFT JOIN with the TTL checked after it, all cores, all memory."""

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from benchmarks.engines.base import NotOffered, Prepared, from_arrow
from benchmarks.place import Place
from benchmarks.shapes import AMOUNT, ITEM, KEY, ROW, TIME, Join, Windows, Work, feature_name

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET memory_limit = '-1'",
    "SET preserve_insertion_order = false",  # nobody asks for an order here, and without it less is held in memory
    "SET enable_progress_bar = false",
)
_AGGREGATES = {
    "count": "count(e.moment){inside}",
    "sum": f"coalesce(sum({AMOUNT}){{inside}}, 0)",
    "mean": f"avg({AMOUNT}){{inside}}",
    "std": f"stddev_samp({AMOUNT}){{inside}}",
    "min": f"min({AMOUNT}){{inside}}",
    "max": f"max({AMOUNT}){{inside}}",
    "distinct": f"count(DISTINCT {ITEM}){{inside}}",
    "median": f"median({AMOUNT}){{inside}}",
}


def prepare(work: Work, place: Place) -> "Prepared[pa.Table] | Prepared[None]":
    """A work, ready to start."""
    connection = duckdb.connect()
    for setting in SETTINGS:
        connection.execute(setting)
    connection.execute(f"SET temp_directory = '{place.folder / 'duckdb'}'")
    match work:
        case Join(stored=True):
            file = place.answers / "joined.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            copy = f"COPY ({join_sql(work, place)}) TO '{file}' (FORMAT parquet)"
            return Prepared(lambda: _executed(connection, copy), lambda _: _scan(file))
        case Join(known=False):
            return Prepared(lambda: connection.sql(join_sql(work, place)).to_arrow_table(), from_arrow)
        case Windows():
            return Prepared(lambda: connection.sql(windows_sql(work, place)).to_arrow_table(), from_arrow)
        case _:
            raise NotOffered("duckdb", work)


def join_sql(work: Join, place: Place) -> str:
    """The spine with the features of each table that are not older than the TTL."""
    values, joins = [f"s.{ROW}, s.{KEY}, s.{TIME}"], []
    for number, table in enumerate(work.tables):
        name = f"t{number}"
        values += [
            f"CASE WHEN {name}.{TIME} >= s.oldest THEN {name}.{column} END AS {column}" for column in table.columns
        ]
        rows = f"(SELECT {KEY}, {TIME}, {', '.join(table.columns)} FROM '{place.files(table)}')"
        joins.append(f"ASOF LEFT JOIN {rows} {name} ON s.{KEY} = {name}.{KEY} AND s.{TIME} >= {name}.{TIME}")
    spine = f"(SELECT *, {TIME} - INTERVAL {work.ttl_days} DAY AS oldest FROM '{place.spine(work.spine)}')"
    return f"SELECT {', '.join(values)} FROM {spine} s {' '.join(joins)}"


def windows_sql(work: Windows, place: Place) -> str:
    """Each spine row with the events of its longest window, aggregated by window.

    Where windows begin is computed once for a spine row, and without a zone: 1.6 times as fast as in the filters.
    """
    longest = max(work.days)
    starts = ", ".join(f"moment - INTERVAL {days} DAY AS from_{days}" for days in work.days)
    values = [
        f"{_aggregate(name, days, longest)} AS {feature_name(name, days)}"
        for name in work.aggregations
        for days in work.days
    ]
    return f"""
        WITH
        s AS (SELECT {ROW}, {KEY}, {TIME}::TIMESTAMP AS moment, {starts} FROM '{place.spine(work.spine)}'),
        e AS (SELECT {KEY}, {TIME}::TIMESTAMP AS moment, {AMOUNT}, {ITEM} FROM '{place.files(work.events)}')
        SELECT s.{ROW}, {", ".join(values)}
        FROM s LEFT JOIN e ON e.{KEY} = s.{KEY} AND e.moment < s.moment AND e.moment >= s.from_{longest}
        GROUP BY s.{ROW}
    """


def _aggregate(name: str, days: int, longest: int) -> str:
    inside = "" if days == longest else f" FILTER (WHERE e.moment >= s.from_{days})"
    return _AGGREGATES[name].format(inside=inside)


def _executed(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    connection.execute(statement)


def _scan(file: Path) -> "pl.LazyFrame":
    import polars as pl

    return pl.scan_parquet(file)

"""Rows of some days behind each connector of the catalogue, and how they are replaced by others."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl

import feature_platform.parts.sources as catalogue
from feature_platform.parts.sources.dlt.merging import CannotMerge, last_merge, merge_rows
from feature_platform_tests.iceberg_tables import Warehouse

Days = Mapping[int, pl.DataFrame]
COLUMNS = {"k": pl.String(), "at": pl.Datetime("us", "UTC"), "x": pl.Int64()}


@dataclass(frozen=True)
class DailyPlace:
    """A connector to the rows of some days of May 2024, how to put others there, and how to move them.

    Attributes:
        put: makes the rows of some days all that there is.
        move: lays the same rows in other units: under other names, or in other files.
        prepare: what a source of it needs to have a time.
    """

    connector: catalogue.Connector
    put: Callable[[Days], object]
    move: Callable[[], object]
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None


def day_rows(day: int, *numbers: object) -> pl.DataFrame:
    """Return a row of each number, an hour apart."""
    at = [datetime(2024, 5, day, hour, tzinfo=timezone.utc) for hour in range(len(numbers))]
    keys = [f"{day}-{hour}" for hour in range(len(numbers))]
    dtype = pl.String() if any(isinstance(number, str) for number in numbers) else pl.Int64()
    return pl.DataFrame(
        {"k": keys, "at": at, "x": pl.Series(numbers, dtype=dtype)}, schema_overrides=COLUMNS | {"x": dtype}
    )


def all_rows(days: Days) -> pl.DataFrame:
    """Return the rows of all days; a column that some lack is null there."""
    return pl.concat(days.values(), how="diagonal_relaxed") if days else pl.DataFrame(schema=COLUMNS)


def file_place(kind: Callable[[Path], catalogue.Connector], write: str, ending: str, folder: Path) -> DailyPlace:
    """A file for each day in a folder."""
    data = folder / "data"
    data.mkdir()

    def put(days: Days) -> None:
        for file in data.iterdir():
            file.unlink()
        for day, rows in days.items():
            getattr(rows, write)(data / f"{day}.{ending}")

    def move() -> None:
        for file in data.iterdir():
            file.rename(file.with_name(f"moved-{file.name}"))

    return DailyPlace(kind(data), put, move, None if write == "write_parquet" else read_clock)


def delta_place(folder: Path) -> DailyPlace:
    uri = str(folder / "table")

    def put(days: Days) -> None:
        all_rows(days).write_delta(uri, mode="overwrite", delta_write_options={"schema_mode": "overwrite"})

    return DailyPlace(catalogue.Delta(uri), put, lambda: pl.read_delta(uri).write_delta(uri, mode="overwrite"))


def iceberg_place(folder: Path) -> DailyPlace:
    warehouse = Warehouse(folder, pl.DataFrame(schema=COLUMNS))

    def put(days: Days) -> None:
        rows = all_rows(days)
        with warehouse.table.update_schema() as schema:
            schema.union_by_name(rows.to_arrow().schema)
        warehouse.overwrite(rows)

    return DailyPlace(warehouse.connector, put, warehouse.compact)


class BroughtByDlt(catalogue.Dlt):
    """Reads what a pipeline brought, without running it: that is tested in `test_dlt`."""

    def fetch(self, owner: str) -> None:
        """Bring nothing."""


def dlt_place(folder: Path) -> DailyPlace:
    """What runs of a pipeline have merged; it brings all rows again each time."""
    uri = str(folder / "orders")

    def put(days: Days) -> None:
        rows = all_rows(days).with_columns(pl.lit(last_merge(uri)).alias("changed"))
        if rows.height:
            merge_rows(uri, rows, ["k"], "changed", last_merge(uri) + 1)

    words: Any = {"table": "orders", "into": folder, "cursor": "changed", "key": "k"}
    return DailyPlace(
        BroughtByDlt("api:orders", **words), put, lambda: pl.read_delta(uri).write_delta(uri, mode="overwrite")
    )


def sqlite_place(folder: Path) -> DailyPlace:
    file = folder / "rows.db"

    def put(days: Days) -> None:
        rows = all_rows(days)
        more = "".join(f", {name} TEXT" for name in rows.columns if name not in COLUMNS)
        texts = rows.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"))
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("DROP TABLE IF EXISTS orders")
            connection.execute(f"CREATE TABLE orders (k TEXT, at DATETIME, x BIGINT{more})")
            marks = ", ".join("?" * rows.width)
            connection.executemany(f"INSERT INTO orders VALUES ({marks})", texts.rows())

    def move() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE other AS SELECT * FROM orders ORDER BY k DESC")
            connection.execute("DELETE FROM orders")
            connection.execute("INSERT INTO orders SELECT * FROM other")
            connection.execute("DROP TABLE other")

    return DailyPlace(catalogue.Database(f"sqlite:///{file}", table="orders", time_zone="UTC"), put, move)


def call_place(folder: Path) -> DailyPlace:
    file = folder / "rows.parquet"

    def put(days: Days) -> None:
        all_rows(days).write_parquet(file)

    return DailyPlace(
        catalogue.Call(lambda: pl.read_parquet(file)), put, lambda: pl.read_parquet(file).reverse().write_parquet(file)
    )


def frame_place(folder: Path) -> DailyPlace:
    held: list[pl.DataFrame] = []
    late = pl.defer(lambda: held[-1], schema=lambda: held[-1].schema)
    return DailyPlace(
        catalogue.Frame(late), lambda days: held.append(all_rows(days)), lambda: held.append(held[-1].reverse())
    )


def read_clock(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC"))


PLACES: dict[str, Callable[[Path], DailyPlace]] = {
    "Call": call_place,
    "Csv": lambda folder: file_place(catalogue.Csv, "write_csv", "csv", folder),
    "Database": sqlite_place,
    "Delta": delta_place,
    "Dlt": dlt_place,
    "Frame": frame_place,
    "Iceberg": iceberg_place,
    "Json": lambda folder: file_place(catalogue.Json, "write_ndjson", "ndjson", folder),
    "Parquet": lambda folder: file_place(catalogue.Parquet, "write_parquet", "parquet", folder),
}
REFUSED = (CannotMerge,)  # what a place refuses by itself when it is given rows of a wrong type

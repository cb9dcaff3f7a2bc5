"""Places with a day of orders in each unit, for every connector: what tests put there, change and take away."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

import feature_platform as fp
from feature_platform_tests.shop import at, daily, orders

SCHEMA: dict[str, Any] = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64}


def utc_time(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z"))


@dataclass
class Place:
    """A source of orders by day: `put` replaces the rows of a day, `drop` takes them away."""

    connector: Callable[..., fp.sources.Connector]
    put: Callable[[int, pl.DataFrame], None]
    drop: Callable[[int], None]
    names: bool  # whether a reason names the file
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    gone: str = "kept"

    def source(self) -> fp.Source:
        return fp.Source("orders", self.connector(gone=self.gone), event_time="at", prepare=self.prepare)

    def taken_as(self, gone: str) -> "Place":
        return replace(self, gone=gone)


def parquet_place(folder: Path) -> Place:
    return Place(
        lambda **words: fp.sources.Parquet(folder, **words),
        lambda day, rows: rows.write_parquet(folder / f"d{day}.parquet"),
        lambda day: (folder / f"d{day}.parquet").unlink(),
        names=True,
    )


def csv_place(folder: Path) -> Place:
    return Place(
        lambda **words: fp.sources.Csv(folder / "*.csv", **words),
        lambda day, rows: rows.write_csv(folder / f"d{day}.csv"),
        lambda day: (folder / f"d{day}.csv").unlink(),
        names=True,
        prepare=utc_time,
    )


def delta_place(folder: Path) -> Place:
    table = str(folder / "table")

    def drop(day: int) -> None:
        DeltaTable(table).delete(f"at >= '{at(day):%Y-%m-%d}' AND at < '{at(day + 1):%Y-%m-%d}'")

    def put(day: int, rows: pl.DataFrame) -> None:
        if (folder / "table").exists():
            drop(day)
        rows.write_delta(table, mode="append")

    return Place(lambda **words: fp.sources.Delta(table, **words), put, drop, names=False)


def frame_place(folder: Path) -> Place:
    held: dict[int, pl.DataFrame] = {}

    def put(day: int, rows: pl.DataFrame) -> None:
        held[day] = rows

    schema = daily().schema
    late = pl.defer(lambda: pl.concat([daily().clear(), *(held[day] for day in sorted(held))]), schema=schema)
    return Place(lambda **words: fp.sources.Frame(late, **words), put, held.__delitem__, names=False)


def json_place(folder: Path) -> Place:
    return Place(
        lambda **words: fp.sources.Json(folder, schema=SCHEMA, **words),
        lambda day, rows: rows.with_columns(pl.col("at").dt.strftime("%FT%TZ")).write_ndjson(folder / f"d{day}.ndjson"),
        lambda day: (folder / f"d{day}.ndjson").unlink(),
        names=True,
    )


def call_place(folder: Path) -> Place:
    """A function that reads files: what it captures is part of the code version, so it captures no rows."""

    def fetch() -> pl.DataFrame:
        rows = [pl.read_parquet(file) for file in sorted(folder.iterdir())]
        return pl.concat([daily().clear(), *rows], how="diagonal")

    return replace(parquet_place(folder), connector=lambda **words: fp.sources.Call(fetch, **words), names=False)


def kafka_place(folder: Path) -> Place:
    """The history beside a topic; the topic itself is read by `stream`."""
    history = parquet_place(folder)

    def connector(**words: Any) -> fp.sources.Connector:
        return fp.sources.Kafka("b:1", topic="orders", schema=SCHEMA, history=history.connector(**words))

    return replace(history, connector=connector, names=False)


def sqlite_place(folder: Path) -> Place:
    file = folder / "shop.db"

    def run(statement: str, rows: list[tuple[object, ...]] | None = None) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            if rows is None:
                connection.execute(statement)
            else:
                connection.executemany(statement, rows)

    def drop(day: int) -> None:
        run(f"DELETE FROM orders WHERE at >= '{at(day):%F}' AND at < '{at(day + 1):%F}'")

    def put(day: int, rows: pl.DataFrame) -> None:
        drop(day)
        texts = rows.with_columns(pl.col("at").dt.strftime("%F %T"))
        run("INSERT INTO orders VALUES (?, ?, ?)", texts.rows())

    run("PRAGMA journal_mode = WAL")  # writers need not wait while a run reads
    run("CREATE TABLE orders (customer TEXT, at DATETIME, amount DOUBLE)")
    address = f"sqlite:///{file}"
    return Place(
        lambda **words: fp.sources.Database(address, table="orders", time_zone="UTC", **words), put, drop, names=False
    )


def iceberg_place(folder: Path) -> Place:
    from feature_platform_tests.iceberg_tables import Warehouse

    warehouse, days = Warehouse(folder, daily().clear()), set[int]()

    def drop(day: int) -> None:
        begin, end = (f"{moment:%FT%T}+00:00" for moment in (at(day), at(day + 1)))
        warehouse.delete(f"at >= '{begin}' AND at < '{end}'")
        days.remove(day)

    def put(day: int, rows: pl.DataFrame) -> None:
        if day in days:
            drop(day)
        warehouse.append(rows)
        days.add(day)

    def connector(**words: Any) -> fp.sources.Connector:
        return fp.sources.Iceberg("shop.stock", catalog=warehouse.catalog, **words)

    return Place(connector, put, drop, names=False)


def day_of(day: int, amount: float = 10.0, count: int = 3) -> pl.DataFrame:
    return orders(*[(f"c{number}", at(day, 12, number), amount + number) for number in range(count)])

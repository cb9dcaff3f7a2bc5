"""What every connector of the catalogue keeps; a new one needs a line in `PLACES` and nothing else."""

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
import feature_platform.parts.sources as catalogue
from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.parts.sources.dlt.merging import last_merge, merge_rows
from feature_platform.parts.sources.places import StoredPath
from feature_platform_tests.buckets import SECRET as BUCKET_SECRET
from feature_platform_tests.buckets import SECRET_NAME as BUCKET_SECRET_NAME
from feature_platform_tests.buckets import Bucket
from feature_platform_tests.databases import DUCKDB, PASSWORD, Server, duckdb_url, run_on_duckdb

CATALOGUE = vars(catalogue)
CONNECTORS = [name for name in catalogue.__all__ if catalogue.Connector in CATALOGUE[name].__mro__[1:]]
ROWS = pl.DataFrame({"k": ["a", "b"], "x": [1, 2], "y": [0.5, None]})
MORE = pl.DataFrame({"k": ["a", "b", "ø"], "x": [1, 2, 3], "y": [0.5, None, 1.0]})
SECRET = "hunter2"


@dataclass(frozen=True)
class Place:
    """A connector to rows in a folder, how to put other rows there, and one to nothing."""

    connector: catalogue.Connector
    put: Callable[[pl.DataFrame], object]
    nowhere: catalogue.Connector | None


def csv_place(folder: Path) -> Place:
    file = folder / "rows.csv"
    ROWS.write_csv(file)
    return Place(catalogue.Csv(file), lambda rows: rows.write_csv(file), catalogue.Csv(folder / "none.csv"))


def parquet_place(folder: Path) -> Place:
    file = folder / "rows.parquet"
    ROWS.write_parquet(file)
    return Place(catalogue.Parquet(file), lambda rows: rows.write_parquet(file), catalogue.Parquet(folder / "none"))


def json_place(folder: Path) -> Place:
    file = folder / "rows.ndjson"
    ROWS.write_ndjson(file)
    return Place(catalogue.Json(file), lambda rows: rows.write_ndjson(file), catalogue.Json(folder / "none.json"))


def delta_place(folder: Path) -> Place:
    uri = str(folder / "table")
    ROWS.write_delta(uri)
    options = {"AWS_SECRET_ACCESS_KEY": SECRET}
    return Place(
        catalogue.Delta(uri, storage_options=options),
        lambda rows: rows.write_delta(uri, mode="overwrite"),
        catalogue.Delta(folder / "none", storage_options=options),
    )


def dlt_place(folder: Path) -> Place:
    """What runs of a pipeline have brought; that it is run is tested in `test_dlt`."""

    def put(rows: pl.DataFrame) -> None:
        uri = str(folder / "orders")
        merge_rows(uri, rows, ["k"], "x", last_merge(uri) + 1)

    put(ROWS)
    secrets = {"token": fp.Secret("HUNTER")}
    words: Any = {"table": "orders", "into": folder, "cursor": "x", "key": "k", "secrets": secrets}
    return Place(catalogue.Dlt("api:orders", **words), put, None)


def frame_place(folder: Path) -> Place:
    held = [ROWS]
    late = pl.defer(lambda: held[-1], schema=ROWS.schema)
    return Place(catalogue.Frame(late), held.append, None)


def encoded(write: str, rows: pl.DataFrame) -> bytes:
    """Return rows as a file of a format."""
    buffer = BytesIO()
    getattr(rows, write)(buffer)
    return buffer.getvalue()


def stored_place(
    kind: Callable[[StoredPath], catalogue.Connector], write: str, bucket: Bucket, path: str = "in/rows*.file"
) -> Place:
    def put(rows: pl.DataFrame) -> None:
        bucket.put("in/rows 1.file", encoded(write, rows))

    put(ROWS)
    return Place(kind(bucket.store / path), put, kind(bucket.store / "none/"))


def stored_delta_place(bucket: Bucket) -> Place:
    def put(rows: pl.DataFrame) -> None:
        rows.write_delta(f"{bucket.store.url}/table", mode="overwrite", storage_options=bucket.all_options)

    put(ROWS)
    return Place(catalogue.Delta(bucket.store / "table"), put, catalogue.Delta(bucket.store / "none"))


def sqlite_place(folder: Path) -> Place:
    file = folder / "rows.db"

    def put(rows: pl.DataFrame) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("DROP TABLE IF EXISTS orders")
            connection.execute("CREATE TABLE orders (k TEXT, x BIGINT, y DOUBLE)")
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows.rows())

    put(ROWS)
    nowhere = catalogue.Database(f"sqlite:///{folder}/none.db", table="orders", password=fp.Secret("HUNTER"))
    return Place(catalogue.Database(f"sqlite:///{file}", table="orders"), put, nowhere)


def duckdb_place(folder: Path) -> Place:
    def put(rows: pl.DataFrame) -> None:
        values = ", ".join(f"('{k}', {x}, {'NULL' if y is None else y})" for k, x, y in rows.rows())
        new = "CREATE TABLE orders (k text, x bigint, y double)"
        run_on_duckdb(folder / "rows.duckdb", "DROP TABLE IF EXISTS orders", new, f"INSERT INTO orders VALUES {values}")

    put(ROWS)
    here, nowhere = (
        catalogue.Database(duckdb_url(file), driver=DUCKDB, table="orders")
        for file in (folder / "rows.duckdb", folder / "none" / "rows.duckdb")
    )
    return Place(here, put, nowhere)


def served_place(server: Server, floating: str) -> Place:
    table = f"t_{uuid.uuid4().hex}"

    def put(rows: pl.DataFrame) -> None:
        values = ", ".join(f"('{k}', {x}, {'NULL' if y is None else y})" for k, x, y in rows.rows())
        new = f"CREATE TABLE {table} (k text, x bigint, y {floating})"
        server.run(f"DROP TABLE IF EXISTS {table}", new, f"INSERT INTO {table} VALUES {values}")

    put(ROWS)
    scheme = server.url.partition(":")[0]
    nowhere = catalogue.Database(f"{scheme}://reader@127.0.0.1:1/shop", table="orders", password=fp.Secret("HUNTER"))
    return Place(catalogue.Database(server.url, table=table, password=fp.Secret("OWNER")), put, nowhere)


def call_place(folder: Path) -> Place:
    held = [ROWS]
    return Place(catalogue.Call(lambda: held[-1]), held.append, None)


def kafka_place(folder: Path) -> Place:
    """What is at rest beside a topic: its history."""
    history = csv_place(folder)
    schema = {"k": pl.String, "x": pl.Int64, "y": pl.Float64}
    connector = catalogue.Kafka("broker:9092", topic="rows", schema=schema, history=history.connector)
    return Place(connector, history.put, None)


def told_call_place(folder: Path) -> Place:
    held = [ROWS]
    return Place(catalogue.Call(lambda: held[-1], changes=lambda: len(held)), held.append, None)


def iceberg_place(folder: Path) -> Place:
    from feature_platform_tests.iceberg_tables import Warehouse

    warehouse = Warehouse(folder, ROWS, secrets={"header.Authorization": fp.Secret("HUNTER")})
    return Place(warehouse.connector, warehouse.overwrite, warehouse.connector_to("shop.none"))


def stored_iceberg_place(bucket: Bucket, folder: Path) -> Place:
    from feature_platform_tests.iceberg_tables import Warehouse

    address = {"s3.endpoint": bucket.options["aws_endpoint_url"], "s3.region": "us-east-1"}
    places = {**address, "s3.access-key-id": "tester", "warehouse": f"s3://{bucket.name}/lake"}
    warehouse = Warehouse(folder, ROWS, places, {"s3.secret-access-key": fp.Secret(BUCKET_SECRET_NAME)})
    return Place(warehouse.connector, warehouse.overwrite, warehouse.connector_to("shop.none"))


PLACES = {
    "Call": call_place,
    "Csv": csv_place,
    "Database": sqlite_place,
    "Delta": delta_place,
    "Dlt": dlt_place,
    "Frame": frame_place,
    "Iceberg": iceberg_place,
    "Json": json_place,
    "Kafka": kafka_place,
    "Parquet": parquet_place,
}
VARIANTS = {"Call that tells of changes": told_call_place, "Database by ADBC": duckdb_place}
STORED: dict[str, Callable[[Bucket], Place]] = {
    "Csv on S3": partial(stored_place, catalogue.Csv, "write_csv"),
    "Delta on S3": stored_delta_place,
    "Json on S3": partial(stored_place, catalogue.Json, "write_ndjson"),
    "Parquet on S3": partial(stored_place, catalogue.Parquet, "write_parquet"),
    "Parquet on S3 by its name": partial(stored_place, catalogue.Parquet, "write_parquet", path="in/rows 1.file"),
}
SERVED = {"Database on MariaDB": ("mariadb", "double"), "Database on Postgres": ("postgres", "float8")}
ICEBERG_ON_S3 = "Iceberg on S3"  # its catalog is in a folder
NEVER_NOWHERE = {
    "Call": "a function is there, whatever it returns",
    "Dlt": "before the first run there is nothing, and a run has to be able to begin",
    "Frame": "a frame is there",
    "Kafka": "a run reads its history, another connector; see streaming/test_refusals.py for the topic",
}
NAMES = [*PLACES, *VARIANTS, *STORED, *SERVED, ICEBERG_ON_S3]


@pytest.fixture
def place(name, tmp_path, request, monkeypatch):
    monkeypatch.setenv("HUNTER", SECRET)
    monkeypatch.setenv("OWNER", PASSWORD)
    here = {**PLACES, **VARIANTS}
    if name in here:
        return here[name](tmp_path)
    if name in SERVED:
        fixture, floating = SERVED[name]
        return served_place(request.getfixturevalue(fixture), floating)
    if name == ICEBERG_ON_S3:
        return stored_iceberg_place(request.getfixturevalue("bucket"), tmp_path)
    return STORED[name](request.getfixturevalue("bucket"))


def test_every_connector_has_a_place_here():
    assert sorted(CONNECTORS) == sorted(PLACES)


@pytest.mark.parametrize("name", NAMES)
def test_a_scan_is_lazy_and_gives_the_rows(place):
    found = place.connector.scan("orders")
    assert isinstance(found, pl.LazyFrame)
    assert_frame_equal(found.collect(), ROWS)
    assert_frame_equal(found.filter(pl.col("x") > 1).select("k").collect(), pl.DataFrame({"k": ["b"]}))


@pytest.mark.parametrize("name", NAMES)
def test_a_fingerprint_is_stable_until_the_data_changes(place):
    before = place.connector.fingerprint("orders")
    assert place.connector.fingerprint("orders") == before
    place.put(MORE)
    assert place.connector.fingerprint("orders") != before
    assert_frame_equal(place.connector.scan("orders").collect(), MORE, check_row_order=False)


@pytest.mark.parametrize("name", [name for name in NAMES if name.partition(" ")[0] not in NEVER_NOWHERE])
@pytest.mark.parametrize("verb", ["scan", "fingerprint"])
def test_nothing_there_is_one_error_that_names_the_source(place, verb):
    with pytest.raises(SourceUnreadable) as raised:
        getattr(place.nowhere, verb)("orders")
    message = str(raised.value)
    assert message.startswith(f"Source `orders` cannot be read from {place.nowhere.location}: ")
    assert " Check the " in message
    assert SECRET not in message
    assert BUCKET_SECRET not in message


@pytest.mark.parametrize("name", NAMES)
def test_location_and_repr_hold_no_secret_and_no_rows(place):
    for text in (place.connector.location, repr(place.connector), place.connector.reading):
        assert SECRET not in text
        assert BUCKET_SECRET not in text
        assert PASSWORD not in text
        assert "shape" not in text
    assert place.connector.location


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_value_with_a_kind(place):
    assert place.connector.kind == type(place.connector).kind != ""
    with pytest.raises(AttributeError):
        place.connector.kind = "other"


@pytest.mark.parametrize("verb", ["scan", "fingerprint"])
def test_a_connector_of_your_own_changes_how_data_is_opened_and_not_one_way_of_reading_it(verb):
    with pytest.raises(InvalidDeclaration, match=f"Connector Half overrides `{verb}`. Override `open`"):
        type("Half", (catalogue.Parquet,), {verb: lambda self, owner: None})

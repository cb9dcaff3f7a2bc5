"""Data has the names of OpenLineage's conventions, and none of them holds a user, a password or an option."""

from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.lineage.naming import DatasetName, name_place, name_raw_data
from feature_platform.parts.sources import Connector

HERE = str(Path.cwd())
SECRET = fp.Secret("LAKE_KEY")


def named(connector: Connector) -> tuple[str, str]:
    return name_raw_data(fp.Source("orders", connector))


@pytest.mark.parametrize(
    ("address", "namespace", "name"),
    [
        ("/data/offline/runs", "file", "/data/offline/runs"),
        ("offline/runs", "file", f"{HERE}/offline/runs"),
        ("file:///data/runs", "file", "/data/runs"),
        ("s3a://lake/a/b/", "s3://lake", "a/b"),
        ("s3://lake/day-?.parquet", "s3://lake", "day-?.parquet"),
        ("gs://lake/a", "gs://lake", "a"),
        ("abfss://raw@account.dfs.core.windows.net/a", "abfss://raw@account.dfs.core.windows.net", "a"),
        ("abfss://raw:hunter2@account.dfs.core.windows.net/a", "abfss://account.dfs.core.windows.net", "a"),
        ("https://ann:hunter2@host:8443/a.csv?sig=hunter2#hunter2", "https://host:8443", "a.csv"),
        ("hdfs://hunter2@node:8020/a", "hdfs://node:8020", "a"),
    ],
)
def test_a_place_is_named_by_where_it_is(address: str, namespace: str, name: str) -> None:
    assert name_place(address) == DatasetName(namespace, name)


@pytest.mark.parametrize(
    ("url", "table", "namespace", "name"),
    [
        (
            "postgresql://ann@db.internal/shop?sslmode=require",
            "orders",
            "postgres://db.internal:5432",
            "shop.public.orders",
        ),
        ("postgresql://db:6432/shop", 'sales."or.ders"', "postgres://db:6432", "shop.sales.or.ders"),
        ("mysql+pymysql://ann@db/shop", "orders", "mysql://db:3306", "shop.orders"),
        ("mssql+pyodbc://ann@db/shop", "orders", "mssql://db:1433", "shop.dbo.orders"),
        ("snowflake://account/shop", "public.orders", "snowflake://account", "shop.public.orders"),
        ("sqlite:////data/shop.db", "orders", "file", "/data/shop.db/orders"),
    ],
)
def test_a_table_of_a_database_is_named_by_server_and_schema(url: str, table: str, namespace: str, name: str) -> None:
    assert named(fp.sources.Database(url, table=table)) == (namespace, name)


def test_a_query_has_the_name_of_its_source() -> None:
    query = fp.sources.Database("postgresql://db/shop", query="select 'hunter2' as at")
    assert named(query) == ("postgres://db:5432", "shop.query of orders")


def test_files_tables_and_frames_are_named() -> None:
    lake = fp.sources.ObjectStore("s3://lake/raw", secrets={"aws_secret_access_key": SECRET})
    assert named(fp.sources.Parquet(lake / "a/*.parquet")) == ("s3://lake", "raw/a/*.parquet")
    assert named(fp.sources.Csv("orders.csv")) == ("file", f"{HERE}/orders.csv")
    assert named(fp.sources.Delta("lake/orders", version=3)) == ("file", f"{HERE}/lake/orders")
    assert named(fp.sources.Frame(pl.DataFrame({"a": [1]}))) == ("inmemory://", "orders")
    assert named(fp.sources.Call(lambda: pl.DataFrame({"a": [1]}))) == ("inmemory://", "orders")

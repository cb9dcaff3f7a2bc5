"""Databases by SQLAlchemy: a real MariaDB, and a file of SQLite by its dialect, which needs no server."""

import random
import sqlite3
import traceback
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from polars._typing import EngineType

import feature_platform as fp
from feature_platform.ground.errors import SourceUnreadable
from feature_platform_tests.databases import PASSWORD, Server
from feature_platform_tests.effort import repetitions, tries
from feature_platform_tests.parts.sources.database.predicates import WEIRD, random_predicates, random_rows

ENGINES: list[EngineType] = ["in-memory", "streaming"]
UTC = pl.Datetime("us", "UTC")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> fp.Secret:
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    return fp.Secret("SHOP_PASSWORD")


@pytest.fixture
def table(mariadb: Server) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    yield name
    mariadb.run(f"DROP TABLE IF EXISTS {name}")


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"'{value.replace(tzinfo=None)}'"
    text = str(value).replace("\\", "\\\\").replace("'", "''")
    return text if isinstance(value, (bool, int, float)) else f"'{text}'"


def test_no_result_differs_by_what_the_server_filters(
    mariadb: Server, secret: fp.Secret, table: str, asked: list[str]
) -> None:
    columns = f"id int, f double, t text, b bigint, ts datetime(6), tz timestamp(6) null, d date, `{WEIRD}` smallint"
    for seed in repetitions(6):
        chance = random.Random(seed)
        rows = [row for row in random_rows(chance, 300) if row[1] != float("inf")]
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
        mariadb.run(
            f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES {values}"
        )
        with fp.sources.Database(mariadb.url, password=secret, table=table).open("shop") as data:
            whole = data.scan().collect()
            drawn = random_predicates(chance, without="b")  # for truths MariaDB has whole numbers
            for predicate in islice(drawn, tries(340)):
                found = data.scan().filter(predicate).collect(engine=chance.choice(ENGINES))

                assert found.sort("id").equals(whole.filter(predicate).sort("id")), (predicate, asked[-1])

    assert sum(" WHERE " in sql for sql in asked) > len(asked) / 5


@pytest.mark.parametrize(
    ("declared", "value", "dtype", "read"),
    [
        ("int", "-1", pl.Int64(), -1),
        ("bigint unsigned", "9223372036854775807", pl.Int64(), 2**63 - 1),
        ("double", "2.5", pl.Float64(), 2.5),
        ("decimal(12, 2)", "99.99", pl.Decimal(12, 2), Decimal("99.99")),
        ("boolean", "true", pl.Int64(), 1),
        ("varchar(10)", "'é %s :x'", pl.String(), "é %s :x"),
        ("text", "'t'", pl.String(), "t"),
        ("enum('a', 'b')", "'b'", pl.String(), "b"),
        ("set('x', 'y')", "'x,y'", pl.String(), "x,y"),
        ("json", "'{\"a\": 1}'", pl.String(), '{"a": 1}'),
        ("blob", "x'00ff'", pl.Binary(), b"\x00\xff"),
        ("date", "'2024-02-29'", pl.Date(), date(2024, 2, 29)),
        ("datetime(6)", "'2024-05-01 10:00:00.000001'", pl.Datetime("us"), datetime(2024, 5, 1, 10, 0, 0, 1)),
        ("timestamp null", "'2024-05-01 10:00:00'", UTC, datetime(2024, 5, 1, 10, tzinfo=timezone.utc)),
        ("bigint unsigned", "18446744073709551615", pl.Int64(), "holds 18446744073709551615"),
        ("date", "'0000-00-00'", pl.Date(), "holds '0000-00-00'"),
        ("datetime", "'0000-00-00'", pl.Datetime("us"), "holds '0000-00-00 00:00:00'"),
        ("decimal(60, 30)", "1.5", pl.String(), "does not say what it holds"),
        ("time", "'-30:15:00'", pl.String(), "does not say what it holds"),
        ("bit(3)", "5", pl.String(), "does not say what it holds"),
    ],
)
def test_a_type_is_read_as_it_is_or_refused(
    mariadb: Server, secret: fp.Secret, table: str, declared: str, value: str, dtype: pl.DataType, read: object
) -> None:
    lenient = f"SET STATEMENT sql_mode = '', time_zone = '+00:00' FOR INSERT INTO {table} VALUES ({value}), (NULL)"
    mariadb.run(f"CREATE TABLE {table} (c {declared})", lenient)
    database = fp.sources.Database(mariadb.url, password=secret, table=table)

    if isinstance(read, str) and "hold" in read:
        with pytest.raises(SourceUnreadable, match=f"column `c`.*{read}"):
            database.scan("shop").collect()
    else:
        rows = database.scan("shop").collect()
        assert rows.schema == {"c": dtype}
        assert rows["c"].to_list() == [read, None]


def test_all_that_is_read_inside_a_block_is_of_one_moment_also_in_a_join_with_itself(
    mariadb: Server, secret: fp.Secret, table: str
) -> None:
    mariadb.run(f"CREATE TABLE {table} AS SELECT seq AS i FROM seq_1_to_120000")

    with fp.sources.Database(mariadb.url, password=secret, table=table).open("shop") as data:
        frame = data.scan()
        mariadb.run(f"DELETE FROM {table} WHERE i > 10")
        for engine in ENGINES:
            assert frame.join(frame, on="i").select(pl.len()).collect(engine=engine).item() == 120_000


def test_days_that_differ_are_found_by_their_stamps(
    mariadb: Server, secret: fp.Secret, table: str, store: fp.OfflineStore
) -> None:
    hours = "SELECT seq AS id, timestamp('2024-05-01') + interval seq hour AS at, 0 AS v FROM seq_0_to_71"
    mariadb.run(f"CREATE TABLE {table} AS {hours}", f"ALTER TABLE {table} ADD changed bigint DEFAULT 0")
    database = fp.sources.Database(
        mariadb.url, password=secret, table=table, new_by="changed", time_zone="UTC", types={"v": pl.Int64}
    )
    source, grid = fp.Source("ev", database, event_time="at"), fp.Partitions("daily", start="2024-05-01")
    fp.materialize(source, store, partitions=grid)
    project = fp.Project("shop", grid, (source,))
    assert fp.stale_assets(project, store) == []

    mariadb.run(f"UPDATE {table} SET v = 1, changed = 1 WHERE id = 30", f"DELETE FROM {table} WHERE id = 50")

    assert [list(each.due_partitions) for each in fp.stale_assets(project, store)] == [["2024-05-02", "2024-05-03"]]
    fp.materialize(source, store, partitions=grid)
    assert fp.stale_assets(project, store) == []


def test_what_fails_is_one_sentence_without_secrets(
    mariadb: Server, secret: fp.Secret, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mariadb.run(f"CREATE TABLE {table} AS SELECT 1 AS i")
    cases = {
        "there is no table `nothing`": (mariadb.url, "nothing"),
        "Can't connect to MySQL server": ("mysql+pymysql://owner@127.0.0.1:1/shop", table),
        "Access denied for user 'reader'": (mariadb.guarded_url, table),
        "its driver MySQLdb is not installed. Install it": ("mysql://owner@127.0.0.1:1/shop", table),
        "SQLAlchemy knows no database `nonsense`. Check the URL": ("nonsense://owner@127.0.0.1:1/shop", table),
    }
    for found, (url, name) in cases.items():
        database = fp.sources.Database(url, password=secret, table=name)
        with pytest.raises(SourceUnreadable) as raised:
            database.scan("shop").collect()
        told = "".join(traceback.format_exception(raised.value))
        assert str(raised.value).startswith(f"Source `shop` cannot be read from {database.location}: ")
        assert found in str(raised.value)
        assert PASSWORD not in told
        assert "\n" not in str(raised.value)
    monkeypatch.setenv(secret.name, "wrong-one")
    with pytest.raises(SourceUnreadable, match="Access denied") as refused:
        fp.sources.Database(mariadb.url, password=secret, table=table).scan("shop")
    assert "wrong-one" not in "".join(traceback.format_exception(refused.value))


def test_a_statement_that_takes_longer_than_its_timeout_is_ended(mariadb: Server, secret: fp.Secret) -> None:
    slow = "SELECT count(*) AS n FROM seq_1_to_1000000 a, seq_1_to_1000000 b"
    database = fp.sources.Database(mariadb.url, password=secret, query=slow, types={"n": pl.Int64}, timeout="1s")

    with pytest.raises(SourceUnreadable, match="max_statement_time exceeded"):
        database.scan("shop").collect()


def test_nothing_can_be_written_by_a_query(mariadb: Server, secret: fp.Secret, table: str) -> None:
    mariadb.run(f"CREATE TABLE {table} AS SELECT 1 AS i")
    for query in (f"SELECT 1 AS i) x; DELETE FROM {table}; SELECT * FROM (SELECT 1 AS i", "SELECT nextval(s) AS i"):
        with pytest.raises(SourceUnreadable):
            fp.sources.Database(mariadb.url, password=secret, query=query, types={"i": pl.Int64}).scan("s").collect()
    assert mariadb.run(f"SELECT i FROM {table}") == [(1,)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (i INTEGER, t VARCHAR, at DATETIME)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", [(i, f"%{i}:x", "2024-05-01 10:00:00") for i in range(60_000)]
        )
    connection.close()
    return path


def test_a_query_says_the_types_of_all_its_columns(file: Path) -> None:
    url = f"sqlite+pysqlite:///{file}"
    with pytest.raises(SourceUnreadable, match=r"column `i` of the query does not say what it holds. Give its type"):
        fp.sources.Database(url, query="SELECT i FROM t").scan("shop")

    rows = fp.sources.Database(
        url, query="SELECT i, t FROM t WHERE t LIKE '%:x'", types={"i": pl.Int64, "t": pl.String}
    ).scan("shop")

    assert rows.filter(pl.col("i") == 59_999).collect().rows() == [(59_999, "%59999:x")]
    for engine in ENGINES:
        assert rows.join(rows, on="i").select(pl.len()).collect(engine=engine).item() == 60_000


def test_without_new_by_rows_lie_in_one_piece_and_are_compared_as_they_are_read(
    file: Path, store: fp.OfflineStore
) -> None:
    database = fp.sources.Database(f"sqlite+pysqlite:///{file}", query="SELECT i FROM t", types={"i": pl.Int64})
    before = database.fingerprint("shop")
    assert database.fingerprint("shop") == before
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE t SET i = -1 WHERE i = 7")
    connection.close()

    assert database.fingerprint("shop") != before
    with database.open("shop") as data:
        assert data.units() is None

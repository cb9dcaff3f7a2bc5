"""A real PostgreSQL: filters change no result, a block sees one moment, and what fails is one sentence."""

import random
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import polars as pl
import pytest
from polars._typing import EngineType

import feature_platform as fp
from feature_platform.ground.errors import PackageMissing, SecretMissing, SourceUnreadable
from feature_platform.parts.sources.database.postgres import remedy_of
from feature_platform_tests.databases import PASSWORD, Server
from feature_platform_tests.effort import repetitions, tries
from feature_platform_tests.parts.sources.database.predicates import literal, random_predicate, random_rows

ENGINES: list[EngineType] = ["in-memory", "streaming"]


@pytest.fixture
def table(postgres: Server) -> Iterator[str]:
    """The name of a table that is not there yet."""
    name = f"t_{uuid.uuid4().hex}"
    yield name
    postgres.run(f"DROP TABLE IF EXISTS {name}")


def put_random_rows(postgres: Server, table: str, chance: random.Random) -> None:
    columns = 'id int, f float8, t text, b bool, ts timestamp, tz timestamptz, d date, "we\'ird""x" smallint'
    values = (", ".join(map(literal, row)) for row in random_rows(chance, 300))
    odd = [
        "1000, 'nan', null, null, 'infinity', '-infinity', 'infinity', 1",
        "1001, 'nan', '', true, null, null, null, 2",
    ]
    rows = ", ".join(f"({each})" for each in (*values, *odd))
    postgres.run(
        f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES {rows}"
    )


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_no_result_differs_by_what_the_server_filters(
    postgres: Server, table: str, asked: list[str], zone: str | None
) -> None:
    for seed in repetitions(6):
        chance = random.Random(seed)
        put_random_rows(postgres, table, chance)
        with fp.sources.Database(postgres.url, table=table, time_zone=zone).open("shop") as data:
            whole = data.scan().collect()
            for _ in range(tries(340)):
                predicate = random_predicate(chance)
                if zone and '"ts"' in str(predicate):
                    continue
                found = data.scan().filter(predicate).collect(engine=chance.choice(ENGINES))

                assert found.sort("id").equals(whole.filter(predicate).sort("id")), (predicate, asked[-1])

    assert sum(" WHERE " in sql for sql in asked) > len(asked) / 5


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Kiritimati"])
def test_no_result_differs_where_wall_clocks_are_of_a_zone(postgres: Server, table: str, zone: str) -> None:
    start = datetime(2024, 6, 1, tzinfo=timezone.utc)
    postgres.run(
        f"CREATE TABLE {table} (at timestamp)",
        f"INSERT INTO {table} SELECT timestamp '2024-05-30' + i * interval '1 hour' FROM generate_series(0, 96) i",
    )
    with fp.sources.Database(postgres.url, table=table, time_zone=zone).open("shop") as data:
        whole = data.scan().collect()
        for hours in range(0, 48, 5):
            moment = start + timedelta(hours=hours)
            for predicate in (pl.col("at") >= moment, pl.col("at") < moment, pl.col("at") == moment):
                assert data.scan().filter(predicate).collect().equals(whole.filter(predicate))


def test_one_day_is_read_by_the_index(postgres: Server, table: str, asked: list[str]) -> None:
    postgres.run(
        f"CREATE TABLE {table} AS SELECT i, timestamptz '2024-01-01Z' + i * interval '1 minute' AS at "
        "FROM generate_series(0, 100000) i",
        f"CREATE INDEX ON {table} (at)",
        f"ANALYZE {table}",
    )
    rows = fp.sources.Database(postgres.url, table=table).scan("shop")
    day = datetime(2024, 2, 1, tzinfo=timezone.utc)

    found = rows.filter(pl.col("at").is_between(day, day.replace(day=2), "left")).select("i").collect()

    assert found.height == 24 * 60
    assert "Index Cond" in explain(postgres, asked[-1])


def explain(postgres: Server, sql: str) -> str:
    from adbc_driver_postgresql.dbapi import connect

    options = {"adbc.postgresql.use_copy": "false"}
    with connect(postgres.url) as connection, connection.cursor(adbc_stmt_kwargs=options) as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(str(line) for (line,) in cursor.fetch_polars().rows())


def test_all_that_is_read_inside_a_block_is_of_one_moment_also_in_a_join_with_itself(
    postgres: Server, table: str
) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT generate_series(1, 50000) AS i")
    database = fp.sources.Database(postgres.url, table=table)

    with database.open("shop") as data:
        frame = data.scan()
        assert frame.select(pl.len()).collect().item() == 50_000
        postgres.run(f"DELETE FROM {table} WHERE i > 10", f"INSERT INTO {table} VALUES (-1)")
        for engine in ENGINES:
            assert frame.join(frame, on="i").select(pl.len()).collect(engine=engine).item() == 50_000
    assert frame.select(pl.len()).collect().item() == 11


def test_nothing_can_be_written_by_a_query(postgres: Server, table: str) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT 1 AS i")
    for query in (
        f"WITH gone AS (DELETE FROM {table} RETURNING i) SELECT i FROM gone",
        f"SELECT 1 AS i) AS x; DELETE FROM {table}; SELECT * FROM (SELECT 1 AS i",
        f"SELECT nextval('no_sequence') AS i, i FROM {table}",
    ):
        with pytest.raises(SourceUnreadable):
            fp.sources.Database(postgres.url, query=query).scan("shop").collect()
    assert postgres.run(f"SELECT i FROM {table}") == [(1,)]


def test_a_query_is_read_as_a_table_is(postgres: Server, table: str) -> None:
    postgres.run(f'CREATE TABLE {table} AS SELECT i, i * 2 AS "twice i" FROM generate_series(1, 9) i')
    database = fp.sources.Database(postgres.url, query=f'SELECT i, "twice i" FROM {table} WHERE i > 3 -- some\n;')

    assert database.scan("shop").filter(pl.col("i") < 5).collect().rows() == [(4, 8)]
    with pytest.raises(SourceUnreadable, match=r"the query has two columns `i`\. Name each of them with AS"):
        fp.sources.Database(postgres.url, query=f"SELECT i, i FROM {table}").scan("shop")


def test_a_read_that_stops_early_ends_the_statement(postgres: Server, table: str) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT i, repeat('x', 100) AS x FROM generate_series(1, 300000) i")
    rows = fp.sources.Database(postgres.url, table=table).scan("shop")

    assert rows.filter(pl.col("x").str.len_chars() > 1).head(3).collect(engine="streaming").height == 3
    assert open_connections(postgres) == 0


def open_connections(postgres: Server) -> int:
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'feature_platform'"
    end = time.monotonic() + 20
    while (found := int(str(postgres.run(counted)[0][0]))) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> fp.Secret:
    monkeypatch.setenv("READER_PASSWORD", PASSWORD)
    return fp.Secret("READER_PASSWORD")


def test_a_password_with_any_characters_opens_the_door(postgres: Server, guarded: fp.Secret, table: str) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT 1 AS i", f"GRANT SELECT ON {table} TO reader")

    assert fp.sources.Database(postgres.guarded_url, password=guarded, table=table).scan("shop").collect().item() == 1


def test_what_fails_is_one_sentence_that_names_source_and_place_and_no_secret(
    postgres: Server, guarded: fp.Secret, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT 1 AS i")
    url = postgres.guarded_url
    cases = {
        "Connection refused": url.replace(url.rpartition(":")[2], "1/postgres"),
        "could not translate host name": "postgresql://reader@nohost.invalid/postgres",
        'database "nothing" does not exist': url.replace("/postgres", "/nothing"),
        "permission denied for": url,
        "there is no table `nothing`": url,
        "does not support SSL": url + "?sslmode=require",
    }
    for found, address in cases.items():
        database = fp.sources.Database(address, password=guarded, table="nothing" if "no table" in found else table)
        with pytest.raises(SourceUnreadable) as raised:
            database.scan("shop").collect()
        assert str(raised.value).startswith(f"Source `shop` cannot be read from {database.location}: ")
        assert found in str(raised.value)
        assert_hides(raised.value)
    monkeypatch.setenv(guarded.name, "wrong-one")
    with pytest.raises(SourceUnreadable, match=r"password authentication failed.*Check user and password") as refused:
        fp.sources.Database(url, password=guarded, table=table).scan("shop")
    assert "wrong-one" not in "".join(traceback.format_exception(refused.value))
    monkeypatch.delenv(guarded.name)
    with pytest.raises(SecretMissing, match=r"Source `shop` needs the environment variable `READER_PASSWORD`"):
        fp.sources.Database(url, password=guarded, table=table).scan("shop")
    assert open_connections(postgres) == 0


def test_no_password_of_any_characters_is_told(postgres: Server, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    for _ in repetitions(40):
        password = "".join(chance.choice("ab%/:@?#&= '\"\\[]<>é\n\t$+;,") for _ in range(chance.randint(4, 12)))
        monkeypatch.setenv("ODD_PASSWORD", password)
        url = postgres.guarded_url if chance.random() < 0.5 else "postgresql://reader@127.0.0.1:1/postgres"
        database = fp.sources.Database(url, password=fp.Secret("ODD_PASSWORD"), table=table)

        with pytest.raises(SourceUnreadable) as raised:
            database.scan("shop")

        told = "".join(traceback.format_exception(raised.value))
        assert password not in told
        assert quote(password, safe="") not in told


def assert_hides(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error))
    assert PASSWORD not in told
    assert "p%25ss" not in told
    assert "\n" not in str(error)


def test_a_statement_that_takes_longer_than_its_timeout_is_ended(postgres: Server) -> None:
    database = fp.sources.Database(postgres.url, query="SELECT pg_sleep(20)::text AS x", timeout="1s")

    with pytest.raises(SourceUnreadable, match=r"statement timeout\. Give it more time by `timeout`, or an index"):
        database.scan("shop").collect()


def test_a_server_that_ends_a_read_in_the_middle_is_an_error_and_no_shorter_result(
    postgres: Server, table: str
) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT i, repeat('x', 200) AS x FROM generate_series(1, 400000) i")
    killing = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    killing += "WHERE query LIKE 'COPY%fp_rows%' AND pid <> pg_backend_pid()"
    frame = fp.sources.Database(postgres.url, table=table).scan("shop").with_columns(slow_copy(pl.col("x")))
    stopped: list[object] = []

    def kill() -> None:
        while not stopped and postgres.run(killing) == [(0,)]:
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(SourceUnreadable, match=r"terminating|server closed"):
            frame.collect(engine="streaming")
    finally:
        stopped.append(True)
        killer.join()


def slow_copy(values: pl.Expr) -> pl.Expr:
    return values.map_batches(lambda part: time.sleep(0.2) or part, return_dtype=pl.String)


def test_a_column_that_goes_between_look_and_read_is_named(postgres: Server, table: str) -> None:
    postgres.run(f"CREATE TABLE {table} AS SELECT 1 AS i, 2 AS j")
    frame = fp.sources.Database(postgres.url, table=table).scan("shop")
    postgres.run(f"ALTER TABLE {table} DROP COLUMN j")

    with pytest.raises(SourceUnreadable, match=r'column "j" does not exist\. Check the names of columns'):
        frame.collect()


def test_without_the_driver_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "feature_platform.parts.sources.database.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)

    with pytest.raises(PackageMissing, match=r"pip install 'adbc-driver-postgresql'.*`postgres`"):
        fp.sources.Database("postgresql://db/shop", table="t").scan("shop")


def test_a_remedy_goes_by_the_number_of_an_error_and_never_by_the_digits_of_a_port() -> None:
    refused = 'connection to server at "127.0.0.1", port 54222 failed: FATAL:  password authentication failed'
    assert remedy_of(None, refused, "-") == "Check user and password."
    assert remedy_of("42501", "permission denied", "-") == "Grant the user SELECT."
    assert remedy_of("42804", "a type", "-") == "Check the query."
    assert remedy_of(None, "port 4222", "-") == "-"

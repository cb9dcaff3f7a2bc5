"""Databases by an ADBC driver of the user's own: DuckDB's, and SQLite's, which guesses the types of columns."""

import random
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from polars._typing import EngineType

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, SourceUnreadable
from feature_platform.parts.sources.database import adbc
from feature_platform_tests.databases import DUCKDB, duckdb_url, run_on_duckdb
from feature_platform_tests.effort import repetitions, tries
from feature_platform_tests.parts.sources.database.predicates import WEIRD, literal, random_predicates, random_rows

ENGINES: list[EngineType] = ["in-memory", "streaming"]
UTC = pl.Datetime("us", "UTC")
IN_DOUBT = "ts BETWEEN '2024-03-31 02:00:00' AND '2024-03-31 03:00:00'"  # wall clocks that Paris does not have
START = datetime(2024, 5, 1, tzinfo=timezone.utc)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.duckdb"


def database(file: Path, **words: object) -> fp.sources.Database:
    given: dict[str, object] = {"table": "t"} if "query" not in words else {}
    return fp.sources.Database(duckdb_url(file), driver=DUCKDB, **{**given, **words})  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_no_result_differs_by_what_the_database_filters(file: Path, asked: list[str], zone: str | None) -> None:
    columns = (
        f"id int, f double, t text, b boolean, ts timestamp, tz timestamptz, d date, {literal_name(WEIRD)} smallint"
    )
    for seed in repetitions(6):
        chance = random.Random(seed)
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in random_rows(chance, 300))
        new = (f"CREATE TABLE t ({columns})", f"INSERT INTO t VALUES {values}")
        run_on_duckdb(file, "DROP TABLE IF EXISTS t", *new)
        query = None if zone is None else f"SELECT * FROM t WHERE ts IS NULL OR NOT ({IN_DOUBT})"
        words = {"table": "t"} if query is None else {"query": query}
        with database(file, time_zone=zone, **words).open("shop") as data:
            whole = data.scan().collect()
            for predicate in islice(random_predicates(chance, without="ts" if zone else ""), tries(170)):
                found = data.scan().filter(predicate).collect(engine=chance.choice(ENGINES))

                assert found.sort("id").equals(whole.filter(predicate).sort("id")), (predicate, asked[-1])

    assert sum(" WHERE " in sql for sql in asked) > len(asked) / 5


def literal_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("value", "dtype", "read"),
    [
        ("7::UTINYINT", pl.UInt8(), 7),
        ("18446744073709551615::UBIGINT", pl.UInt64(), 2**64 - 1),
        ("170141183460469::HUGEINT", pl.Decimal(38, 0), Decimal(170141183460469)),
        ("2.5::FLOAT", pl.Float32(), 2.5),
        ("99.99::DECIMAL(12, 2)", pl.Decimal(12, 2), Decimal("99.99")),
        ("true", pl.Boolean(), True),
        ("'é'", pl.String(), "é"),
        ("'b'::ENUM('a', 'b')", pl.String(), "b"),
        ("'{\"a\": 1}'::JSON", pl.String(), '{"a": 1}'),
        ("'\\xAA'::BLOB", pl.Binary(), b"\xaa"),
        ("DATE '2024-02-29'", pl.Date(), date(2024, 2, 29)),
        ("TIMESTAMP '2024-05-01 10:00:00.000001'", pl.Datetime("us"), datetime(2024, 5, 1, 10, 0, 0, 1)),
        ("'2024-05-01 10:00:00'::TIMESTAMP_MS", pl.Datetime("us"), datetime(2024, 5, 1, 10)),
        ("TIMESTAMPTZ '2024-05-01 12:00:00+02'", UTC, datetime(2024, 5, 1, 10, tzinfo=timezone.utc)),
        ("'infinity'::TIMESTAMPTZ", UTC, None),
        ("'-infinity'::TIMESTAMP", pl.Datetime("us"), None),
        ("'infinity'::DATE", pl.Date(), None),
        ("'2024-05-01 10:00:00.000000001'::TIMESTAMP_NS", None, "column `c` is Datetime"),
        ("TIME '10:00:00'", None, "column `c` is Time"),
        ("INTERVAL 1 DAY", None, "a column that Polars cannot read"),
        ("[1, 2]", None, "column `c` is List"),
        ("{'a': 1}", None, "column `c` is Struct"),
    ],
)
def test_a_type_is_read_as_it_is_or_refused(file: Path, value: str, dtype: pl.DataType | None, read: object) -> None:
    run_on_duckdb(file, f"CREATE TABLE t AS SELECT {value} AS c UNION ALL SELECT NULL")

    if dtype is None:
        with pytest.raises(SourceUnreadable, match=f"{read}.*in a `query`"):
            database(file).scan("shop")
    else:
        rows = database(file).scan("shop").collect()
        assert rows.schema == {"c": dtype}
        assert set(rows["c"].to_list()) == {read, None}


def test_a_column_is_read_in_a_wider_type_or_refused(file: Path) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT '7' AS code, 2.5::DOUBLE AS price")

    assert database(file, types={"code": pl.Int64}).scan("shop").collect().rows() == [(7, 2.5)]
    with pytest.raises(SourceUnreadable, match="column `price` is Float64, which cannot be read as Int64 without loss"):
        database(file, types={"price": pl.Int64}).scan("shop")
    run_on_duckdb(file, "INSERT INTO t VALUES ('seven', 1)")
    with pytest.raises(SourceUnreadable, match="seven"):
        database(file, types={"code": pl.Int64}).scan("shop").collect()


def test_all_scans_inside_a_block_can_be_read_at_once(file: Path) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT range AS i FROM range(120000)")

    with database(file).open("shop") as data:
        rows = data.scan()
        for engine in ENGINES:
            assert rows.join(rows, on="i").select(pl.len()).collect(engine=engine).item() == 120_000
        assert rows.head(3).collect().height == 3


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_days_that_differ_are_found_by_their_stamps(
    file: Path, store: fp.OfflineStore, kind: str, asked: list[str]
) -> None:
    hours = f"SELECT range AS id, ('2024-05-01T00:00:00Z'::{kind} + to_hours(range)) AS at, 0 AS v, 0 AS changed"
    run_on_duckdb(file, "SET TimeZone = 'UTC'", f"CREATE TABLE t AS {hours} FROM range(72)")
    source = fp.Source("ev", database(file, new_by="changed", time_zone="UTC"), event_time="at")
    project = fp.Project("shop", fp.Partitions("daily", start=START), (source,))
    fp.materialize(source, store, partitions=project.partitions)
    assert fp.stale_assets(project, store) == []
    assert store.read(source.asset).select(pl.len()).collect().item() == 72

    run_on_duckdb(file, "UPDATE t SET v = 1, changed = 1 WHERE id = 24", "DELETE FROM t WHERE id = 71")
    asked.clear()

    assert [list(each.due_partitions) for each in fp.stale_assets(project, store)] == [["2024-05-02", "2024-05-03"]]
    assert all("'2024-05-02 00:00:00" in sql and "'2024-05-01" not in sql for sql in asked)
    fp.materialize(source, store, partitions=project.partitions)
    assert fp.stale_assets(project, store) == []


def test_where_the_database_does_not_say_times_as_the_standard_does_rows_lie_in_one_piece(
    file: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT 1 AS id, TIMESTAMPTZ '2024-05-01 10:00:00Z' AS at, 0 AS changed")
    monkeypatch.setattr(adbc, "_WALLS", "SELECT nonsense")

    with database(file, new_by="changed").open("shop") as data:
        slicing = fp.sources.base.Slicing("at", "daily", START, START, dict)
        assert [unit.name for unit in data.cut_by(slicing).units() or []] == ["*"]
        assert data.scan().filter(pl.col("at") > START).collect().height == 1
    assert "WHERE" not in asked[-1]


def test_a_database_that_takes_names_in_quotes_for_texts_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT 1 AS i")
    monkeypatch.setattr(adbc, "_NAMES", adbc._NAMES.replace('MAX("fp_v")', "MAX('fp_v')"))

    with pytest.raises(SourceUnreadable, match="does not take names in double quotes"):
        database(file).scan("shop")


@pytest.fixture
def guessing(tmp_path: Path) -> Callable[..., fp.sources.Database]:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (i INTEGER, t TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    return lambda **words: fp.sources.Database(f"sqlite:///{path}", driver="adbc_driver_sqlite", table="t", **words)


def test_what_a_driver_says_of_a_type_and_does_not_keep_is_refused(
    guessing: Callable[..., fp.sources.Database],
) -> None:
    with pytest.raises(SourceUnreadable, match=r"gave String in column `t`, of which it had said Int64. Give the type"):
        guessing().scan("shop").collect()

    rows = guessing(types={"t": pl.String}).scan("shop")

    assert rows.filter(pl.col("i") > 1).collect().rows() == [(2, "b")]


def test_what_fails_is_one_sentence_without_secrets(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT 1 AS i")
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2")
    secret = fp.Secret("SHOP_PASSWORD")
    cases = {
        "Table with name nothing does not exist": database(file, table="nothing"),
        "Referenced column": database(file, query="SELECT nonsense FROM t"),
        "Cannot open": database(tmp_path / "none" / "x.duckdb"),
        "DuckDB does not support authentication": database(file, password=secret),
        "its driver needs adbc_driver_other, which is not installed. Install it: pip install adbc-driver-other": (
            fp.sources.Database("other://db/shop", driver="adbc_driver_other", table="t", password=secret)
        ),
        "Could not load `/nowhere/libx.so`": fp.sources.Database("x://db/shop", driver="/nowhere/libx.so", table="t"),
    }
    for found, each in cases.items():
        with pytest.raises(SourceUnreadable) as raised:
            each.scan("shop").collect()
        assert str(raised.value).startswith(f"Source `shop` cannot be read from {each.location}: ")
        assert found in str(raised.value)
        assert "hunter2" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_nothing_can_be_written_where_the_driver_opens_for_reading(file: Path) -> None:
    run_on_duckdb(file, "CREATE TABLE t AS SELECT 1 AS i")
    with pytest.raises(SourceUnreadable):
        database(file, query="SELECT 1 AS i) x; DELETE FROM t; SELECT * FROM (SELECT 1 AS i").scan("shop").collect()
    assert database(file).scan("shop").collect().rows() == [(1,)]


def test_the_package_that_brings_a_driver_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, DUCKDB, None)
    with pytest.raises(SourceUnreadable, match=r"needs adbc_driver_duckdb, .*: pip install duckdb\."):
        database(file).scan("shop")


@pytest.mark.parametrize("url", ["duckdb:///a@b:hunter2", "duckdb:///x?password=hunter2", "duckdb://u:hunter2@h/x"])
def test_a_url_for_a_driver_has_no_password_either(url: str) -> None:
    with pytest.raises(InvalidDeclaration) as raised:
        fp.sources.Database(url, driver=DUCKDB, table="t")
    assert "hunter2" not in str(raised.value)


def test_a_driver_is_named_by_a_text() -> None:
    with pytest.raises(InvalidDeclaration, match=r"has driver=7\. Write the name of a package"):
        fp.sources.Database("duckdb:///x", driver=7, table="t")  # type: ignore[arg-type]


def test_a_server_is_given_its_address_its_user_and_its_options_apart() -> None:
    words = fp.sources.Database("grpc+tls://ann@db.internal:443?adbc.x.y=1", driver=DUCKDB, table="t")
    assert (words.address.place_without_user, words.address.user, words.address.options) == (
        "grpc+tls://db.internal:443",
        "ann",
        {"adbc.x.y": "1"},
    )

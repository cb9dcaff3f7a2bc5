"""SQLite: any value may be in any column, so that each is read strictly or refused; filters reach the file."""

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars._typing import EngineType

import feature_platform as fp
from feature_platform.ground.errors import SourceUnreadable
from feature_platform_tests.effort import repetitions, tries
from feature_platform_tests.parts.sources.database.predicates import random_predicate, random_rows

Make = Callable[..., fp.sources.Database]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Make:
    def make(table: str | None = "t", **words: object) -> fp.sources.Database:
        return fp.sources.Database(f"sqlite:///{tmp_path}/shop.db", table=table, **words)  # type: ignore[arg-type]

    return make


def fill(file: sqlite3.Connection, declared: str, values: Sequence[object]) -> None:
    file.execute(f"CREATE TABLE t (c {declared})")
    file.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])


@pytest.mark.parametrize(
    ("declared", "stored", "dtype", "value"),
    [
        ("INTEGER", -(2**63), pl.Int64(), -(2**63)),
        ("BIGINT", 2**63 - 1, pl.Int64(), 2**63 - 1),
        ("BOOLEAN", 1, pl.Boolean(), True),
        ("REAL", 1, pl.Float64(), 1.0),
        ("DOUBLE PRECISION", 2.5, pl.Float64(), 2.5),
        ("VARCHAR(10)", "é", pl.String(), "é"),
        ("TEXT", "", pl.String(), ""),
        ("BLOB", b"\x00\xff", pl.Binary(), b"\x00\xff"),
        ("DECIMAL(10, 2)", 99.99, pl.Decimal(10, 2), Decimal("99.99")),
        ("NUMERIC(5)", 7, pl.Decimal(5, 0), Decimal(7)),
        ("DATE", "2024-02-29", pl.Date(), date(2024, 2, 29)),
        ("DATETIME", "2024-02-29 10:00:00", pl.Datetime("us"), datetime(2024, 2, 29, 10)),
        ("TIMESTAMP", "2024-02-29T10:00:00.5", pl.Datetime("us"), datetime(2024, 2, 29, 10, 0, 0, 500_000)),
        ("JSON", '{"a": 1}', pl.String(), '{"a": 1}'),
    ],
)
def test_a_declared_type_is_read_as_it_says(
    file: sqlite3.Connection, database: Make, declared: str, stored: object, dtype: pl.DataType, value: object
) -> None:
    fill(file, declared, [stored, None])

    rows = database().scan("shop").collect()

    assert rows.schema == {"c": dtype}
    assert rows["c"].to_list() == [value, None]


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ("INTEGER", "abc"),  # CAST would make 0 of it
        ("INTEGER", 2.5),
        ("BOOLEAN", 2),
        ("REAL", "x"),
        ("TEXT", b"x"),
        ("DECIMAL(10, 2)", 1.555),
        ("DATE", "20240229"),
        ("DATE", "2024-02-30"),
        ("DATETIME", 1714521600),
        ("DATETIME", "2024-02-29T10:00:00Z"),
        ("DATETIME", "yesterday"),
    ],
)
def test_a_value_of_another_type_is_refused_by_column_and_value(
    file: sqlite3.Connection, database: Make, declared: str, stored: object
) -> None:
    fill(file, declared, [None, stored])

    with pytest.raises(SourceUnreadable, match=r"^Source `shop` cannot be read from sqlite:.* t: column `c` holds "):
        database().scan("shop").collect()


@pytest.mark.parametrize("declared", ["", "NUMERIC", "POLYGON_", "DECIMAL(50, 2)"])
def test_a_column_whose_type_says_nothing_is_asked_for(file: sqlite3.Connection, database: Make, declared: str) -> None:
    fill(file, declared, [1])

    with pytest.raises(SourceUnreadable, match=r'Give its type: types={"c": pl.String}'):
        database().scan("shop")
    assert database(types={"c": pl.Int64}).scan("shop").collect().item() == 1


def test_wall_clocks_are_of_the_declared_zone_and_a_time_that_it_has_twice_is_refused(
    file: sqlite3.Connection, database: Make
) -> None:
    fill(file, "DATETIME", ["2024-07-01 12:00:00"])
    paris = database(time_zone="Europe/Paris")

    assert paris.scan("shop").collect()["c"].to_list() == [datetime(2024, 7, 1, 10, tzinfo=timezone.utc)]
    file.execute("INSERT INTO t VALUES ('2024-10-27 02:30:00')")
    with pytest.raises(SourceUnreadable, match=r"ambiguous.*Convert the times in a `query`"):
        paris.scan("shop").collect()


def test_texts_with_an_offset_are_moments_where_types_says_so(file: sqlite3.Connection, database: Make) -> None:
    fill(file, "TEXT", ["2024-07-01T01:00:00+02:00"])
    frame = database(types={"c": pl.Datetime("us", "UTC")}).scan("shop")
    moment = datetime(2024, 6, 30, 23, tzinfo=timezone.utc)

    assert frame.filter(pl.col("c") == moment).collect()["c"].to_list() == [moment]


def test_a_query_is_a_subquery_and_may_be_only_one_statement_that_reads(
    file: sqlite3.Connection, database: Make
) -> None:
    fill(file, "INTEGER", [1, 2, 3])

    rows = database(None, query="SELECT c AS n FROM t WHERE c > 1 -- the rest\n;").scan("shop")
    assert rows.filter(pl.col("n") < 3).collect().rows() == [(2,)]
    for query in ("SELECT 1; DROP TABLE t", "SELECT nothing FROM t", "WITH x AS (SELECT 1) DELETE FROM t"):
        with pytest.raises(SourceUnreadable):
            database(None, query=query).scan("shop").collect()
    assert file.execute("SELECT count(*) FROM t").fetchone() == (3,)


def put_random_rows(file: sqlite3.Connection, chance: random.Random) -> None:
    file.execute("DROP TABLE IF EXISTS t")
    columns = 'id INTEGER, f REAL, t TEXT, b BOOLEAN, ts DATETIME, tz TEXT, d DATE, "we\'ird""x" INTEGER'
    file.execute(f"CREATE TABLE t ({columns})")
    texts = [
        tuple(str(value) if isinstance(value, date) else value for value in row) for row in random_rows(chance, 300)
    ]
    file.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", texts)


def test_no_result_differs_by_what_the_file_filters(file: sqlite3.Connection, database: Make, asked: list[str]) -> None:
    engines: list[EngineType] = ["in-memory", "streaming"]
    for seed in repetitions(10):
        chance = random.Random(seed)
        put_random_rows(file, chance)
        with database(types={"tz": pl.Datetime("us", "UTC")}).open("shop") as data:
            whole = data.scan().collect()
            for _ in range(tries(200)):
                predicate = random_predicate(chance)
                found = data.scan().filter(predicate).collect(engine=chance.choice(engines))

                assert found.sort("id").equals(whole.filter(predicate).sort("id")), (predicate, asked[-1])

    assert sum(" WHERE " in sql for sql in asked) > len(asked) / 5


def test_only_the_columns_that_are_used_are_read(file: sqlite3.Connection, database: Make, asked: list[str]) -> None:
    put_random_rows(file, random.Random(1))
    rows = database(types={"tz": pl.Datetime("us", "UTC")}).scan("shop")

    assert rows.select(pl.len()).collect().item() == 300
    assert rows.filter(pl.col("id") < 10).select("b").collect().height == 10
    assert rows.head(7).collect().height == 7
    assert asked[1:] == [
        "SELECT `b`, `id` FROM `main`.`t` WHERE `id` < 10",
        "SELECT `id`, `f`, `t`, `b`, `ts`, `tz`, `d`, `we'ird\"x` FROM `main`.`t` LIMIT 7",
    ]


def test_all_that_is_read_inside_a_block_is_of_one_moment(file: sqlite3.Connection, database: Make) -> None:
    file.execute("PRAGMA journal_mode = WAL")
    fill(file, "INTEGER", [1, 2, 3])

    with database().open("shop") as data:
        frame = data.scan()
        file.execute("DELETE FROM t WHERE c > 1")
        assert frame.collect().height == frame.join(frame, on="c").collect().height == 3
    assert frame.collect().height == 1


def test_what_cannot_be_read_is_one_error_and_nothing_is_left_open(tmp_path: Path, database: Make) -> None:
    with pytest.raises(SourceUnreadable, match=r"unable to open database file\. Check the path"):
        database().scan("shop")
    (tmp_path / "shop.db").write_text("this is no database, although its name says so" * 100)
    with pytest.raises(SourceUnreadable, match=r"file is not a database"):
        database().scan("shop")


def test_a_table_that_is_not_there_or_goes_is_named(file: sqlite3.Connection, database: Make) -> None:
    with pytest.raises(SourceUnreadable, match=r"there is no table `t`\. Check the table"):
        database().scan("shop")
    fill(file, "INTEGER", [1])
    frame = database().scan("shop")
    file.execute("ALTER TABLE t RENAME COLUMN c TO d")
    with pytest.raises(SourceUnreadable, match=r"no such column"):
        frame.collect()


def test_a_statement_that_takes_longer_than_its_timeout_is_ended(file: sqlite3.Connection, database: Make) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"

    with pytest.raises(SourceUnreadable, match=r"it took longer than 1s"):
        database(None, query=endless, types={"i": pl.Int64}, timeout="1s").scan("shop").collect()


def test_a_new_by_that_is_no_column_is_named(file: sqlite3.Connection, database: Make) -> None:
    fill(file, "INTEGER", [1])

    with pytest.raises(SourceUnreadable, match=r"there is no column `d`, which `new_by` names\. It has: c\."):
        database(new_by="d").scan("shop")

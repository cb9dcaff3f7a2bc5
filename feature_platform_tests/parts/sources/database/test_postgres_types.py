"""Every type of PostgreSQL is read right or refused in one sentence: never a panic, never another value."""

import math
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import SourceUnreadable
from feature_platform_tests.databases import Server

UTC = pl.Datetime("us", "UTC")
CHECKS = ("CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TYPE pair AS (a int, b text)")
DOMAINS = ("CREATE DOMAIN price AS numeric(8, 2)", "CREATE DOMAIN posint AS int CHECK (value > 0)")


@pytest.fixture(scope="module")
def postgres_types(postgres: Server) -> Iterator[Server]:
    postgres.run(*CHECKS, *DOMAINS, "CREATE DOMAIN posint2 AS posint")
    yield postgres
    postgres.run("DROP TYPE mood, pair CASCADE", "DROP DOMAIN price, posint2, posint CASCADE")


@pytest.fixture
def table(postgres_types: Server) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    yield name
    postgres_types.run(f"DROP TABLE IF EXISTS {name}")


CASES: list[tuple[str, str, pl.DataType, object]] = [
    ("smallint", "-32768", pl.Int16(), -32768),
    ("int", "2147483647", pl.Int32(), 2**31 - 1),
    ("bigint", "-9223372036854775808", pl.Int64(), -(2**63)),
    ("oid", "4294967295", pl.Int64(), 2**32 - 1),
    ("real", "1.5", pl.Float32(), 1.5),
    ("double precision", "-Infinity", pl.Float64(), -math.inf),
    ("boolean", "true", pl.Boolean(), True),
    ("text", "é", pl.String(), "é"),
    ("varchar(10)", "vc", pl.String(), "vc"),
    ("char(5)", "ch", pl.String(), "ch   "),
    ("name", "nm", pl.String(), "nm"),
    ("mood", "ok", pl.String(), "ok"),
    ("bytea", "\\x00ff", pl.Binary(), b"\x00\xff"),
    ("numeric(12, 2)", "99.99", pl.Decimal(12, 2), Decimal("99.99")),
    ("numeric(38, 10)", "1234567890123456789012345678.0123456789", pl.Decimal(38, 10),
     Decimal("1234567890123456789012345678.0123456789")),
    ("price", "12.5", pl.Decimal(8, 2), Decimal("12.50")),
    ("posint", "5", pl.Int32(), 5),
    ("posint2", "5", pl.String(), "5"),
    ("date", "0001-01-01", pl.Date(), date(1, 1, 1)),
    ("date", "infinity", pl.Date(), None),
    ("timestamp", "2024-05-01 10:00:00.000001", pl.Datetime("us"), datetime(2024, 5, 1, 10, 0, 0, 1)),
    ("timestamp", "-infinity", pl.Datetime("us"), None),
    ("timestamptz", "2024-05-01 10:00+02", UTC, datetime(2024, 5, 1, 8, tzinfo=timezone.utc)),
    ("timestamptz", "infinity", UTC, None),
    ("timestamptz", "0001-01-01 00:00+00", UTC, datetime(1, 1, 1, tzinfo=timezone.utc)),
    ("timestamptz", "9999-12-31 23:59:59.999999+00", UTC, datetime.max.replace(tzinfo=timezone.utc)),
    ("time", "24:00", pl.String(), "24:00:00"),
    ("timetz", "12:34:56+02", pl.String(), "12:34:56+02"),
    ("interval", "1 mon 2 days 3 hours", pl.String(), "1 mon 2 days 03:00:00"),
    ("json", '{"a":1}', pl.String(), '{"a":1}'),
    ("jsonb", '{"a": [1, 2]}', pl.String(), '{"a": [1, 2]}'),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", pl.String(), "123e4567-e89b-12d3-a456-426614174000"),
    ("inet", "10.0.0.1/8", pl.String(), "10.0.0.1/8"),
    ("macaddr", "08:00:2b:01:02:03", pl.String(), "08:00:2b:01:02:03"),
    ("point", "(1,2)", pl.String(), "(1,2)"),
    ("bit(3)", "101", pl.String(), "101"),
    ("tstzrange", "[2024-01-01,2024-02-01)", pl.String(), '["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")'),
    ("tsvector", "b a", pl.String(), "'a' 'b'"),
    ("pair", "(1,x)", pl.String(), "(1,x)"),
    ("int[]", "{1,NULL}", pl.List(pl.Int32()), [1, None]),
    ("text[]", "{a,NULL,c}", pl.List(pl.String()), ["a", None, "c"]),
    ("float8[]", "{}", pl.List(pl.Float64()), []),
    ("numeric[]", "{1.5,2.25}", pl.List(pl.String()), ["1.5", "2.25"]),
    ("timestamptz[]", "{infinity}", pl.List(pl.String()), ["infinity"]),
    ("mood[]", "{sad,ok}", pl.List(pl.String()), ["sad", "ok"]),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "text", "dtype", "value"), CASES, ids=lambda case: str(case)[:30])
def test_a_type_is_read_as_it_is(
    postgres_types: Server, table: str, declared: str, text: str, dtype: pl.DataType, value: object
) -> None:
    postgres_types.run(f"CREATE TABLE {table} (c {declared})", f"INSERT INTO {table} VALUES ('{text}'), (NULL)")

    rows = fp.sources.Database(postgres_types.url, table=table).scan("shop").collect()

    assert rows.schema == {"c": dtype}
    assert rows["c"].to_list() == [value, None]
    if declared not in ("price", "numeric(12, 2)", "numeric(38, 10)", "posint2"):
        query = fp.sources.Database(postgres_types.url, query=f"SELECT c FROM {table}").scan("shop").collect()
        assert query.equals(rows, null_equal=True)


@pytest.mark.parametrize(
    ("declared", "text", "found"),
    [
        ("numeric", "1.5", "column `c` is numeric without a precision of at most 38 digits. Give its type: types="),
        ("numeric(40, 2)", "1.5", "numeric without a precision of at most 38 digits"),
        ("numeric(2, -3)", "1000", "numeric without a precision of at most 38 digits"),
        ("money", "12.34", "column `c` is money, whose values depend on settings of the server. Give its type"),
        ("timestamptz", "294276-12-31 23:59+00", ": a time beyond 294246-12-31 in column c: 294276-12-31"),
        ("timestamp", "294276-12-31 23:59", ": a time beyond 294246-12-31 in column c: 294276-12-31"),
        ("numeric(5, 2)", "NaN", "conversion from `str` to `decimal"),
        ("int[]", "{{1,2},{3,4}}", ": an array of several dimensions in column c: {{1,2},{3,4}}. Give"),
        ("numeric[]", "{{1,2},{3,4}}", "an array of several dimensions in column c"),
    ],
)
def test_what_has_no_type_here_is_refused_in_one_sentence(
    postgres_types: Server, table: str, declared: str, text: str, found: str
) -> None:
    postgres_types.run(f"CREATE TABLE {table} (c {declared})", f"INSERT INTO {table} VALUES ('{text}')")

    with pytest.raises(SourceUnreadable) as raised:
        fp.sources.Database(postgres_types.url, table=table).scan("shop").collect()

    assert found in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("declared", "text", "wanted", "value"),
    [
        ("numeric", "1.5", pl.Float64(), 1.5),
        ("numeric", "NaN", pl.Float64(), math.nan),
        ("numeric", "1.50", pl.Decimal(10, 1), Decimal("1.5")),
        ("numeric", "1.55", pl.Decimal(10, 1), "a value of column c with more than 1 decimal places: 1.55"),
        ("numeric", "99999999999.5", pl.Decimal(10, 1), "conversion"),
        ("numeric", "1.55", pl.Int64(), "column `c` is numeric, which cannot be read as Int64 without loss"),
        ("numeric(10, 2)", "1.55", pl.Float64(), 1.55),
        ("numeric", "1.55", pl.String(), "1.55"),
        ("money", "$1.50", pl.String(), "$1.50"),
        ("int", "5", pl.Int64(), 5),
        ("bigint", "3000000000", pl.Int32(), "conversion"),
        ("text", "7", pl.Int64(), 7),
        ("text", "7.5", pl.Int64(), "conversion"),
        ("timestamp", "2024-05-01", pl.Int64(), "which cannot be read as Int64 without loss"),
        ("timestamptz", "2024-05-01", pl.String(), "2024-05-01 00:00:00+00"),
    ],
)
def test_types_reads_a_column_in_another_type_without_loss_or_not_at_all(
    postgres_types: Server, table: str, declared: str, text: str, wanted: pl.DataType, value: object
) -> None:
    postgres_types.run(f"CREATE TABLE {table} (c {declared})", f"INSERT INTO {table} VALUES ('{text}')")
    database = fp.sources.Database(postgres_types.url, table=table, types={"c": wanted})

    if isinstance(value, str) and wanted != pl.String:
        with pytest.raises(SourceUnreadable, match=value):
            database.scan("shop").collect()
    else:
        rows = database.scan("shop").collect()
        assert rows.schema == {"c": wanted}
        assert rows["c"].equals(pl.Series("c", [value], dtype=wanted), null_equal=True)


def test_times_far_from_now_are_no_other_times(postgres_types: Server, table: str) -> None:
    far = "('294246-12-31 00:00+00', '5874897-12-31'), ('4713-01-01 00:00+00 BC', '4713-01-01 BC')"
    postgres_types.run(f"CREATE TABLE {table} (c timestamptz, d date)", f"INSERT INTO {table} VALUES {far}")
    rows = fp.sources.Database(postgres_types.url, table=table).scan("shop").select(pl.all().to_physical())
    days = [2_145_042_905, -2_440_550]

    assert rows.collect().rows() == [(9_223_371_158_400_000_000, days[0]), (days[1] * 86_400_000_000, days[1])]


def test_a_table_and_columns_of_any_name_are_quoted(postgres_types: Server) -> None:
    postgres_types.run(
        'CREATE SCHEMA IF NOT EXISTS "Odd.Schema"',
        'CREATE TABLE "Odd.Schema"."a ""b"" \'c\'" ("x; DROP" int, "select" int, "%s" int, ":n" text)',
        'INSERT INTO "Odd.Schema"."a ""b"" \'c\'" VALUES (1, 2, 3, \'a:b\')',
    )
    rows = fp.sources.Database(postgres_types.url, table='"Odd.Schema"."a ""b"" \'c\'"').scan("shop")

    assert rows.filter(pl.col("x; DROP") == 1, pl.col(":n") == "a:b").collect().rows() == [(1, 2, 3, "a:b")]
    postgres_types.run('DROP SCHEMA "Odd.Schema" CASCADE')

"""A database is declared without any secret; whatever part of a URL has one is refused, and not shown."""

import pickle
import random
import traceback
from collections.abc import Mapping
from datetime import datetime, timezone

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.code_version import code_version
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.sources.database.address import address_of
from feature_platform.parts.sources.database.columns import Column, Literals
from feature_platform.parts.sources.database.pushdown import conditions_of

URL = "postgresql://reader@db.internal:5432/shop?sslmode=require"
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, "postgresql://reader@db.internal:5432/shop"),
        ("postgres:///shop?host=/run/postgresql", "postgres:///shop"),
        ("mysql+pymysql://r%40x@[::1]/d", "mysql+pymysql://r@x@[::1]/d"),
        ("sqlite:///data/shop.db", "sqlite:///data/shop.db"),
        ("sqlite:////data/my shop@home.db", "sqlite:////data/my shop@home.db"),
    ],
)
def test_a_location_has_the_place_and_no_options(url: str, place: str) -> None:
    assert address_of(url).place == place


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://reader:{SECRET}@db/shop",
        f"postgresql://reader:{SECRET}%@db/shop",
        f"postgresql://:{SECRET}@db/shop",
        f"postgresql://reader:x/{SECRET}@db/shop",
        f"postgresql://reader:x?{SECRET}@db/shop",
        f"postgresql://reader:x#{SECRET}@db/shop",
        f"postgresql://reader@x:{SECRET}@db/shop",
        f"postgresql://db/shop?password={SECRET}",
        f"postgresql://db/shop?sslpassword={SECRET}",
        f"postgresql:/reader:{SECRET}@db/shop",
        f"reader:{SECRET}@db/shop",
        f"host=db password={SECRET}",
        f" postgresql://reader:{SECRET}@db/shop",
        "",
        None,
        7,
    ],
)
def test_a_url_with_a_password_is_refused_without_showing_it(url: object) -> None:
    with pytest.raises(InvalidDeclaration) as raised:
        fp.sources.Database(url, table="t")  # type: ignore[arg-type]

    assert SECRET not in "".join(traceback.format_exception(raised.value)).replace(repr(url), "")
    assert SECRET not in str(raised.value)


def test_no_url_that_carries_a_password_where_urls_have_it_is_accepted() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        noise = "".join(chance.choice(":/@?#%&= abc+.[]\\\n\0é") for _ in range(chance.randint(0, 6)))
        url = f"postgresql://u:{noise}{SECRET}@db/shop"
        with pytest.raises(InvalidDeclaration) as raised:
            fp.sources.Database(url, table="t")
        assert SECRET not in str(raised.value)


def test_neither_text_nor_pickle_nor_code_version_has_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    connector = fp.sources.Database(URL, password=fp.Secret("DB_PASSWORD"), table="public.orders")
    source = fp.Source("orders", connector, event_time="at")

    assert connector == pickle.loads(pickle.dumps(connector))
    assert SECRET.encode() not in pickle.dumps(connector)
    assert SECRET not in f"{connector!r}{connector.location}{connector.reading}{code_version(source)}"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({}, "has neither a table nor a query"),
        ({"table": "t", "query": "SELECT 1"}, "has a table and a query"),
        ({"table": "a.b.c.d"}, "has table="),
        ({"table": ""}, "has table="),
        ({"query": "DELETE FROM t"}, "has a query that is no SELECT"),
        ({"table": "t", "password": SECRET}, "has a password that is no fp.Secret"),
        ({"table": "t", "time_zone": "Mars/Olympus"}, "has time_zone='Mars/Olympus'"),
        ({"table": "t", "watch": "soon"}, "has the duration 'soon'"),
        ({"table": "t", "timeout": 5}, "has the duration 5"),
        ({"table": "t", "types": {"a": "int"}}, "has types="),
        ({"table": "t", "gone": "later"}, "has gone='later'"),
    ],
)
def test_a_wrong_word_is_refused(words: Mapping[str, object], found: str) -> None:
    with pytest.raises(InvalidDeclaration) as raised:
        fp.sources.Database(URL, **words)  # type: ignore[arg-type]

    assert found in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("table", "parts"),
    [("t", ["t"]), ("public.orders", ["public", "orders"]), ('"My.Schema"."a ""b"""', ["My.Schema", 'a "b"'])],
)
def test_a_table_is_taken_apart(table: str, parts: list[str]) -> None:
    assert fp.sources.Database(URL, table=table).table_parts == parts


def test_a_query_and_types_are_code_and_the_place_is_not() -> None:
    def version(url: str = URL, **words: object) -> str:
        connector = fp.sources.Database(url, **words)  # type: ignore[arg-type]
        return code_version(fp.Source("orders", connector, event_time="at"))

    assert version(table="a") == version("sqlite:///other.db", table="b")
    assert len({version(table="a"), version(query="SELECT 1"), version(table="a", types={"x": pl.String})}) == 3


COLUMNS = {
    "n": Column("n", pl.Int64(), "n", "n", "whole"),
    "t": Column("t", pl.String(), "t", "t", "text"),
    "b": Column("b", pl.Boolean(), "b", "b", "truth"),
    "at": Column("at", pl.Datetime("us", "UTC"), "at", "at", "instant"),
    "near": Column("near", pl.Datetime("us", "UTC"), "near", "near", "utc wall", None, 3_600_000_000),
    "f": Column("f", pl.Float64(), "f", "f"),
}


@pytest.mark.parametrize(
    ("predicate", "conditions"),
    [
        ("(pa.compute.field('n') > 3)", ["n > 3"]),
        ("(3 > pa.compute.field('n'))", ["n < 3"]),
        ("(pa.compute.field('n') > -3)", ["n > -3"]),
        ("(pa.compute.field('n') > 3.5)", []),
        ("(pa.compute.field('n') > 99999999999999999999)", []),
        ("(pa.compute.field('n') > True)", []),
        ("(pa.compute.field('t') == 'it''s')", ["t = 'its'"]),
        ("(pa.compute.field('t') == \"it's\")", ["t = 'it''s'"]),
        ("(pa.compute.field('t') == 'a\\\\b')", []),
        ("(pa.compute.field('t') > 'a')", []),
        ("(pa.compute.field('t') != 'a')", []),
        ("(pa.compute.field('f') > 1.5)", []),
        ("~((pa.compute.field('n') > 3))", []),
        ("((pa.compute.field('n') > 3) & (pa.compute.field('f') > 1.5))", ["n > 3"]),
        ("((pa.compute.field('n') > 3) | (pa.compute.field('f') > 1.5))", []),
        ("((pa.compute.field('n') > 3) | (pa.compute.field('t') == 'x'))", ["(n > 3 OR t = 'x')"]),
        ("(pa.compute.field('n')).isin([1,2])", ["n IN (1, 2)"]),
        ("(pa.compute.field('n')).isin([1,None])", []),
        ("(pa.compute.field('nothing') > 3)", []),
        ("__import__('os').system('true')", []),
        ("not python", []),
        ("(" * 5000, []),
        (
            "(pa.compute.field('at') >= to_py_datetime(0,'us','UTC'))",
            ["at >= TIMESTAMP WITH TIME ZONE '1970-01-01 00:00:00+00'"],
        ),
        ("(pa.compute.field('at') >= to_py_datetime(0,'us'))", []),
        ("(pa.compute.field('at') >= to_py_datetime(1,'ns','UTC'))", []),
        ("(pa.compute.field('at') >= to_py_datetime(99999999999999999,'ms','UTC'))", []),
        ("(pa.compute.field('near') > to_py_datetime(0,'us','UTC'))", ["(near >= TIMESTAMP '1969-12-31 23:00:00')"]),
        (
            "(pa.compute.field('near') == to_py_datetime(0,'us','UTC'))",
            ["(near >= TIMESTAMP '1969-12-31 23:00:00' AND near <= TIMESTAMP '1970-01-01 01:00:00')"],
        ),
    ],
)
def test_only_what_keeps_at_least_the_rows_is_said_in_sql(predicate: str, conditions: list[str]) -> None:
    assert conditions_of(predicate, COLUMNS, Literals()) == conditions


def test_a_literal_has_the_whole_time() -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)

    assert Literals().instant(moment) == "TIMESTAMP WITH TIME ZONE '2024-01-02 03:04:05.000006+00'"

"""Iceberg tables: one snapshot, by the ids of fields, without deleted rows; what cannot be read is one clear error."""

import random
import socket
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.types import LongType, StringType

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, PackageMissing, SourceUnreadable
from feature_platform.parts.sources import Iceberg, iceberg_table
from feature_platform.parts.sources.base import WHOLE_UNIT
from feature_platform_tests.effort import tries
from feature_platform_tests.iceberg_tables import Warehouse, rest_catalog
from feature_platform_tests.parts.sources.database.predicates import random_predicate, random_rows

TOKEN = "hunter2hunter2"
REST = {"type": "rest", "uri": "https://ice.internal"}
DAYS = fp.Partitions("daily", start="2024-05-01", end="2024-05-08")


def rows(*days: int, x: int = 0) -> pl.DataFrame:
    """Two rows of each day of May 2024."""
    at = [datetime(2024, 5, day, hour, tzinfo=timezone.utc) for day in days for hour in (1, 2)]
    numbers = pl.Series([x, x + 1] * len(days), dtype=pl.Int32)
    return pl.DataFrame({"k": ["a", "b"] * len(days), "at": at, "x": numbers})


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path, rows(1))


@pytest.fixture
def stock(warehouse):
    return fp.Source("stock", warehouse.connector, event_time="at")


def read_both(connector: Iceberg) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return all rows as Polars reads the table, and as pyiceberg reads its data files."""
    with connector.open("stock") as data:
        names = [unit.name for unit in data.units()]
        schema = data.schemas({})[0]
        files = data.scan_units(names, schema).collect() if names else pl.DataFrame(schema=schema)
        return data.scan().collect(), files


def refused(connector: Iceberg) -> str:
    with pytest.raises(SourceUnreadable) as raised:
        connector.scan("stock").collect()
    message = str(raised.value)
    assert message.startswith(f"Source `stock` cannot be read from {connector.location}: ")
    assert message.count("\n") == 0
    return message.removeprefix(f"Source `stock` cannot be read from {connector.location}: ")


def stale(stock: fp.Source, store: fp.OfflineStore) -> dict[str, str]:
    found = fp.stale_assets(fp.Project("shop", DAYS, (stock,)), store)
    return {key: why for each in found for key, why in each.reasons.items() if why != "never materialized"}


def test_types_are_the_same_by_file_as_for_the_whole_table(tmp_path):
    frame = pl.DataFrame(
        {
            "b": [True, None],
            "i": pl.Series([1, None], dtype=pl.Int32),
            "f": pl.Series([1.5, float("nan")], dtype=pl.Float32),
            "d": pl.Series([Decimal("1.25"), None], dtype=pl.Decimal(12, 2)),
            "day": [date(2024, 5, 1), None],
            "wall": [datetime(2024, 5, 1, 3), None],
            "at": pl.Series([datetime(2024, 5, 1), None], dtype=pl.Datetime("us", "UTC")),
            "time": [datetime(2024, 5, 1, 3).time(), None],
            "raw": [b"\x00", None],
            "list": [["a", None], None],
            "in": [{"a": 1, "b": {"c": "x"}}, None],
        }
    )
    found, files = read_both(Warehouse(tmp_path, frame).connector)
    assert_frame_equal(found, frame)
    assert_frame_equal(files, frame)


def test_rows_are_right_after_any_changes_however_they_are_read(tmp_path):
    for seed in range(tries(20)):
        chance, folder = random.Random(seed), tmp_path / str(seed)
        folder.mkdir()
        warehouse, held = Warehouse(folder, rows(1)), rows(1).rows()
        for number in range(6):
            held = change(chance.choice(CHANGES), warehouse, held, number)
            found, files = read_both(warehouse.connector)
            assert sorted(found.rows()) == sorted(held)
            assert_frame_equal(files, found, check_row_order=False)


CHANGES = ("append", "overwrite", "delete", "compact", "positions", "rename", "retype", "anew")


def change(kind: str, warehouse: Warehouse, held: list[tuple], number: int) -> list[tuple]:
    """Change a table, and return the rows that it has to have then, which have three columns."""
    names = warehouse.table.schema().column_names
    new = rows(2 + number, x=10 * number).rename(dict(zip(("k", "at", "x"), names, strict=True)))
    files = warehouse.files
    match kind:
        case "append":
            warehouse.append(new)
            return [*held, *new.rows()]
        case "overwrite":
            warehouse.overwrite(new)
            return new.rows()
        case "delete" if any(row[0] == "a" for row in held):
            warehouse.delete(f"{names[0]} == 'a'")
            return [row for row in held if row[0] != "a"]
        case "compact" if files:
            warehouse.compact()
        case "positions" if len(held) > 1 and len(files) == 1:
            written = pl.read_parquet(files[0].removeprefix("file://")).rows()
            warehouse.delete_positions(files[0], [0])
            return [row for row in held if row[:2] != written[0][:2]]
        case "retype":
            with warehouse.table.update_schema() as schema:
                schema.update_column(names[2], LongType())
        case "rename":
            with warehouse.table.update_schema() as schema:
                schema.rename_column(names[2], f"x{number}")
        case "anew":  # another column of the same name: what old files have under it is gone
            with warehouse.table.update_schema() as schema:
                schema.delete_column(names[2])
            with warehouse.table.update_schema() as schema:
                schema.add_column(names[2], LongType())
            return [(*row[:2], None) for row in held]
    return held


def test_a_snapshot_stays_the_same_while_it_is_open(warehouse):
    with warehouse.connector.open("stock") as data:
        warehouse.append(rows(2))
        [unit] = data.units()
        assert data.scan().collect().height == 2
        assert data.scan_units([unit.name], data.schemas({})[0]).collect().height == 2
    assert warehouse.connector.scan("stock").collect().height == 4


def test_only_days_whose_rows_differ_are_stale(warehouse, stock, store):
    warehouse.append(rows(2))
    fp.materialize(stock, store, partitions=DAYS)
    assert stale(stock, store) == {}
    warehouse.compact()
    assert stale(stock, store) == {}
    warehouse.append(rows(3))
    fp.materialize(stock, store, partitions=DAYS)
    older = warehouse.files[-1]
    first = pl.read_parquet(older.removeprefix("file://"))["at"][0].day
    warehouse.delete_positions(older, [0])
    assert list(stale(stock, store)) == [f"2024-05-0{first}"]


def test_a_compaction_leaves_the_fingerprint_and_a_change_of_columns_does_not(warehouse):
    warehouse.append(rows(2))
    before = warehouse.connector.fingerprint("stock")
    warehouse.compact()
    assert warehouse.connector.fingerprint("stock") == before
    with warehouse.table.update_schema() as schema:
        schema.add_column("note", StringType())
    assert warehouse.connector.fingerprint("stock") != before


def test_a_new_column_reads_no_old_file_again_and_a_renamed_one_reads_all(warehouse):
    def stamps():
        with warehouse.connector.open("stock") as data:
            return [unit.stamp for unit in data.units()]

    before = stamps()
    with warehouse.table.update_schema() as schema:
        schema.add_column("note", StringType())
    assert stamps() == before
    with warehouse.table.update_schema() as schema:
        schema.rename_column("x", "amount")
    assert stamps() != before
    assert read_both(warehouse.connector)[1].columns == ["k", "at", "amount", "note"]


def test_a_vector_of_deletes_makes_the_table_one_unit_that_is_read_right(warehouse, stock, store):
    warehouse.append(rows(2))
    warehouse.delete_by_vector(warehouse.files[0], [1])
    with warehouse.connector.open("stock") as data:
        assert [unit.name for unit in data.units()] == [WHOLE_UNIT]
    fp.materialize(stock, store, partitions=DAYS)
    assert store.read(stock.asset).collect()["k"].to_list() in (["a", "b", "a"], ["a", "a", "b"])


def test_deletes_by_equality_are_refused_before_anything_is_written(warehouse, stock, store):
    warehouse.delete_equal("k", pa.array(["a"]))
    with pytest.raises(SourceUnreadable, match=r"it has deletes by equality, .* Compact the table"):
        fp.materialize(stock, store, partitions=DAYS)
    assert not store.exists(stock.asset)
    assert refused(warehouse.connector).startswith("it has deletes by equality")


def test_a_table_without_rows_is_read_and_materialized(warehouse, stock, store):
    warehouse.delete("true")
    found, files = read_both(warehouse.connector)
    assert found.schema == files.schema == rows(1).schema
    assert found.height == files.height == 0
    fp.materialize(stock, store, partitions=DAYS)
    assert store.read(stock.asset).collect().height == 0


def test_a_filter_reaches_the_data_files(warehouse, monkeypatch):
    asked, scan = [], ArrowScan
    monkeypatch.setattr(iceberg_table, "ArrowScan", lambda *words: asked.append(str(words[3])) or scan(*words))
    with warehouse.connector.open("stock") as data:
        found = data.scan_units([unit.name for unit in data.units()], data.schemas({})[0])
        kept = found.filter(pl.col("at") >= datetime(2024, 5, 1, 2, tzinfo=timezone.utc), pl.col("x").is_not_nan())
        assert kept.select("k").collect().rows() == [("b",)]
    assert asked == ["GreaterThanOrEqual(term=Reference(name='at'), literal=literal('2024-05-01T02:00:00+00:00'))"]


def test_no_predicate_gives_other_rows_than_polars_does(tmp_path):
    chance = random.Random(7)
    types: dict[str, pl.DataType | type[pl.DataType]] = {
        "id": pl.Int64,
        "f": pl.Float64,
        "t": pl.String,
        "b": pl.Boolean,
        "ts": pl.Datetime("us"),
    }
    types |= {"tz": pl.Datetime("us", "UTC"), "d": pl.Date, "we'ird\"x": pl.Int64}
    every = pl.DataFrame(random_rows(chance, 300), schema=types, orient="row")
    connector = Warehouse(tmp_path, every).connector
    with connector.open("stock") as data:
        lazy = data.scan_units([unit.name for unit in data.units()], data.schemas({})[0], "unit").drop("unit")
        for _ in range(tries(300)):
            predicate = random_predicate(chance)
            assert_frame_equal(lazy.filter(predicate).collect(), every.filter(predicate))


def test_a_data_file_that_is_gone_is_one_error_and_nothing_is_written(warehouse, stock, store):
    [file] = warehouse.files
    Path(file.removeprefix("file://")).unlink()
    with pytest.raises(SourceUnreadable, match=r"^Source `stock` .*No such file.*Check the files of the table"):
        fp.materialize(stock, store, partitions=DAYS)
    assert not store.exists(stock.asset)


def test_a_column_that_was_dropped_is_named(warehouse, stock, store):
    fp.materialize(stock, store, partitions=DAYS)
    before = store.read(stock.asset).collect()
    with warehouse.table.update_schema() as schema:
        schema.delete_column("at")
    with pytest.raises(fp.errors.FeaturePlatformError, match="`at`"):
        fp.materialize(stock, store, partitions=DAYS)
    assert_frame_equal(store.read(stock.asset).collect(), before)


def test_a_renamed_column_is_refused_until_the_published_table_follows(warehouse, stock, store):
    fp.materialize(stock, store, partitions=DAYS)
    with warehouse.table.update_schema() as schema:
        schema.rename_column("x", "amount")
    warehouse.append(rows(2).rename({"x": "amount"}))
    with pytest.raises(fp.errors.SchemaChanged, match=r"column `x` .* is missing"):
        fp.materialize(stock, store, partitions=DAYS)
    project = fp.Project("shop", DAYS, (stock,))
    fp.migrate(fp.plan_migration(project, store, renames=["sources/stock.x=amount"]), store)
    fp.materialize(stock, store, partitions=DAYS)
    assert store.read(stock.asset).collect()["amount"].to_list() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("shop.none", "namespace `shop` of the catalog has no table `none`"),
        ("nowhere.stock", "the catalog has no namespace `nowhere`"),
    ],
)
def test_a_name_that_the_catalog_does_not_know_is_told(warehouse, table, found):
    assert refused(warehouse.connector_to(table)) == f"{found}. Check the name of the table."


def test_no_database_is_made_where_there_is_none(tmp_path):
    connector = Iceberg("shop.stock", catalog={"type": "sql", "uri": f"sqlite:///{tmp_path}/none.db"})
    assert refused(connector) == "there is no such file. Check the address of the catalog."
    (tmp_path / "none.db").touch()
    assert "no such table: iceberg_tables" in refused(connector)
    assert (tmp_path / "none.db").stat().st_size == 0


def test_a_rest_catalog_is_asked_with_its_token(warehouse, monkeypatch):
    with rest_catalog(warehouse, TOKEN) as address:

        def connector_to(table: str) -> Iceberg:
            return Iceberg(table, catalog={"type": "rest", "uri": address}, secrets={"token": fp.Secret("ICE")})

        monkeypatch.setenv("ICE", TOKEN)
        for each in read_both(connector_to("shop.stock")):
            assert_frame_equal(each, rows(1))
        assert refused(connector_to("shop.none")).startswith("namespace `shop` of the catalog has no table `none`")
        monkeypatch.setenv("ICE", f"{TOKEN}x")
        message = refused(connector_to("shop.stock"))
        assert "Not authorized" in message
        assert TOKEN not in message
        monkeypatch.delenv("ICE")
        with pytest.raises(fp.errors.SecretMissing, match=r"`stock`.*ICE"):
            connector_to("shop.stock").scan("stock")


def test_a_catalog_that_is_down_and_one_that_never_answers_are_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        silent = Iceberg("shop.stock", catalog={"type": "rest", "uri": address}, timeout="1s")
        assert refused(silent).startswith("the catalog did not answer within 1s. Check the address")
    assert "Connection refused" in refused(silent)


def test_an_address_with_a_password_is_a_secret_that_no_error_shows(monkeypatch):
    address = "postgresql+pg8000://reader:hunter2hunter2@127.0.0.1:1/catalog"
    with pytest.raises(InvalidDeclaration, match=r"secret `uri` among .*secrets={\"uri\": fp.Secret") as raised:
        Iceberg("shop.stock", catalog={"type": "sql", "uri": address})
    assert TOKEN not in str(raised.value)
    monkeypatch.setenv("ICE", address)
    connector = Iceberg("shop.stock", catalog={"type": "sql"}, secrets={"uri": fp.Secret("ICE")})
    assert connector.location == "sql catalog shop.stock"
    assert TOKEN not in refused(connector)


def test_no_part_of_a_credential_is_shown(monkeypatch):
    monkeypatch.setenv("ICE", f"reader:{TOKEN}")
    connector = Iceberg("a.b", catalog=REST, secrets={"credential": fp.Secret("ICE")})
    assert connector.hide_secrets(f"client reader, secret {TOKEN}: wrong") == "client reader, secret ***: wrong"


@pytest.mark.parametrize(
    ("table", "words", "found"),
    [
        ("stock", {"catalog": REST}, "table='stock'. Write its namespace"),
        ("a.b", {"catalog": {"uri": "x"}}, "a catalog of no known type. Add its \"type\": one of .*rest, sql"),
        ("a.b", {"catalog": {"type": "rest"}}, "a catalog without an address"),
        ("a.b", {"catalog": {**REST, "port": 1}}, "a catalog that is not made of texts"),
        ("a.b", {"catalog": REST, "secrets": {"token": TOKEN}}, "a secret that is no fp.Secret"),
        ("a.b", {"catalog": {**REST, "token": TOKEN}}, "the secret `token` among"),
        ("a.b", {"catalog": {"type": "rest", "uri": f"http://ice?token={TOKEN}"}}, "the secret `uri` among"),
        ("a.b", {"catalog": {**REST, "s3.secret-access-key": TOKEN}}, "the secret `s3.secret-access-key` among"),
        ("a.b", {"catalog": REST, "timeout": "soon"}, "timeout"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_without_its_secrets(table, words, found):
    with pytest.raises(InvalidDeclaration, match=found) as raised:
        Iceberg(table, **words)
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("package", ["pyarrow", "pyiceberg", "polars-iceberg"])
def test_a_missing_package_is_named_with_its_extra(package, warehouse, monkeypatch):
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    with pytest.raises(PackageMissing, match=rf"Source `stock`.* needs {package}, .*the extra `iceberg`"):
        warehouse.connector.scan("stock")
    assert pl.exceptions.PolarsError in warehouse.connector.failures

"""Delta tables of other writers: what Polars cannot read is one clear error that names the source and the feature."""

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.parts.sources import Delta, Parquet
from feature_platform_tests.parts.sources.delta_logs import (
    ROWS,
    add_column,
    change,
    delete_rows,
    need,
    rename_within,
    written,
)

VARIANTS = {"type": "array", "elementType": "variant", "containsNull": True}


def refused(table: Path) -> str:
    with pytest.raises(SourceUnreadable) as raised:
        Delta(table).scan("orders")
    return str(raised.value)


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ("columnMapping", "columnMapping"),
        ("v2Checkpoint", "v2Checkpoint"),
        ("typeWidening", "typeWidening"),
        ("vacuumProtocolCheck", "vacuumProtocolCheck"),
        ("catalogManaged", "catalog-managed table"),
        ("made-up", "made-up"),
    ],
)
def test_a_delta_table_that_needs_a_feature_which_cannot_be_read_is_one_error_that_names_both(tmp_path, feature, named):
    table = written(tmp_path / "table")
    need(table, feature)
    message = refused(table)
    assert message.startswith(f"Source `orders` cannot be read from {table}: ")
    assert named in message
    assert "Read a copy without it" in message
    assert "<unknown>" not in message


def test_column_mapping_of_reader_version_2_is_refused_by_name(tmp_path):
    table = written(tmp_path / "table")
    rename_within(table)
    assert "reader version 2 (column mapping)" in refused(table)


def test_a_newer_reader_version_is_refused_as_unsupported(tmp_path):
    table = written(tmp_path / "table")
    change(table, protocol={"minReaderVersion": 4, "minWriterVersion": 8})
    assert refused(table).endswith("and read that with fp.sources.Parquet.")


@pytest.mark.parametrize("dtype", ["variant", VARIANTS], ids=["column", "inside a list"])
def test_a_variant_column_is_refused_by_name(tmp_path, dtype):
    table = written(tmp_path / "table")
    add_column(table, "answer", dtype)
    need(table, "variantType")
    assert "column `answer` is of type variant" in refused(table)


def test_the_feature_without_a_variant_column_is_no_reason_to_refuse(tmp_path):
    table = written(tmp_path / "table")
    need(table, "variantType")
    assert_frame_equal(Delta(table).scan("orders").collect(), ROWS)


def test_rows_that_a_deletion_vector_hides_are_not_read(tmp_path):
    table = written(tmp_path / "table")
    delete_rows(table, [0, 2])
    assert Delta(table).scan("orders").collect().rows() == [(2, "b")]
    assert Delta(table).scan("orders").filter(pl.col("x") > 2).collect().is_empty()


def test_a_deletion_vector_that_is_lost_is_an_error_of_the_run_that_names_the_source(tmp_path):
    table = written(tmp_path / "table", ROWS.with_columns(at=pl.datetime(2024, 1, "x", time_zone="UTC")))
    delete_rows(table, [0], lose=True)
    store = fp.OfflineStore(tmp_path / "store")
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read from .*deletion_vector\.bin"):
        fp.materialize(fp.Source("orders", Delta(table), event_time="at"), store)
    assert not store.exists("sources/orders")


@pytest.mark.parametrize("feature", ["column mapping", "v2Checkpoint"])
def test_the_copy_that_the_error_asks_for_can_be_made_and_read(tmp_path, feature):
    table = written(tmp_path / "table")
    if feature == "column mapping":
        rename_within(table)
    else:
        need(table, feature)
    rows = QueryBuilder().register("orders", DeltaTable(table)).execute("select * from orders").read_all()
    pl.DataFrame(rows).write_parquet(tmp_path / "copy.parquet")
    assert Parquet(tmp_path / "copy.parquet").scan("orders").collect().rows() == ROWS.rows()


def test_the_version_that_is_read_is_named(tmp_path):
    table = written(tmp_path / "table")
    newest = DeltaTable(table).version()
    ROWS.write_delta(table, mode="overwrite")
    uri = f"file://{table}/"
    for connector, version in ((Delta(table), newest + 1), (Delta(table, version=newest), newest)):
        with connector.open("orders") as data:
            assert data.versions() == {uri: version}

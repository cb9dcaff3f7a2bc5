"""What staged writes lean on in deltalake and Polars; a failure here means that they changed."""

import json
import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake._internal import DeltaFileSystemHandler
from deltalake.exceptions import CommitFailedError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

SCHEMA = Schema([Field("x", PrimitiveType("long")), Field("p", PrimitiveType("string"))])
EXCLUSIVE = CommitProperties(max_commit_retries=0)


def added(root: Path, key: str, x: int, folder: str | None = None) -> AddAction:
    """A file with one row."""
    path = f"p={key if folder is None else folder}/part-{x}.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"x": [x]}).write_parquet(root / path)
    size = (root / path).stat().st_size
    return AddAction(path, size, {"p": key}, int(time.time() * 1000), True, json.dumps({"numRecords": 1}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    actions = [added(tmp_path / "t", key, number) for number, key in enumerate("ab")]
    create_table_with_add_actions(str(tmp_path / "t"), SCHEMA, actions, partition_by=["p"], commit_properties=EXCLUSIVE)
    return tmp_path / "t"


def overwrite(table: DeltaTable, actions: list[AddAction], *keys: str, schema: Schema = SCHEMA, **words: Any) -> None:
    filters = [("p", "in", list(keys))]
    table.create_write_transaction(
        [*actions], "overwrite", schema, partition_by=["p"], partition_filters=filters, **words
    )


def rows(root: Path) -> list[tuple[object, ...]]:
    return sorted(pl.scan_delta(str(root)).select("p", "x").collect().rows())


def test_a_transaction_takes_away_what_partitions_have_and_gives_them_files(root: Path) -> None:
    overwrite(DeltaTable(root), [added(root, "a", 7), added(root, "c", 8)], "a", "c")
    assert rows(root) == [("a", 7), ("b", 1), ("c", 8)]


def test_an_exclusive_transaction_fails_after_any_other_commit(root: Path) -> None:
    first, second = DeltaTable(root), DeltaTable(root)
    overwrite(first, [added(root, "c", 7)], "c", commit_properties=EXCLUSIVE)
    with pytest.raises(CommitFailedError):
        overwrite(second, [added(root, "d", 8)], "d", commit_properties=EXCLUSIVE)
    assert rows(root) == [("a", 0), ("b", 1), ("c", 7)]


def test_transactions_that_may_retry_double_the_first_rows_of_a_partition(root: Path) -> None:
    """Why every commit of staged files is exclusive."""
    first, second = DeltaTable(root), DeltaTable(root)
    overwrite(first, [added(root, "c", 7)], "c")
    overwrite(second, [added(root, "c", 8)], "c")
    assert rows(root) == [("a", 0), ("b", 1), ("c", 7), ("c", 8)]


def test_an_overwrite_takes_a_new_column_and_an_append_forgets_it(root: Path) -> None:
    wider = Schema([*SCHEMA.fields, Field("y", PrimitiveType("long"))])
    DeltaTable(root).create_write_transaction([], "append", wider, partition_by=["p"])
    assert [field.name for field in DeltaTable(root).schema().fields] == ["x", "p"]
    overwrite(DeltaTable(root), [added(root, "a", 7)], "a", schema=wider)
    assert [field.name for field in DeltaTable(root).schema().fields] == ["x", "p", "y"]


def test_paths_are_given_as_they_are_on_disk_to_add_and_to_remove(root: Path) -> None:
    key, folder = "05:00|x", "05%3A00%7Cx"
    overwrite(DeltaTable(root), [added(root, key, 7, folder)], key)
    assert pl.scan_delta(str(root)).filter(pl.col("p") == key).collect()["x"].to_list() == [7]
    gone = RemoveAction(f"p={folder}/part-7.parquet", False, 0, 0, {"p": key})
    new = added(root, key, 8, folder)
    DeltaTable(root).create_write_transaction([new, gone], "append", SCHEMA, partition_by=["p"])
    assert rows(root) == [(key, 8), ("a", 0), ("b", 1)]


def test_characters_beyond_the_fifteenth_plane_are_misread_when_escaped(tmp_path: Path) -> None:
    """Why statistics are written without escapes."""
    text = "\U0010ffff"
    for name, escaped, found in (("escaped", True, "\U000fffff"), ("plain", False, text)):
        (tmp_path / name).mkdir()
        pl.DataFrame({"s": [text]}).write_parquet(tmp_path / name / "f.parquet")
        told = {"numRecords": 1, "minValues": {"s": text}, "maxValues": {"s": text}, "nullCount": {"s": 0}}
        action = AddAction("f.parquet", 1, {}, 0, True, json.dumps(told, ensure_ascii=escaped))
        create_table_with_add_actions(str(tmp_path / name), Schema([Field("s", PrimitiveType("string"))]), [action])
        actions = pl.DataFrame(DeltaTable(tmp_path / name).get_add_actions(flatten=True))
        assert actions["min.s"].to_list() == [found]


def test_a_partitioned_sink_keeps_the_order_of_rows(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": pl.int_range(300_000, eager=True)}).with_columns(k=pl.col("n") % 7)
    target = pl.PartitionBy(tmp_path / "s", key="k", include_key=False, approximate_bytes_per_file=None)
    frame.sink_parquet(target, mkdir=True)
    files = list((tmp_path / "s").rglob("*.parquet"))
    assert len(files) == 7
    assert all(pl.read_parquet(file, hive_partitioning=False)["n"].is_sorted() for file in files)


def test_batches_come_in_order() -> None:
    frame = pl.LazyFrame({"n": pl.int_range(300_000, eager=True)}).filter(pl.col("n") % 3 == 0)
    batches = frame.collect_batches(chunk_size=10_000, maintain_order=True, lazy=True, engine="streaming")
    assert pl.concat(batches)["n"].to_list() == list(range(0, 300_000, 3))


def test_files_on_an_object_store_are_written_and_removed_by_the_handler_of_deltalake(tmp_path: Path) -> None:
    handler = DeltaFileSystemHandler(f"file://{tmp_path}", None)
    stream: Any = handler.open_output_stream("p=05%3A00/f.parquet")
    stream.write(b"abc")
    stream.close()
    assert (tmp_path / "p=05%3A00" / "f.parquet").read_bytes() == b"abc"
    handler.delete_file("p=05%3A00/f.parquet")
    assert not os.listdir(tmp_path / "p=05%3A00")
    with pytest.raises(FileNotFoundError):
        handler.delete_file("p=05%3A00/f.parquet")

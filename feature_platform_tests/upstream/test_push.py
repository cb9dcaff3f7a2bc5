"""What a push relies on: Delta's app transactions, and how LMDB is opened."""

from pathlib import Path

import lmdb
import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

ROWS = pl.DataFrame({"x": [1]})


def append(table: str | DeltaTable, number: int, *, retries: int | None = None) -> None:
    told = CommitProperties(app_transactions=[Transaction("writer", number)], max_commit_retries=retries)
    write_deltalake(table, ROWS, mode="append", commit_properties=told)


def test_a_table_knows_the_last_transaction_of_an_app_at_every_version(tmp_path: Path) -> None:
    uri = str(tmp_path)
    append(uri, 3)
    append(uri, 7)
    assert [DeltaTable(uri, version=number).transaction_version("writer") for number in (0, 1)] == [3, 7]
    assert DeltaTable(uri).transaction_version("nobody") is None
    table = DeltaTable(uri)
    table.optimize.compact()
    table.create_checkpoint()
    assert DeltaTable(uri).transaction_version("writer") == 7


@pytest.mark.parametrize("retries", [0, None])
def test_of_two_appends_of_one_app_at_once_one_fails(tmp_path: Path, retries: int | None) -> None:
    append(str(tmp_path), 1)
    late = DeltaTable(str(tmp_path))
    append(str(tmp_path), 2)
    with pytest.raises(CommitFailedError):
        append(late, 2, retries=retries)
    assert pl.read_delta(str(tmp_path)).height == 2


def test_lmdb_refuses_to_open_a_folder_twice_in_one_process(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path)), pytest.raises(lmdb.Error, match="already open in this process"):
        lmdb.open(str(tmp_path))


def test_lmdb_writes_a_full_map_not_at_all(tmp_path: Path) -> None:
    def fill() -> None:
        with environment.begin(write=True) as transaction:
            transaction.put(b"a", b"1")
            transaction.put(b"b", bytes(200_000))

    with lmdb.open(str(tmp_path), map_size=100_000) as environment:
        with pytest.raises(lmdb.MapFullError):
            fill()
        with environment.begin() as transaction:
            assert transaction.get(b"a") is None

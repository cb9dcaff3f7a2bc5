"""The columns of a table are those of its newest version, whoever wrote it, and read again only when it changed."""

import shutil
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import TableNotFound
from feature_platform.offline import CommitStamp
from feature_platform.offline.newest import NewestSchemas

STAMP = CommitStamp("run", "orders", "")


def write(store: fp.OfflineStore, **columns: list[object]) -> None:
    store.replace("sources/orders", pl.DataFrame(columns), stamp=STAMP)


def test_columns_are_those_of_the_newest_version(tmp_path: Path) -> None:
    store, schemas = fp.OfflineStore(tmp_path), NewestSchemas()
    with pytest.raises(TableNotFound):
        schemas.of(store, "sources/orders")
    write(store, x=[1])
    assert schemas.of(store, "sources/orders") == {"x": pl.Int64}
    write(store, x=[1], y=["a"])
    assert schemas.of(store, "sources/orders") == {"x": pl.Int64, "y": pl.String}
    store.drop("sources/orders")
    with pytest.raises(TableNotFound):
        schemas.of(store, "sources/orders")
    write(store, z=[1.0])
    assert schemas.of(store, "sources/orders") == {"z": pl.Float64}


def test_a_table_that_was_put_back_is_another_one(tmp_path: Path) -> None:
    store, schemas = fp.OfflineStore(tmp_path), NewestSchemas()
    write(store, x=[1])
    shutil.copytree(tmp_path / "offline", tmp_path / "backup")
    write(store, x=[1], y=["a"])
    assert schemas.of(store, "sources/orders").names() == ["x", "y"]
    shutil.rmtree(tmp_path / "offline")
    shutil.copytree(tmp_path / "backup", tmp_path / "offline")
    assert schemas.of(store, "sources/orders").names() == ["x"]
    write(store, x=[1], z=["a"])  # the same number as before
    assert schemas.of(store, "sources/orders").names() == ["x", "z"]


def test_a_table_is_not_opened_again_while_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, schemas = fp.OfflineStore(tmp_path), NewestSchemas()
    write(store, x=[1])
    before = schemas.of(store, "sources/orders")
    monkeypatch.setattr("feature_platform.offline.store.open_table", None)
    assert schemas.of(store, "sources/orders") == before
    with pytest.raises(TypeError):
        NewestSchemas().of(store, "sources/orders")

"""A built training set as others want it: parts, batches, arrays and files, each with all rows once."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration, UnknownName, WrongColumnType
from feature_platform.training import sets
from feature_platform_tests.training.test_divided_sets import SPLIT, training

pytestmark = pytest.mark.usefixtures("unrecorded")


def test_the_parts_are_all_rows_once(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    parts = {name: built.part(name).collect() for name in ("train", "validation", "test", "embargo", "held_out")}

    assert {name: rows.height for name, rows in parts.items()} == built.manifest["parts"]
    assert_frame_equal(pl.concat(parts.values()), built.rows.drop("training_part").collect(), check_row_order=False)
    assert_frame_equal(built.part().collect(), built.rows.collect())


@pytest.mark.parametrize("rows", [1, 4, 7, 15, 65_536])
def test_batches_are_the_rows_of_a_part_in_order_and_of_the_size_asked_for(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(sets, "STRETCH_ROWS", 5)
    built = fp.build_training_set(training(store, split=SPLIT), store)
    batches = list(built.batches("train", rows=rows))

    assert_frame_equal(pl.concat(batches), built.part("train").collect())
    assert {batch.height for batch in batches[:-1]} <= {rows}
    assert 0 < batches[-1].height <= rows
    assert list(built.batches("held_out", rows=rows)) == []


def test_arrays_have_the_numbers_of_a_part_and_nan_for_nulls(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT, weights=fp.Weights.balanced("large")), store)
    arrays, train = built.numpy("train"), built.part("train").collect()

    assert list(arrays) == ["last_amount", "large", "training_weight"]
    assert np.array_equal(arrays["last_amount"], train["last_amount"].cast(pl.Float64).to_numpy(), equal_nan=True)
    assert np.isnan(arrays["last_amount"]).sum() == train["last_amount"].null_count() > 0
    assert arrays["large"].dtype == np.bool_
    last = built.numpy("test", columns=["large"])["large"]
    assert last.dtype == np.float64
    assert np.isnan(last).any()


def test_a_frame_of_pandas_has_the_same_columns(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    frame = built.pandas("train")

    assert list(frame.columns) == ["last_amount", "large"]
    assert len(frame) == 15


def test_tensors_hold_what_the_arrays_hold(store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InvalidDeclaration, match=r"PyTorch is not installed. Install it: pip install torch"):
        built.torch("train")

    stand_in = ModuleType("torch")
    stand_in.tensor = lambda values: ("tensor", values.tolist())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    arrays = built.numpy("train", columns=["large"])
    assert built.torch("train", columns=["large"]) == {"large": ("tensor", arrays["large"].tolist())}


def test_files_of_parts_hold_their_rows_and_none_is_written_over(store: fp.OfflineStore, tmp_path: Path) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    files = built.write_parquet(tmp_path / "export")

    assert [file.name for file in files] == ["train.parquet", "validation.parquet", "test.parquet", "embargo.parquet"]
    assert_frame_equal(pl.read_parquet(files[0]), built.part("train").collect())
    with pytest.raises(InvalidDeclaration, match=r"has train.parquet, validation.parquet"):
        built.write_parquet(tmp_path / "export")
    whole = fp.build_training_set(training(store), store)
    assert [file.name for file in whole.write_parquet(tmp_path / "whole")] == ["rows.parquet"]
    with pytest.raises(InvalidDeclaration, match=r"has rows.parquet"):  # two exports are never mixed
        built.write_parquet(tmp_path / "whole")


def test_what_cannot_be_exported_is_refused_with_what_would_do(store: fp.OfflineStore) -> None:
    built = fp.build_training_set(training(store, split=SPLIT), store)
    with pytest.raises(UnknownName, match=r"`training_sets/buying` has no part `training`. It has: "):
        built.part("training")
    with pytest.raises(UnknownName, match=r"`training_sets/buying` has no column `shop`"):
        built.numpy("train", columns=["shop"])
    with pytest.raises(WrongColumnType, match=r"customer.*Leave it out by columns=\[\.\.\.\]"):
        built.numpy("train", columns=["customer"])
    with pytest.raises(InvalidDeclaration, match=r"is asked for batches of 0 rows. Ask for 1 or more."):
        built.batches("train", rows=0)
    whole = fp.build_training_set(training(store), store)
    with pytest.raises(InvalidDeclaration, match=r"`training_sets/buying` has no parts. Declare split="):
        whole.part("train")

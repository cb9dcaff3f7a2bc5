"""Parquet files and folders, Delta tables by version, frames in memory."""

import shutil

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_platform.errors import SourceUnreadable
from feature_platform.sources import Delta, Frame, Parquet

ONE, TWO = pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]})


def test_a_folder_or_a_pattern_of_parquet_is_read_in_order_of_name(tmp_path):
    (tmp_path / "deep").mkdir()
    ONE.write_parquet(tmp_path / "a.parquet")
    TWO.write_parquet(tmp_path / "deep" / "b.parquet")
    assert Parquet(tmp_path).scan("orders").collect()["x"].to_list() == [1, 2]
    assert_frame_equal(Parquet(tmp_path / "*.parquet").scan("orders").collect(), ONE)
    assert Parquet(tmp_path).fingerprint("orders") != Parquet(tmp_path / "*.parquet").fingerprint("orders")


def test_what_other_tools_leave_in_a_folder_is_no_data(tmp_path):
    ONE.write_parquet(tmp_path / "a.parquet")
    (tmp_path / ".a.parquet.crc").write_bytes(b"checksum")
    (tmp_path / "_SUCCESS.txt").write_text("")
    assert_frame_equal(Parquet(tmp_path).scan("orders").collect(), ONE)


def test_folders_named_by_a_value_become_a_column(tmp_path):
    (tmp_path / "year=2013").mkdir()
    ONE.write_parquet(tmp_path / "year=2013" / "a.parquet")
    assert Parquet(tmp_path).scan("orders").collect().to_dicts() == [{"x": 1, "year": 2013}]


@pytest.mark.parametrize("damaged", ["a.parquet", "b.parquet"])
def test_a_file_that_is_cut_short_is_refused(tmp_path, damaged):
    for name in ("a.parquet", "b.parquet"):
        ONE.write_parquet(tmp_path / name)
    (tmp_path / damaged).write_bytes((tmp_path / damaged).read_bytes()[:-20])
    with pytest.raises(SourceUnreadable, match=r"Source `orders` .*Check that every file is whole Parquet\."):
        Parquet(tmp_path).scan("orders")


def test_parquet_files_that_differ_are_refused_with_the_difference(tmp_path):
    ONE.write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"x": ["1"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(SourceUnreadable, match=r"b.parquet has x: String where .*a.parquet has x: Int64"):
        Parquet(tmp_path).scan("orders")


@pytest.fixture
def table(tmp_path):
    ONE.write_delta(tmp_path / "table")
    TWO.write_delta(tmp_path / "table", mode="overwrite")
    return tmp_path / "table"


def test_a_delta_table_is_read_at_its_newest_version_or_a_pinned_one(table):
    newest, pinned = Delta(table), Delta(table, version=0)
    assert_frame_equal(newest.scan("orders").collect(), TWO)
    assert_frame_equal(pinned.scan("orders").collect(), ONE)
    assert (newest.location, pinned.location) == (str(table), f"{table}@0")
    before = newest.fingerprint("orders"), pinned.fingerprint("orders")
    ONE.write_delta(table, mode="append")
    assert newest.fingerprint("orders") != before[0]
    assert pinned.fingerprint("orders") == before[1]


def test_a_table_made_anew_is_another_table(table):
    before = Delta(table, version=0).fingerprint("orders")
    shutil.rmtree(table)
    TWO.write_delta(table)
    assert Delta(table, version=0).fingerprint("orders") != before


def test_a_version_that_is_not_there_is_refused(table):
    with pytest.raises(SourceUnreadable, match=r"Source `orders` .*@9: .*Check the path and the version\."):
        Delta(table, version=9).scan("orders")


def test_storage_options_are_never_shown(tmp_path):
    hidden = Delta("nowhere://bucket/table", storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    with pytest.raises(SourceUnreadable) as raised:
        hidden.scan("orders")
    assert "hunter2" not in f"{hidden!r} {hidden.location} {raised.value}"


def test_a_frame_may_be_eager_or_lazy():
    for frame in (ONE, ONE.lazy()):
        assert_frame_equal(Frame(frame).scan("orders").collect(), ONE)
    assert (
        Frame(ONE).fingerprint("orders") == Frame(ONE.lazy()).fingerprint("orders") != Frame(TWO).fingerprint("orders")
    )

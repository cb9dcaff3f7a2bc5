"""Parquet files and folders, Delta tables by version, frames in memory."""

import datetime as dt
import shutil

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.rows import prepare_rows
from feature_platform.ground.errors import InvalidDeclaration, NoRowsYet, SourceUnreadable
from feature_platform.parts.sources import Csv, Delta, Frame, Parquet

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
    assert Parquet(tmp_path).scan("orders").collect().to_dicts() == [{"x": 1, "year": "2013"}]
    typed = Parquet(tmp_path, hive={"year": pl.Int32})
    assert typed.scan("orders").collect().to_dicts() == [{"x": 1, "year": 2013}]


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
def folders(tmp_path):
    for name in ("code=01001/day=2024-01-01", "code=1/day=2024-01-02"):
        (tmp_path / name).mkdir(parents=True)
        ONE.write_parquet(tmp_path / name / "a.parquet")
    return tmp_path


def test_leading_zeros_of_folders_are_kept(folders):
    assert Parquet(folders).scan("orders").collect()["code"].to_list() == ["01001", "1"]


@pytest.mark.parametrize("place", ["", "*/*/*.parquet"], ids=["folder", "pattern"])
def test_columns_of_folders_have_the_type_that_is_said(folders, place):
    found = Parquet(folders / place, hive={"day": pl.Date}).scan("orders").collect()
    assert found.schema == {"x": pl.Int64, "code": pl.String, "day": pl.Date}
    assert found["day"].dt.day().to_list() == [1, 2]


def test_folders_of_a_pattern_are_only_folders_unless_types_are_said(folders):
    assert Parquet(folders / "*/*/*.parquet").scan("orders").collect().columns == ["x"]


def test_a_folder_that_is_not_of_the_type_is_refused(folders):
    (folders / "code=x" / "day=2024-01-03").mkdir(parents=True)
    ONE.write_parquet(folders / "code=x" / "day=2024-01-03" / "a.parquet")
    with pytest.raises(SourceUnreadable, match=r"Source `orders` .*Say a type that all values have"):
        Parquet(folders, hive={"code": pl.Int64}).scan("orders").collect()


def test_files_in_and_beside_folders_with_values_are_refused(folders):
    ONE.write_parquet(folders / "b.parquet")
    with pytest.raises(SourceUnreadable, match=r"its folders differ, .*Put files of one kind in a folder\."):
        Parquet(folders).scan("orders")


def test_a_column_that_the_files_hold_too_keeps_their_type(tmp_path):
    (tmp_path / "x=1").mkdir()
    ONE.write_parquet(tmp_path / "x=1" / "a.parquet")
    assert_frame_equal(Parquet(tmp_path).scan("orders").collect(), ONE)


def test_a_filter_on_a_column_of_folders_opens_no_other_files(folders):
    plan = Parquet(folders, hive={"day": pl.Date}).scan("orders").filter(pl.col("day") == pl.date(2024, 1, 2)).explain()
    assert "code=1/day" in plan
    assert "01001" not in plan


def test_parquet_files_of_two_types_are_read_in_the_type_that_is_said(tmp_path):
    ONE.write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"x": [1.5]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"x": [2]}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(SourceUnreadable, match=r"b.parquet has x: Float64 where .* types={"):
        Parquet(tmp_path).scan("orders")
    read = Parquet(tmp_path, types={"x": pl.Float64})
    assert read.scan("orders").collect()["x"].to_list() == [1.0, 1.5, 2.0]
    assert read.reading != Parquet(tmp_path).reading == ""


@pytest.mark.parametrize(
    ("found", "wanted"), [(pl.Float64, pl.Int64), (pl.Float64, pl.Float32), (pl.Datetime("us"), pl.Date)]
)
def test_a_type_that_would_lose_values_is_refused(tmp_path, found, wanted):
    pl.DataFrame(schema={"x": found}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceUnreadable, match=r"column `x` is .* which cannot be read as .* without loss"):
        Parquet(tmp_path, types={"x": wanted}).scan("orders")


@pytest.mark.parametrize("words", [{"types": {"x": 1}}, {"hive": "year"}, {"types": {1: pl.Int64}}])
def test_types_are_polars_types_by_column(words):
    with pytest.raises(InvalidDeclaration, match=r"Connector Parquet has (types|hive)=.*Give Polars types by column"):
        Parquet("a.parquet", **words)


def test_a_column_that_a_later_parquet_file_adds_is_null_before(tmp_path):
    ONE.write_parquet(tmp_path / "a.parquet")
    TWO.with_columns(y=pl.lit("b")).write_parquet(tmp_path / "b.parquet")
    assert Parquet(tmp_path).scan("orders").collect().rows() == [(1, None), (2, "b")]
    with pytest.raises(SourceUnreadable, match=r"b.parquet has y: String where .*Take new columns in"):
        Parquet(tmp_path, new_columns="refuse").scan("orders")
    ONE.write_parquet(tmp_path / "c.parquet")
    with pytest.raises(SourceUnreadable, match=r"c.parquet has no such column where .*b.parquet has y: String"):
        Parquet(tmp_path).scan("orders")


@pytest.mark.parametrize("second", [pl.Datetime("us"), pl.Datetime("ms"), pl.Null])
def test_files_that_differ_in_the_unit_of_a_time_are_read_in_the_finest(tmp_path, second):
    """Pandas 3 writes microseconds where pandas 2 wrote nanoseconds, and no type where there is no value."""
    moment = None if second == pl.Null else dt.datetime(2024, 1, 1)
    pl.DataFrame({"at": [dt.datetime(2024, 1, 1)]}, schema={"at": pl.Datetime("ns")}).write_parquet(tmp_path / "a.pq")
    pl.DataFrame({"at": [moment]}, schema={"at": second}).write_parquet(tmp_path / "b.pq")
    found = Parquet(tmp_path).scan("orders").collect()
    assert found.schema == {"at": pl.Datetime("ns")}
    assert found["at"].to_list() == [dt.datetime(2024, 1, 1), moment]


@pytest.mark.parametrize("damage", ["footer", "empty", "html", "values"])
def test_a_damaged_file_among_many_is_named(tmp_path, damage):
    for name in "abc":
        noise = pl.DataFrame({"x": range(5000), "at": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 5000})
        noise.with_columns(y=pl.col("x").hash()).write_parquet(tmp_path / f"{name}.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    broken = {"footer": whole[:-20], "empty": b"", "html": b"<html>moved permanently</html>"}
    (tmp_path / "b.parquet").write_bytes(broken.get(damage, whole[:100] + whole[5000:]))
    source = fp.Source("orders", Parquet(tmp_path), event_time="at")
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read from [^:]*b\.parquet: \w"):
        fp.materialize(source, fp.OfflineStore(tmp_path / "store"))


def test_a_csv_file_among_many_that_breaks_off_is_named(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("x,y\n1,2\n" + ("3,4,5\n" if name == "b" else ""))
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read from [^:]*b\.csv: found more fields"):
        fp.materialize(fp.Source("orders", Csv(tmp_path)), fp.OfflineStore(tmp_path / "store"))


def test_a_source_that_has_a_header_only_waits_for_its_types(tmp_path):
    """What no row tells is not decided for good; a table that is there keeps its types."""
    store, file = fp.OfflineStore(tmp_path / "store"), tmp_path / "rows.csv"
    source = fp.Source("orders", Csv(file))
    file.write_text("x\n")
    with pytest.raises(NoRowsYet):
        fp.materialize(source, store)
    assert not store.exists(source.asset)
    for text, rows in (("x\n1\n", [1]), ("x\n", []), ("x\n2\n", [2])):
        file.write_text(text)
        fp.materialize(source, store)
        assert store.read(source.asset).collect().to_dict(as_series=False) == {"x": rows}


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


@pytest.mark.parametrize("clock", [pl.Datetime("ns", "UTC"), pl.Datetime("ms", "UTC"), pl.Datetime("us", "Asia/Tokyo")])
def test_a_range_of_times_reaches_the_files_however_they_store_times(tmp_path, clock):
    at = [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in range(1, 10)]
    pl.DataFrame({"x": range(9), "at": pl.Series(at).cast(clock)}).write_parquet(tmp_path / "a.parquet")
    source = fp.Source("orders", Parquet(tmp_path), event_time="at", prepare=lambda rows: rows.with_columns(y=1))
    rows = prepare_rows(source, source.connector.scan("orders"), between=(at[3], at[5]))
    assert rows.collect()["x"].to_list() == [3, 4]
    assert "SELECTION" in rows.explain().split("Parquet SCAN")[1]

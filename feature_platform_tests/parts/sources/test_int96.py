"""Spark's old times of 12 bytes: read exactly where they can be, never as the last time that nanoseconds can hold."""

import base64
import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars._typing import TimeUnit

import feature_platform as fp
from feature_platform.ground.errors import SourceUnreadable
from feature_platform.parts.sources import Delta, Parquet
from feature_platform.parts.sources.footer import int96_columns
from feature_platform_tests.parts.sources.delta_logs import change, written

# Two rows, `id` (int64) and `until` (INT96: 2024-01-01 and 9999-12-31); by pyarrow with its INT96 option.
OLD = base64.b64decode(
    "UEFSMRUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAEBAAAAAAAAAAIAAAAAAAAAFQAVPBU8LBUEFQAVBhUGHAAAAAIAAAAEAQAAAAAAAAAAl4olAAAAAAAA"
    "AAAALP5RABUEGTw1ABgGc2NoZW1hFQQAFQQlAhgCaWQAFQYlAhgFdW50aWwAFgQZHBksJgAcFQQZJQYAGRgCaWQVABYEFlIWUiYISRwVABUAFQIAPCkG"
    "GSYABAAAACYAHBUGGSUGABkYBXVudGlsFQAWBBZiFmImWkkcFQAVABUCADwpBhkmAAQAAAAWtAEWBCYIFrQBACggcGFycXVldC1jcHAtYXJyb3cgdmVy"
    "c2lvbiAyNi4wLjEZLBwAABwAAAC7AAAAUEFSMQ=="
)
TIMES = [dt.datetime(2024, 1, 1), dt.datetime(9999, 12, 31)]
LAST = 2**63 - 1


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "old.parquet"
    file.write_bytes(OLD)
    return file


def test_times_beyond_2262_that_spark_wrote_are_read_as_what_they_are(old: Path) -> None:
    found = Parquet(old).scan("contracts").collect()
    assert found.schema == {"id": pl.Int64, "until": pl.Datetime("us")}
    assert found["until"].to_list() == TIMES
    store = fp.OfflineStore(old.parent / "store")
    fp.materialize(fp.Source("contracts", Parquet(old)), store)
    assert store.read("sources/contracts").collect()["until"].to_list() == TIMES


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_old_and_new_files_are_read_together(old: Path, unit: TimeUnit) -> None:
    new = pl.DataFrame({"id": [3], "until": [TIMES[0]]}, schema={"id": pl.Int64, "until": pl.Datetime(unit)})
    new.write_parquet(old.with_name("new.parquet"))
    if unit == "us":
        assert Parquet(old.parent).scan("contracts").collect()["until"].to_list() == [TIMES[0], *TIMES]
    else:  # nothing is lost silently: the year 9999 has no place among nanoseconds
        with pytest.raises(pl.exceptions.InvalidOperationError):
            Parquet(old.parent).scan("contracts").collect()


def test_the_footer_tells_old_times_from_nanoseconds(old: Path) -> None:
    inside = pl.Struct({"at": pl.Datetime("ns"), "more": pl.List(pl.Float64)})
    rows = pl.DataFrame(schema={"a": pl.Datetime("ns"), "b": pl.List(inside), "c": pl.Decimal(9, 2), "d": pl.String})
    rows.write_parquet(old.with_name("new.parquet"))
    for file, columns in ((old, {"until"}), (old.with_name("new.parquet"), set())):
        with file.open("rb") as opened:
            assert int96_columns(opened) == columns


def test_a_delta_table_with_such_times_is_refused_by_column_and_row(old: Path, tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [1, 2], "until": TIMES}).with_columns(pl.col("until").dt.replace_time_zone("UTC"))
    table = written(tmp_path / "table", rows)
    [file] = table.glob("*.parquet")
    shutil.copy(old, file)
    change(table, add={"size": file.stat().st_size, "stats": None})
    store = fp.OfflineStore(tmp_path / "store")
    with pytest.raises(
        SourceUnreadable, match=r"table: column `until` holds 2262-04-11 .* in row 1 of .*INT96"
    ) as told:
        fp.materialize(fp.Source("contracts", Delta(table)), store)
    assert "spark.sql.parquet.outputTimestampType" in str(told.value)
    assert not store.exists("sources/contracts")


@pytest.mark.parametrize(("unit", "last"), [("ns", LAST), ("us", LAST // 1000), ("ms", LAST // 1_000_000)])
def test_the_last_nanosecond_is_refused_in_any_unit(unit: TimeUnit, last: int, tmp_path: Path) -> None:
    times = pl.Series("until", [0, last], dtype=pl.Int64).cast(pl.Datetime(unit))
    source = fp.Source("contracts", fp.sources.Frame(times.to_frame()))
    with pytest.raises(SourceUnreadable, match=r"column `until` .* in row 1"):
        fp.materialize(source, fp.OfflineStore(tmp_path / "store"))

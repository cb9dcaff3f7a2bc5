"""Replacing, appending and reading on literal frames."""

import pickle
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from polars.testing import assert_frame_equal

from feature_platform.ground.errors import (
    ColumnCollision,
    InvalidDeclaration,
    MissingColumns,
    NotADeltaTable,
    PartitioningChanged,
    RowsOutsidePartitions,
    SchemaChanged,
    TableNotFound,
    TableUnreadable,
    VersionNotFound,
    WrongColumnType,
)
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform_tests.offline.conftest import STAMP, days, held, put

NEWER = CommitStamp("run-2", "views/delays", "2", grain="daily")


def test_a_replace_replaces_exactly_the_partitions_asked_for(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2], d3=[3]), "d1", "d2", "d3")
    commit = put(store, days(d2=[20, 21]), "d2", "d3")
    assert (commit.version, commit.changed, commit.rows) == (1, ("d2", "d3"), {"d2": 2, "d3": 0})
    assert held(store) == [("d1", 1), ("d2", 20), ("d2", 21)]
    assert held(store, version=0) == [("d1", 1), ("d2", 2), ("d3", 3)]


def test_partitions_that_are_equal_are_not_written(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]), "d1", "d2")
    before = set(DeltaTable(store.location("views/delays").uri).file_uris())
    commit = put(store, days(d1=[1], d2=[9]), "d1", "d2")
    after = set(DeltaTable(store.location("views/delays").uri).file_uris())
    assert commit.changed == ("d2",)
    assert len(before & after) == 1
    assert set(commit.hashes) == {"d1", "d2"}


def test_the_same_rows_twice_make_one_version(store: OfflineStore) -> None:
    first = put(store, days(d1=[2, 1]), "d1")
    again = put(store, days(d1=[1, 2]), "d1")
    assert (again.version, again.changed, again.hashes) == (0, (), first.hashes)
    assert store.latest_version("views/delays") == 0


def test_other_code_with_the_same_rows_is_a_version_that_changes_no_partition(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    commit = put(store, days(d1=[1]), "d1", stamp=NEWER)
    assert (commit.version, commit.changed) == (1, ())
    assert store.partition_states("views/delays")["d1"].code_version == "2"
    assert store.changed_since("views/delays", 0) == set()
    assert put(store, days(d1=[1]), "d1", stamp=NEWER).version == 1


def test_an_empty_partition_is_recorded_once(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    first, again = put(store, days(), "d2"), put(store, days(), "d2")
    assert (first.version, first.changed, again.version) == (1, (), 1)
    assert store.partition_states("views/delays")["d2"].rows == 0


def test_a_table_may_begin_empty(store: OfflineStore) -> None:
    assert put(store, days(), "d1").version == 0
    assert held(store) == []
    assert put(store, days(d1=[1]), "d1").changed == ("d1",)


def test_no_partitions_named_means_the_whole_table(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]))
    commit = put(store, days(d2=[2], d3=[3]))
    assert commit.changed == ("d1", "d3")
    assert held(store) == [("d2", 2), ("d3", 3)]


def test_an_unpartitioned_table_has_one_key(store: OfflineStore) -> None:
    frame = pl.DataFrame({"x": [1, 2]})
    assert store.replace("sources/planes", frame, stamp=STAMP).changed == ("",)
    assert store.replace("sources/planes", frame, stamp=STAMP).changed == ()
    commit = store.replace("sources/planes", frame.head(1), stamp=STAMP)
    assert (commit.changed, commit.rows, store.read("sources/planes").collect().rows()) == (
        ("",),
        {"": 1},
        [(1,)],
    )


def test_rows_are_stored_sorted_by_partition_and_key(store: OfflineStore) -> None:
    frame = pl.DataFrame({"day": ["d1"] * 5, "k": [3, 1, 2, 1, 3], "n": [0, 1, 2, 3, 4]})
    store.replace("views/x", frame, partitions=["d1"], partition_of="day", stamp=STAMP, sort_by=["k"])
    assert store.read("views/x").select("k", "n").collect().rows() == [(1, 1), (1, 3), (2, 2), (3, 0), (3, 4)]


def test_an_expression_gives_the_partition_and_lazy_frames_are_collected(store: OfflineStore) -> None:
    frame = pl.LazyFrame({"t": [0, 86_400_000_000]}).cast(pl.Datetime("us", "UTC"))
    key = pl.col("t").dt.strftime("%Y-%m-%d-%H:%M")
    wanted = ["1970-01-01-00:00", "1970-01-02-00:00"]
    assert store.replace("views/x", frame, partitions=wanted, partition_of=key, stamp=STAMP).changed == tuple(wanted)
    kept = store.read("views/x", partitions=[wanted[1]], partition_column=True).collect()
    assert kept["fp_partition"].to_list() == [wanted[1]]
    assert store.read("views/x").collect_schema().names() == ["t"]


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (days(d1=[1], d2=[2, 3]), RowsOutsidePartitions, "2 in d2.*Asked for: d1"),
        (days(d1=[1]).with_columns(day=pl.lit(None, dtype=pl.String)), WrongColumnType, "null in some rows"),
        (days(d1=[1]).with_columns(day=pl.lit("d'1")), InvalidDeclaration, "d'1"),
        (days(d1=[1]).with_columns(fp_partition=pl.lit("d1")), ColumnCollision, "fp_partition"),
        (days(d1=[1]).drop("day"), MissingColumns, "`day`"),
    ],
)
def test_bad_rows_are_refused_before_anything_is_written(
    store: OfflineStore, frame: pl.DataFrame, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        put(store, frame, "d1")
    assert not store.exists("views/delays")


@pytest.mark.parametrize("key", ["", "a b", "é", "a'b", 'a"b', "a/b", "..", "a\n", "-a", "a;b", "a\\b"])
def test_a_partition_key_keeps_to_safe_characters(store: OfflineStore, key: str) -> None:
    with pytest.raises(InvalidDeclaration, match="Partition key"):
        put(store, days(), key)


@pytest.mark.parametrize(
    "name", ["", "/x", "x/", "a b", "é", "../x", "a//b", ".hidden", "x/_delta_log", "a'b", "s3://x"]
)
def test_a_table_name_keeps_to_safe_characters(store: OfflineStore, name: str) -> None:
    with pytest.raises(InvalidDeclaration, match="Table name"):
        store.replace(name, days(), stamp=STAMP)


def test_a_grain_and_a_partitioning_stay_as_they_were_created(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    with pytest.raises(PartitioningChanged, match="daily partitions and would now get monthly"):
        put(store, days(d1=[1]), "d1", stamp=CommitStamp("r", "a", "1", grain="monthly"))
    with pytest.raises(PartitioningChanged, match="no ones"):
        store.replace("views/delays", days(d1=[1]), stamp=STAMP)
    with pytest.raises(InvalidDeclaration, match="partition_of"):
        store.replace("views/delays", days(d1=[1]), partitions=["d1"], stamp=STAMP)


def test_a_scan_keeps_to_the_version_that_was_newest_when_it_was_made(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    scan = store.read("views/delays")
    pickled = pickle.dumps(scan)
    put(store, days(d1=[2]), "d1")
    assert scan.collect().rows() == [("d1", 1)]
    assert pickle.loads(pickled).collect().rows() == [("d1", 1)]


def test_a_read_opens_only_the_files_and_columns_it_needs(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2], d3=[3]))
    plan = store.read("views/delays", partitions=["d2"]).select("x").explain()
    assert "fp_partition=d2" in plan
    assert "fp_partition=d1" not in plan
    assert "PROJECT 2/3 COLUMNS" in plan


def test_what_cannot_be_read_is_said(store: OfflineStore) -> None:
    with pytest.raises(TableNotFound, match="Materialize it first"):
        store.read("views/delays")
    put(store, days(d1=[1]), "d1")
    for version in (1, -1, 99):
        with pytest.raises(VersionNotFound, match=f"no version {version}; it keeps 0 to 0"):
            store.read("views/delays", version=version)
    log = Path(store.location("views/delays").uri) / "_delta_log" / f"{0:020d}.json"
    log.write_text("damaged")
    with pytest.raises(TableUnreadable, match="cannot be read"):
        store.read("views/delays")


def test_a_folder_of_other_files_is_left_alone(store: OfflineStore) -> None:
    folder = Path(store.location("views/delays").uri)
    folder.mkdir(parents=True)
    (folder / "notes.csv").write_text("mine")
    for attempt in (lambda: put(store, days(d1=[1]), "d1"), lambda: store.read("views/delays")):
        with pytest.raises(NotADeltaTable, match="holds files"):
            attempt()
    assert [path.name for path in folder.iterdir()] == ["notes.csv"]


def test_tables_are_listed_and_a_deleted_one_is_gone(store: OfflineStore, tmp_path: Path) -> None:
    put(store, days(d1=[1]), "d1")
    store.append("quarantine/views/delays", days(d1=[2]), stamp=STAMP)
    assert store.tables() == ["quarantine/views/delays", "views/delays"]
    table = tmp_path / "offline" / "views" / "delays"
    for path in sorted(table.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert not store.exists("views/delays")
    assert put(store, days(d1=[1]), "d1").version == 0


def test_a_log_takes_new_columns_and_missing_ones_but_no_other_type(store: OfflineStore) -> None:
    store.append("runs", pl.DataFrame({"a": [1]}), stamp=STAMP)
    store.append("runs", pl.DataFrame({"b": ["u"]}), stamp=STAMP)
    assert (
        store.append(
            "runs", pl.DataFrame({"a": [], "b": []}, schema={"a": pl.Int64, "b": pl.String}), stamp=STAMP
        ).changed
        == ()
    )
    assert sorted(store.read("runs").collect().rows(), key=str) == [(1, None), (None, "u")]
    with pytest.raises(SchemaChanged, match="`a` is Float64"):
        store.append("runs", pl.DataFrame({"a": [1.5]}), stamp=STAMP)


def test_a_file_uri_and_a_path_are_the_same_store(tmp_path: Path) -> None:
    put(OfflineStore(f"file://{tmp_path}"), days(d1=[1]), "d1")
    assert held(OfflineStore(tmp_path)) == [("d1", 1)]
    assert OfflineStore(f"file://{tmp_path}").tables() == ["views/delays"]


def test_secrets_are_not_shown() -> None:
    store = OfflineStore("s3://bucket", storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"})
    assert "hunter2" not in repr(store) + repr(store.location("x"))
    assert store.location("views/x").uri == "s3://bucket/offline/views/x"
    with pytest.raises(InvalidDeclaration, match="cannot list"):
        store.tables()


def test_every_version_stays_readable_through_vacuum_and_checkpoints(store: OfflineStore) -> None:
    for value in range(25):
        put(store, days(d1=[value]), "d1")
    table = DeltaTable(store.location("views/delays").uri)
    assert table.vacuum(dry_run=False, full=True) == []
    table.cleanup_metadata()
    assert store.maintain("views/delays").files_removed == 0
    assert [held(store, version=version) for version in range(25)] == [[("d1", value)] for value in range(25)]


def test_maintenance_spares_the_files_of_a_writer_at_work(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    young = Path(store.location("views/delays").uri) / "fp_partition=d1" / "part-00000-young.parquet"
    young.write_bytes(b"not committed yet")
    store.maintain("views/delays")
    assert young.exists()


def test_a_changed_retention_reaches_the_table_at_the_next_write(tmp_path: Path) -> None:
    put(OfflineStore(tmp_path), days(d1=[1]), "d1")
    shorter = OfflineStore(tmp_path, retention="30d")
    commit = put(shorter, days(d1=[2]), "d1")
    found = DeltaTable(shorter.location("views/delays").uri).metadata().configuration
    assert found["delta.logRetentionDuration"] == found["delta.deletedFileRetentionDuration"] == "interval 30 days"
    assert not shorter.history("views/delays")["foreign"].any()
    assert put(shorter, days(d1=[2]), "d1").version == commit.version + 1
    with pytest.raises(InvalidDeclaration, match="365 days"):
        OfflineStore(tmp_path, retention="365 days")


def test_keys_have_statistics_in_a_wide_table(store: OfflineStore) -> None:
    frame = pl.DataFrame({f"c{i}": [i] for i in range(50)} | {"key id": [1], "day": ["d1"]})
    store.replace("views/wide", frame, partitions=["d1"], partition_of="day", stamp=STAMP, sort_by=["key id"])
    actions = pl.DataFrame(DeltaTable(store.location("views/wide").uri).get_add_actions(flatten=True))
    with_minimum = {name.removeprefix("min.") for name in actions.columns if name.startswith("min.")}
    assert "key id" in with_minimum
    assert len(with_minimum) == 32
    assert_frame_equal(store.read("views/wide").collect(), frame, check_column_order=False)


def test_left_overs_of_a_writer_that_died_do_not_count_as_files(store: OfflineStore) -> None:
    folder = Path(store.location("views/delays").uri)
    write_deltalake(folder, days(d1=[1]))
    for path in (folder / "_delta_log").iterdir():
        path.unlink()
    (folder / "_delta_log").rmdir()
    assert not store.exists("views/delays")
    assert put(store, days(d1=[2]), "d1").version == 0
    assert held(store) == [("d1", 2)]


def test_an_ordered_table_is_read_back_in_the_order_of_its_frame(store: OfflineStore) -> None:
    rows = pl.DataFrame({"x": [3, 1, 2, 1]})
    store.replace("spine", rows, stamp=STAMP, ordered=True)

    assert_frame_equal(store.read("spine").collect(), rows)

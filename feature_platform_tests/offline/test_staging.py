"""Rows are staged part by part, and what no commit took is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.ground.content import rows_hash
from feature_platform.ground.errors import CommitConflict, PartitioningChanged, SchemaChanged, WriteFailed
from feature_platform.offline import CommitStamp, OfflineStore, files
from feature_platform.offline.files import remove_files, write_files
from feature_platform.offline.names import Location
from feature_platform.offline.staged import StagePlan
from feature_platform_tests.effort import tries
from feature_platform_tests.offline.conftest import STAMP, days, held, put

TABLE = "views/delays"
PLAN = StagePlan(partition_of="day", sort_by=["x"])


def data_files(store: OfflineStore, table: str = TABLE) -> set[str]:
    folder = Path(store.location(table).uri)
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*.parquet") if "_delta_log" not in file.parts}


def named_files(store: OfflineStore, table: str = TABLE) -> set[str]:
    folder = Path(store.location(table).uri)
    return {Path(uri).relative_to(folder).as_posix() for uri in DeltaTable(str(folder)).file_uris()}


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few rows each, as those of tables larger than a test can be."""
    monkeypatch.setattr(files, "FILE_BYTES", 200)
    monkeypatch.setattr("feature_platform.offline.staging.HELD_BYTES", 200)
    monkeypatch.setattr("feature_platform.offline.staging.ROW_GROUP_ROWS", 3)


# ---------------------------------------------------------------- parts


def test_parts_are_one_commit_and_the_same_as_all_rows_at_once(store: OfflineStore, tmp_path: Path) -> None:
    other = OfflineStore(tmp_path / "other")
    parts = [days(d1=[2, 1]), days(d2=[3], d3=[5, 4])]
    with store.stage(TABLE, iter(parts), PLAN) as staged:
        assert staged.rows == {"d1": 2, "d2": 1, "d3": 2}
        assert staged.scan().collect().rows() == [("d1", 1), ("d1", 2), ("d2", 3), ("d3", 4), ("d3", 5)]
        commit = store.publish(staged, stamp=STAMP)
    assert (commit.version, commit.changed, commit.hashes) == (
        0,
        ("d1", "d2", "d3"),
        put(other, pl.concat(parts)).hashes,
    )
    assert data_files(store) == named_files(store)


def test_no_more_than_one_part_is_asked_for_ahead(store: OfflineStore) -> None:
    made: list[str] = []

    def parts() -> Iterator[pl.DataFrame]:
        for day in ("d1", "d2", "d3"):
            assert len(data_files(store)) == len(made)
            made.append(day)
            yield days(**{day: [1]})

    with store.stage(TABLE, parts(), PLAN):
        assert made == ["d1", "d2", "d3"]


def test_a_partition_in_two_parts_is_a_mistake_of_the_caller(store: OfflineStore) -> None:
    with pytest.raises(ValueError, match="d1"):
        store.stage(TABLE, iter([days(d1=[1]), days(d1=[2])]), PLAN)
    assert data_files(store) == set()


def test_parts_with_other_columns_are_refused(store: OfflineStore) -> None:
    with pytest.raises(SchemaChanged, match="part"):
        store.stage(TABLE, iter([days(d1=[1]), days(d2=[2]).with_columns(y=1)]), PLAN)
    assert data_files(store) == set()


# ---------------------------------------------------------------- what is not published


def test_what_is_not_published_is_removed(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    with store.stage(TABLE, days(d1=[2], d2=[3]), PLAN) as staged:
        assert len(data_files(store)) == 3
        assert staged.scan().collect().height == 2
    assert data_files(store) == named_files(store)
    assert held(store) == [("d1", 1)]


def test_a_part_that_fails_leaves_nothing(store: OfflineStore) -> None:
    def parts() -> Iterator[pl.DataFrame]:
        yield days(d1=[1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.stage(TABLE, parts(), PLAN)
    assert data_files(store) == set()


def test_what_the_table_holds_already_is_not_written(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]))
    before = data_files(store)
    with store.stage(TABLE, days(d1=[1], d2=[9]), PLAN) as staged:
        assert len(data_files(store) - before) == 1
        assert sorted(staged.scan().collect().rows()) == [("d1", 1), ("d2", 9)]
        assert store.publish(staged, stamp=STAMP).changed == ("d2",)


def test_a_commit_that_may_have_happened_keeps_its_files(store: OfflineStore) -> None:
    """Storage can fail after the log entry was written; files that a version may name are left to vacuum."""
    put(store, days(d1=[1]), "d1")
    log = Path(store.location(TABLE).uri) / "_delta_log"
    with store.stage(TABLE, days(d1=[2]), PLAN) as staged:
        (log / f"{1:020d}.json").mkdir()
        with pytest.raises((WriteFailed, CommitConflict)) as caught:
            store.publish(staged, stamp=STAMP)
    kept = len(data_files(store)) == 2
    assert kept == isinstance(caught.value, WriteFailed)


# ---------------------------------------------------------------- other writers


def test_a_writer_who_was_second_replaces_what_the_first_left(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]))
    with store.stage(TABLE, days(d1=[10]), StagePlan(["d1"], "day", ["x"])) as staged:
        put(store, days(d1=[20], d2=[21]), "d1", "d2")
        commit = store.publish(staged, stamp=STAMP)
    assert (commit.version, commit.changed) == (2, ("d1",))
    assert held(store) == [("d1", 10), ("d2", 21)]


def test_rows_that_another_writer_took_away_since_are_written_after_all(store: OfflineStore) -> None:
    put(store, days(d1=[2, 1], d2=[2]))
    with store.stage(TABLE, days(d1=[1, 2]), StagePlan(["d1"], "day", ["x"])) as staged:
        assert len(data_files(store)) == 2
        put(store, days(d1=[20]), "d1")
        commit = store.publish(staged, stamp=STAMP)
    assert commit.changed == ("d1",)
    assert held(store) == [("d1", 1), ("d1", 2), ("d2", 2)]
    assert store.changed_since(TABLE, 0) == set()


def test_the_first_rows_of_a_partition_by_two_writers_are_never_doubled(store: OfflineStore) -> None:
    put(store, days(d1=[1]))
    plan = StagePlan(["d2"], "day", ["x"])
    with store.stage(TABLE, days(d2=[5]), plan) as one, store.stage(TABLE, days(d2=[6]), plan) as other:
        store.publish(one, stamp=STAMP)
        store.publish(other, stamp=STAMP)
    assert held(store) == [("d1", 1), ("d2", 6)]


def test_a_table_that_was_made_another_way_meanwhile_is_left_alone(store: OfflineStore) -> None:
    with store.stage(TABLE, days(d1=[1]), PLAN) as staged:
        store.replace(TABLE, days(d1=[1]), stamp=STAMP)
        with pytest.raises(PartitioningChanged):
            store.publish(staged, stamp=STAMP)
    assert data_files(store) == named_files(store)


# ---------------------------------------------------------------- files


KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), min_size=1, max_size=60)


@settings(max_examples=tries(30), deadline=None)
@given(rows=KEYS)
def test_files_are_in_order_and_rows_that_tie_share_one(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FILE_BYTES", 40)
        store = OfflineStore(tmp_path_factory.mktemp("law"))
        frame = pl.DataFrame(rows, schema=["key", "n"], orient="row").with_columns(day=pl.lit("d1"))
        store.replace("views/x", frame, partition_of="day", stamp=STAMP, sort_by=["key"])
    uris = sorted(DeltaTable(store.location("views/x").uri).file_uris())
    parts = [pl.read_parquet(uri, hive_partitioning=False)["key"] for uri in uris]
    assert [key for part in parts for key in part] == sorted(key for key, _ in rows)
    assert sum(part.n_unique() for part in parts) == len({key for key, _ in rows})
    assert all(len(part) for part in parts)
    if len({key for key, _ in rows}) > 4:
        assert len(parts) > 1
    read = store.read("views/x").collect()
    assert (
        read.group_by("key")
        .agg("n")
        .sort("key")
        .equals(frame.group_by("key", maintain_order=True).agg("n").sort("key"))
    )


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("height", [0, 1, 3, 50, 101])
def test_a_lazy_ordered_frame_is_written_in_batches_and_is_the_same_as_the_frame(
    store: OfflineStore, height: int
) -> None:
    frame = pl.DataFrame({"x": pl.Series(range(height, 0, -1), dtype=pl.Int64)}).with_columns(
        s=pl.col("x").cast(pl.String)
    )
    whole = store.replace("whole", frame, stamp=STAMP, ordered=True)
    commit = store.replace("lazy", frame.lazy(), stamp=STAMP, ordered=True)
    assert_frame_equal(store.read("lazy").collect(), frame)
    assert commit.hashes == whole.hashes
    assert commit.rows == {"": height}
    if height > 50:
        assert len(named_files(store, "lazy")) > 3
    again = store.replace("lazy", frame.lazy(), stamp=STAMP, ordered=True)
    assert (again.version, again.changed) == (0, ())
    assert data_files(store, "lazy") == named_files(store, "lazy")


def test_a_partition_of_any_key_is_read_back(store: OfflineStore) -> None:
    keys = ["2013-01-01-05:00", "us|eu", "a+b", "a.b", "007"]
    frame = pl.DataFrame({"day": keys, "x": range(len(keys))})
    store.replace("views/x", frame, partition_of="day", stamp=STAMP)
    for number, key in enumerate(keys):
        assert store.read("views/x", partitions=[key]).collect().rows() == [(key, number)]
    commit = store.replace(
        "views/x", frame.head(2).with_columns(x=pl.lit(-1, dtype=pl.Int64)), partitions=keys[:2], partition_of="day",
        stamp=STAMP,
    )  # fmt: skip
    assert commit.changed == tuple(sorted(keys[:2]))
    assert store.read("views/x").collect()["x"].sort().to_list() == [-1, -1, 2, 3, 4]


def test_every_type_that_can_be_stored_is_read_back(store: OfflineStore) -> None:
    frame = pl.DataFrame({"day": ["d1", "d1"]}).with_columns(
        pl.Series("i8", [1, None], dtype=pl.Int8),
        pl.Series("u16", [1, None], dtype=pl.UInt16),
        pl.Series("f32", [1.5, float("nan")], dtype=pl.Float32),
        pl.Series("bool", [True, None]),
        pl.Series("bin", [b"\x00", None]),
        pl.Series("date", [0, None]).cast(pl.Date),
        pl.Series("dec", ["1.25", None]).cast(pl.Decimal(38, 2)),
        pl.Series("utc", [1, None]).cast(pl.Datetime("us", "UTC")),
        pl.Series("wall", [1, None]).cast(pl.Datetime("us")),
        pl.Series("cat", ["a", None], dtype=pl.Categorical),
        pl.Series("list", [[1, None], None], dtype=pl.List(pl.Int64)),
        pl.Series("struct", [{"a": [{"b": 1}]}, None]),
    )
    store.replace("views/x", frame, partition_of="day", stamp=STAMP)
    stored = frame.cast({"u16": pl.Int32, "cat": pl.String})
    assert_frame_equal(store.read("views/x").collect(), stored, check_column_order=False)
    assert store.replace("views/x", frame, partition_of="day", stamp=STAMP).changed == ()
    assert store.partition_states("views/x")["d1"].hash == rows_hash(stored)


def test_a_wall_clock_may_be_added_later(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    put(store, days(d2=[1]).with_columns(wall=pl.lit(0).cast(pl.Datetime("us"))), "d2")
    assert store.read(TABLE).collect()["wall"].null_count() == 1
    assert not store.history(TABLE)["foreign"].any()


def test_the_log_says_how_many_rows_a_commit_added(store: OfflineStore) -> None:
    put(store, days(d1=[1, 2], d2=[3]))
    put(store, days(d1=[1, 2], d2=[4]), stamp=CommitStamp("r2", TABLE, "2", grain="daily"))
    assert store.history(TABLE)["rows"].to_list() == [1, 3]


@dataclass(frozen=True)
class Remote(Location):
    """A location that is not a folder of this machine, as far as the store knows."""

    folder = None


def test_files_of_an_object_store_are_written_and_removed_through_deltalake(tmp_path: Path) -> None:
    location = Remote("views/x", f"file://{tmp_path}", {}, "365d")
    [file] = write_files(location, {"05:00": pl.DataFrame({"x": [1, 2]})}, [])["05:00"]
    assert pl.read_parquet(tmp_path / file.path, hive_partitioning=False)["x"].to_list() == [1, 2]
    assert (tmp_path / file.path).stat().st_size == file.size
    remove_files(location, [file, file])
    assert list(tmp_path.rglob("*.parquet")) == []


def small_partitions(many: int) -> dict[str, pl.DataFrame]:
    return {f"{each:03}": pl.DataFrame({"x": [each, None], "t": ["a", "b"]}) for each in range(many)}


def test_files_that_are_written_together_are_those_that_each_alone_would_be(tmp_path: Path) -> None:
    rows = small_partitions(files._FILES_TOGETHER + 3) | {"large": pl.DataFrame({"x": range(300_000), "t": "c"})}
    location = Location("x", str(tmp_path), {}, "365d")
    for key, written in write_files(location, rows, []).items():
        rows[key].write_parquet(tmp_path / "alone.parquet", compression="snappy", row_group_size=250_000)
        assert [Path(file.uri(location)).read_bytes() for file in written] == [
            (tmp_path / "alone.parquet").read_bytes()
        ]
        assert [(file.rows, file.size) for file in written] == [
            (rows[key].height, (tmp_path / "alone.parquet").stat().st_size)
        ]


def test_when_one_of_many_small_files_cannot_be_written_none_stays(tmp_path: Path) -> None:
    (tmp_path / "fp_partition=041").write_text("no folder can be here")
    with pytest.raises(OSError, match="fp_partition=041"):
        write_files(Location("x", str(tmp_path), {}, "365d"), small_partitions(100), [])
    assert not list(tmp_path.rglob("*.parquet"))

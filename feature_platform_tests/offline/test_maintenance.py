"""Maintenance merges small files and removes useless ones; what is read, known and pinned stays."""

import json
import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import VersionNotFound
from feature_platform.offline import CommitStamp, OfflineStore, compaction, files
from feature_platform.offline.files import live_files
from feature_platform.offline.staged import StagePlan
from feature_platform.pipelines.maintenance import pinned_versions
from feature_platform_tests.effort import repetitions, tries
from feature_platform_tests.offline.conftest import STAMP, days, held, put
from feature_platform_tests.offline.test_faults import running

TABLE = "views/delays"


def opened(store: OfflineStore, name: str = TABLE) -> DeltaTable:
    return DeltaTable(store.location(name).uri)


def data_files(store: OfflineStore) -> set[Path]:
    return set(Path(store.location(TABLE).uri).glob("fp_partition=*/*.parquet"))


def in_pieces(store: OfflineStore, frame: pl.DataFrame, name: str = TABLE) -> None:
    """Store rows as a file for every row or two, as deltalake does with little room."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FILE_BYTES", 8)
        store.replace(name, frame, partition_of="day", stamp=STAMP, sort_by=["x"])


def aged(store: OfflineStore, name: str, length: timedelta) -> None:
    """Make all that ever happened to a table happen earlier."""
    folder = Path(store.location(name).uri)
    past = length.total_seconds()
    for log in (folder / "_delta_log").glob("*.json"):
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        for entry in entries:
            for action, word in (("commitInfo", "timestamp"), ("remove", "deletionTimestamp")):
                if action in entry:
                    entry[action][word] -= int(past * 1000)
        log.write_text("\n".join(map(json.dumps, entries)))
    for file in folder.rglob("*.*"):
        os.utime(file, (time.time() - past, time.time() - past))


# ---------------------------------------------------------------- compaction


def test_appended_files_become_one_and_the_rows_stay(store: OfflineStore) -> None:
    for number in range(5):
        store.append("runs", pl.DataFrame({"a": [number]}), stamp=STAMP)
    store.append("runs", pl.DataFrame({"b": ["later"]}), stamp=STAMP)
    before = store.read("runs").collect()
    done = store.maintain("runs")
    assert (done.files_compacted, done.files_merged) == (6, 1)
    assert len(opened(store, "runs").file_uris()) == 1
    assert_frame_equal(store.read("runs").collect(), before, check_row_order=False)
    assert not store.history("runs")["foreign"].any()
    assert store.append("runs", pl.DataFrame({"a": [9]}), stamp=STAMP).changed == ("",)
    assert store.read("runs").collect().height == 7


def test_a_compaction_is_no_change_of_content(store: OfflineStore) -> None:
    frame = days(d1=[3, 1, 2, 2, 5], d2=[4], d3=[7, 6])
    in_pieces(store, frame)
    states, version = store.partition_states(TABLE), store.latest_version(TABLE)
    assert len(opened(store).file_uris()) > 3
    done = store.maintain(TABLE)
    assert (done.files_merged, done.differing) == (2, ())
    assert len(opened(store).file_uris()) == 3
    assert store.partition_states(TABLE) == states
    assert store.changed_since(TABLE, version) == set()
    assert held(store) == held(store, version)
    assert not store.history(TABLE)["foreign"].any()
    assert put(store, frame).changed == ()
    again = store.maintain(TABLE)
    assert (again.files_compacted, again.version) == (0, done.version)


def test_an_ordered_table_keeps_its_order(store: OfflineStore) -> None:
    rows = pl.DataFrame({"x": [3, 1, 2, 1]})
    with pytest.MonkeyPatch.context() as patch:
        for place in ("files.FILE_BYTES", "staging.HELD_BYTES", "staging.ROW_GROUP_ROWS"):
            patch.setattr(f"feature_platform.offline.{place}", 1)
        store.replace("spine", rows, stamp=STAMP, ordered=True)
    assert store.maintain("spine").files_compacted == 4
    assert_frame_equal(store.read("spine").collect(), rows)
    assert store.replace("spine", rows, stamp=STAMP, ordered=True).changed == ()


def test_rows_that_are_not_those_the_log_tells_are_left_alone_and_named(store: OfflineStore) -> None:
    in_pieces(store, days(d1=[1, 2, 3], d2=[4, 5, 6]))
    damaged = next(Path(uri) for uri in opened(store).file_uris() if "fp_partition=d1" in uri)
    pl.read_parquet(damaged, hive_partitioning=False).with_columns(x=pl.lit(99, dtype=pl.Int64)).write_parquet(damaged)
    done = store.maintain(TABLE)
    assert done.differing == ("d1",)
    assert len([uri for uri in opened(store).file_uris() if "fp_partition=d1" in uri]) > 1
    assert len([uri for uri in opened(store).file_uris() if "fp_partition=d2" in uri]) == 1


def test_a_foreign_write_is_one_after_a_compaction_too(store: OfflineStore) -> None:
    put(store, days(d1=[1], d2=[2]))
    for value in range(3):
        write_deltalake(
            store.location(TABLE).uri, days(d1=[value]).with_columns(fp_partition=pl.lit("d1")), mode="append"
        )
    states = store.partition_states(TABLE)
    assert store.maintain(TABLE).files_compacted == 4
    assert store.partition_states(TABLE) == states
    assert store.partition_states(TABLE)["d1"].hash is None
    assert held(store) == [("d1", 0), ("d1", 1), ("d1", 1), ("d1", 2), ("d2", 2)]


def test_a_table_whose_files_do_not_tell_all_is_not_compacted(store: OfflineStore) -> None:
    """Rows that a deletion vector hides would come back."""
    in_pieces(store, days(d1=[1, 2, 3]))
    opened(store).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    assert store.maintain(TABLE).files_compacted == 0


CONTENT = st.dictionaries(
    st.sampled_from(["d1", "2013-01-01-05:00", "us|eu"]), st.lists(st.integers(0, 5), max_size=8), min_size=1
)


@settings(max_examples=tries(20), deadline=None)
@given(content=CONTENT, more=CONTENT)
def test_every_version_reads_the_same_after_maintenance(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, list[int]], more: dict[str, list[int]]
) -> None:
    store = OfflineStore(tmp_path_factory.mktemp("law"))
    in_pieces(store, days(**content))
    put(store, days(**more), *more)
    versions = {version: held(store, version) for version in range(store.latest_version(TABLE) + 1)}
    states = store.partition_states(TABLE)
    store.maintain(TABLE)
    assert {version: held(store, version) for version in versions} == versions
    assert store.partition_states(TABLE) == states
    assert put(store, days(**more), *more).changed == ()


# ---------------------------------------------------------------- other writers


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (lambda store: put(store, days(d1=[9]), "d1"), [("d1", 9), ("d2", 3), ("d2", 4)]),
        (lambda store: put(store, days(d3=[9]), "d3"), [("d1", 1), ("d1", 2), ("d2", 3), ("d2", 4), ("d3", 9)]),
        (lambda store: put(store, days(), "d1", "d2"), []),
    ],
)
def test_a_writer_during_a_compaction_wins(
    store: OfflineStore, write: Callable[[OfflineStore], object], left: list[object]
) -> None:
    in_pieces(store, days(d1=[1, 2], d2=[3, 4]))
    compacting = compaction._Compaction(store.location(TABLE), opened(store), ["x"])
    for key, some in live_files(opened(store)).items():
        compacting.add(key, some, store.partition_states(TABLE)[key].hash)
    write(store)
    compacting.commit(STAMP)
    compacting.remove_rest()
    assert held(store) == left
    assert data_files(store) == {
        Path(uri)
        for version in range(store.latest_version(TABLE) + 1)
        for uri in DeltaTable(store.location(TABLE).uri, version).file_uris()
    }


def test_a_killed_compaction_loses_nothing(tmp_path: Path) -> None:
    """A process that appends and maintains for ever is killed at any moment, while others read."""
    store, chance, promised = OfflineStore(tmp_path), random.Random(1), -1

    def was_compacted() -> bool:
        return store.exists("log") and "compact" in store.history("log")["kind"].to_list()

    for _ in repetitions(16, until=was_compacted):
        with running("maintaining", tmp_path, promised + 1) as (process,):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.0, 0.5))
            process.kill()
            promised = max([promised, *(int(line) for line in process.stdout if line.endswith("\n"))])
        if store.exists("log"):
            found = store.read("log").collect()["tag"]
            assert set(range(promised + 1)) <= set(found)
            assert found.n_unique() == len(found)
            promised = max([promised, *found.to_list()])
    assert store.maintain("log").differing == ()
    assert sorted(store.read("log").collect()["tag"]) == list(range(promised + 1))
    assert "compact" in store.history("log")["kind"].to_list()


# ---------------------------------------------------------------- versions


def test_what_no_version_within_the_retention_needs_is_removed_and_what_is_pinned_stays(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path, retention="30d")
    for value in range(4):
        put(store, days(d1=[value]), "d1")
    stamp = CommitStamp("r", "training_sets/t", "1", inputs={TABLE: 1})
    store.replace("training_sets/t", days(d1=[1]), stamp=stamp, ordered=True)
    aged(store, TABLE, timedelta(days=90))
    for _ in range(2):
        [_, done] = fp.maintain_all(store)
        assert done.table == TABLE
    assert held(store, 1) == [("d1", 1)]
    assert held(store) == [("d1", 3)]
    with pytest.raises((VersionNotFound, FileNotFoundError)):
        held(store, 2)


def test_maintenance_says_what_it_freed(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path, retention="30d")
    for value in range(3):
        put(store, days(d1=[value]), "d1")
    aged(store, TABLE, timedelta(days=90))
    old = [
        Path(uri).stat().st_size
        for version in (0, 1)
        for uri in DeltaTable(store.location(TABLE).uri, version).file_uris()
    ]
    [done] = fp.maintain_all(store)
    assert (done.files_removed, done.bytes_freed) == (2, sum(old))


def test_left_overs_of_a_dead_writer_are_removed_when_they_are_old(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path, retention="30d")
    put(store, days(d1=[1]), "d1")
    folder = Path(store.location(TABLE).uri)
    staged = store.stage(TABLE, days(d1=[2]), StagePlan(partition_of="day", sort_by=["x"]))
    aged(store, TABLE, timedelta(days=90))
    assert len(list(folder.glob("fp_partition=d1/*"))) == 2
    assert store.maintain(TABLE).files_removed == 1
    assert len(list(folder.glob("fp_partition=d1/*"))) == 1
    assert staged.rows == {"d1": 1}


def test_a_version_that_is_not_there_cannot_be_kept(store: OfflineStore) -> None:
    put(store, days(d1=[1]), "d1")
    with pytest.raises(VersionNotFound):
        store.maintain(TABLE, keep_versions=[7])


def test_versions_are_pinned_by_the_commits_of_training_sets(store: OfflineStore) -> None:
    for version in (0, 1, 9):
        stamp = CommitStamp("r", "training_sets/t", "1", inputs={TABLE: version, "views/gone": 3})
        store.replace("training_sets/t", days(d1=[version]), stamp=stamp)
    for value in range(2):
        put(store, days(d1=[value]), "d1")
    assert pinned_versions(store, store.tables()) == {TABLE: {0, 1}}

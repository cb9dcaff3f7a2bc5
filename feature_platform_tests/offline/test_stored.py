"""Pieces of a stored table: by the log alone, in order of time, and never a wrong answer."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.joins.pieces import rows_of_table
from feature_platform.ground.clock import microsecond_of
from feature_platform.offline import CommitStamp, stored

STAMP = CommitStamp("run", "views/x", "1")
FIRST = datetime(2024, 1, 1, tzinfo=timezone.utc)
ROWS = pl.DataFrame(
    {"key": [1, 2, 1, 2], "at": [FIRST + timedelta(days=each, microseconds=7) for each in range(4)], "x": range(4)}
)


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path)


def kept(store: fp.OfflineStore, rows: pl.DataFrame = ROWS) -> fp.OfflineStore:
    store.replace("views/x", rows, partition_of=pl.col("at").dt.strftime("%F"), stamp=STAMP, sort_by=["key", "at"])
    return store


def test_each_partition_is_a_piece_with_its_times_rows_and_size(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_SMALL", 0)
    pieces = kept(store).pieces("views/x", "at")

    assert [piece.name for piece in pieces] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
    assert [piece.height for piece in pieces] == [1, 1, 1, 1]
    assert all(piece.size for piece in pieces)
    for piece, at in zip(pieces, ROWS["at"], strict=True):
        assert piece.first <= microsecond_of(at) <= piece.last
        assert piece.rows.collect_schema().names() == ["key", "at", "x"]
    assert_frame_equal(rows_of_table(pieces).collect(), ROWS)


def test_small_neighbours_are_one_piece(store: fp.OfflineStore) -> None:
    [piece] = kept(store).pieces("views/x", "at")

    assert piece.height == 4
    assert_frame_equal(piece.rows.sort("at").collect(), ROWS)


def test_partitions_whose_times_overlap_are_one_piece(store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_SMALL", 0)
    rows = ROWS.with_columns(part=pl.Series(["a", "b", "a", "c"]))
    store.replace("views/x", rows, partition_of="part", stamp=STAMP)

    assert [piece.height for piece in store.pieces("views/x", "at")] == [3, 1]


@pytest.mark.parametrize("event_time", [None, "x", "absent"])
def test_a_table_whose_times_are_not_known_is_one_piece(store: fp.OfflineStore, event_time: str | None) -> None:
    [piece] = kept(store).pieces("views/x", event_time)

    assert piece.height == 4


def test_a_table_without_partitions_or_rows_is_one_piece(store: fp.OfflineStore) -> None:
    store.replace("views/x", ROWS, stamp=STAMP, ordered=True)
    store.replace("views/none", ROWS.clear(), partition_of=pl.col("at").dt.strftime("%F"), stamp=STAMP)

    assert_frame_equal(rows_of_table(store.pieces("views/x", "at")).collect(), ROWS)
    assert_frame_equal(rows_of_table(store.pieces("views/none", "at")).collect(), ROWS.clear())


def test_a_version_is_the_one_asked_for(store: fp.OfflineStore) -> None:
    kept(kept(store), ROWS.head(2))

    assert rows_of_table(store.pieces("views/x", "at", version=0)).collect().height == 4
    assert rows_of_table(store.pieces("views/x", "at")).collect().height == 2


def test_rows_that_someone_else_put_into_the_wrong_partition_are_found_all_the_same(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored, "_SMALL", 0)
    kept(store)
    strange = pl.DataFrame({"key": [1], "at": [FIRST], "x": [99], "fp_partition": ["2024-01-04"]})
    write_deltalake(tmp_path / "offline" / "views" / "x", strange, mode="append")
    user = fp.Entity("user", join_keys=["key"])
    view = fp.feature_view(entity=user, source=fp.Source("s", fp.sources.Frame(ROWS), event_time="at"), name="x")(
        lambda rows: rows
    )
    asked = pl.DataFrame({"key": [1, 1], "event_timestamp": [FIRST, FIRST + timedelta(days=9)]})

    assert fp.historical_features(view, asked, store, stale="ignore").collect()["x"].to_list() == [99, 2]

"""Windows over buckets on disk: what `window_features` says, in any number of buckets, and nothing left behind."""

import math
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform.compute.windows.bucketed as bucketed
from feature_platform.compute.windows import window_features
from feature_platform.compute.windows.bucketed import bucketed_windows
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import ColumnCollision, InvalidDeclaration, MissingColumns
from feature_platform.parts.aggregations import Count, First, Last, Mean, Quantile, Rate, Sum
from feature_platform.parts.executors import Local
from feature_platform_tests.compute.drawn import HOURS, KEYS, VALUES, at, drawn_rows, frame
from feature_platform_tests.effort import tries

ASKED: dict[str, Any] = {
    "on": ["by"],
    "spine_time": "t",
    "event_time": "at",
    "aggregations": [
        Count(windows=["3h"]),
        Sum("x", windows=["2h", "6h"]),
        Mean("x", windows=["3h"]),
        First("x", windows=["6h"]),
        Last("x", windows=["6h"]),
        Quantile("x", 0.5, windows=["6h"]),
        Rate(pl.col("x") > 1, name="big", windows=["6h"]),
    ],
}
EVENTS = {"by": pl.String, "at": UTC, "x": pl.Float64}
SPINE = {"by": pl.String, "t": UTC}


def small() -> tuple[pl.DataFrame, pl.DataFrame]:
    spine = frame([(key, hour) for hour in (1, 3, 2) for key in ("UA", "AA", None, "DL")], by=pl.String, t=UTC)
    events = frame([(key, hour, 1.0 * hour) for hour in (0, 1, 2) for key in ("UA", "AA")], **EVENTS)
    return spine.with_row_index("n"), events


@settings(derandomize=True, deadline=None, max_examples=tries(25))
@given(
    asked=drawn_rows(KEYS, HOURS),
    happened=drawn_rows(KEYS, HOURS, VALUES, max_size=20),
    buckets=st.sampled_from([1, 2, 3, 16]),
    rows_of_a_part=st.sampled_from([1, 3, 1000]),
)
def test_any_number_of_buckets_says_what_window_features_says(asked, happened, buckets, rows_of_a_part):
    spine, events = frame(asked, **SPINE), frame(happened, **EVENTS)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucketed, "ROWS_OF_A_PART", rows_of_a_part)
        found = bucketed_windows(spine.lazy(), events.lazy(), **ASKED, folder=Path(folder), buckets=buckets).collect()
    assert_frame_equal(found, window_features(spine, events, **ASKED).collect(), check_exact=True)


def test_events_count_from_when_they_were_known_on(tmp_path: Path):
    spine, events = small()
    events = events.with_columns(known=pl.col("at") + timedelta(hours=1))
    asked: dict[str, Any] = {**ASKED, "known_at": "known"}
    found = bucketed_windows(spine.lazy(), events.lazy(), **asked, folder=tmp_path, buckets=4).collect()
    assert_frame_equal(found, window_features(spine, events, **asked).collect())


def test_keys_of_different_types_and_of_two_columns_meet(tmp_path: Path):
    spine = pl.DataFrame({"a": ["x", "y"], "b": [1, 2], "t": [at(5)] * 2}, schema_overrides={"a": pl.Categorical})
    events = pl.DataFrame({"b": [2, 1], "a": ["y", "x"], "at": [at(4)] * 2, "x": [1.0, math.inf]})
    asked: dict[str, Any] = {**ASKED, "on": ["a", "b"]}
    narrow = spine.with_columns(pl.col("b").cast(pl.Int8))
    found = bucketed_windows(narrow.lazy(), events.lazy(), **asked, folder=tmp_path, buckets=8).collect()
    assert_frame_equal(found, window_features(narrow, events, **asked).collect())


def test_the_result_is_whole_files_in_spine_order_and_nothing_else_stays(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(bucketed, "ROWS_OF_A_PART", 5)
    spine, events = small()
    found = bucketed_windows(spine.lazy(), events.lazy(), **ASKED, folder=tmp_path / "new", buckets=4).collect()
    assert found["n"].to_list() == list(range(12))
    names = sorted(file.name for file in (tmp_path / "new").iterdir())
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert pl.read_parquet(tmp_path / "new" / names[1])["n"].to_list() == [5, 6, 7, 8, 9]


def test_processes_of_their_own_give_the_same_rows(tmp_path: Path):
    spine, events = small()
    found = bucketed_windows(
        spine.lazy(), events.lazy(), **ASKED, folder=tmp_path, buckets=3, executor=Local(processes=2)
    )
    assert_frame_equal(found.collect(), window_features(spine, events, **ASKED).collect())


@pytest.mark.parametrize(("free", "wanted"), [(10**9, 1), (672, 1), (671, 2), (100, 8)])
def test_as_many_buckets_are_made_as_memory_asks_for(monkeypatch, free: int, wanted: int):
    monkeypatch.setattr(bucketed, "working_memory", lambda: free)
    spine, events = small()
    assert bucketed._buckets_for(spine.lazy(), events.lazy()) == wanted


@pytest.mark.parametrize("empty", ["spine", "events", "both"])
def test_empty_frames_are_frames_like_others(tmp_path: Path, empty: str):
    spine, events = small()
    spine = spine.clear() if empty in ("spine", "both") else spine
    events = events.clear() if empty in ("events", "both") else events
    found = bucketed_windows(spine.lazy(), events.lazy(), **ASKED, folder=tmp_path, buckets=2).collect()
    assert_frame_equal(found, window_features(spine, events, **ASKED).collect())


def test_whatever_goes_wrong_nothing_stays(tmp_path: Path):
    spine, events = small()
    failing = spine.lazy().with_columns(pl.col("by").str.to_integer(strict=True).alias("number"))
    with pytest.raises(pl.exceptions.PolarsError):
        bucketed_windows(failing, events.lazy(), **ASKED, folder=tmp_path, buckets=2)
    failing = events.lazy().map_batches(lambda rows: rows.with_columns(x=pl.lit("text")), validate_output_schema=False)
    with pytest.raises(pl.exceptions.PolarsError):
        bucketed_windows(spine.lazy(), failing, **ASKED, folder=tmp_path, buckets=2)
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_named_before_anything_is_read(tmp_path: Path):
    spine, events = (each.lazy() for each in small())
    unread = events.map_batches(lambda rows: pytest.fail("read"), schema=events.collect_schema())
    with pytest.raises(MissingColumns, match="`x`"):
        bucketed_windows(spine, unread.drop("x"), **ASKED, folder=tmp_path)
    with pytest.raises(ColumnCollision, match="count_3h"):
        bucketed_windows(spine.with_columns(count_3h=1), unread, **ASKED, folder=tmp_path)
    with pytest.raises(InvalidDeclaration, match="Entity buckets"):
        bucketed_windows(spine, unread, **{**ASKED, "on": []}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []

"""Profiles in the store: keyed by content, kept once, read whole or not at all."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_platform.compute.profiles import distinct
from feature_platform.compute.profiles.counting import layouts_of
from feature_platform.compute.profiles.partition import PartitionProfile
from feature_platform.compute.profiles.profile import ColumnProfile, add_profiles
from feature_platform.compute.profiles.profiling import Profiler
from feature_platform.compute.profiles.window_profiles import profile_windows
from feature_platform.offline import OfflineStore
from feature_platform.offline.profiles import (
    SUMMARIES,
    keep_layouts,
    keep_profiles,
    keep_windows,
    profiled_contents,
    read_layouts,
    read_profiles,
    read_summaries,
    read_windows,
)
from feature_platform.parts.drift import Kind
from feature_platform_tests.effort import tries

ASSET = "views/delays"
HOUR = 3_600_000_000


def rows(*values: float | None, text: str = "a") -> pl.DataFrame:
    columns = {"k": range(len(values)), "x": values, "航空": [text] * len(values)}
    return pl.DataFrame(columns, schema={"k": pl.Int64, "x": pl.Float64, "航空": pl.String})


def profiles(parts: dict[str, pl.DataFrame], **layouts: Any) -> list[PartitionProfile]:
    """The profiles of partitions whose content is called after them."""
    profiler = Profiler(**{"keys": ["k"], "identity": ["k"], **layouts})
    for key, frame in parts.items():
        profiler.see(key, frame)
    return list(profiler.profiles({key: f"of {key}" for key in parts}).values())


def told(profile: PartitionProfile) -> tuple[object, ...]:
    columns = {
        name: (
            (each.layout.id, each.rows, each.nulls, each.nans, each.infinities, each.counts.tolist()),
            [str(number) for number in (each.total, each.squares, each.lowest, each.highest)],
            (each.sketch.tolist(), each.unknown),
        )
        for name, each in profile.columns.items()
    }
    keys = profile.keys.tolist()
    return profile.content, profile.rows, list(profile.dtypes.items()), columns, keys, profile.duplicates


def versions(store: OfflineStore) -> tuple[int, ...]:
    """How many commits the logs of profiles and of layouts have."""
    names = [f"profiles/{ASSET}", f"layouts/{ASSET}"]
    return tuple(store.latest_version(name) + 1 if store.exists(name) else 0 for name in names)


def counted(windows: dict[datetime, dict[str, ColumnProfile]]) -> dict[datetime, dict[str, list[int]]]:
    return {start: {name: each.counts.tolist() for name, each in found.items()} for start, found in windows.items()}


# ---------------------------------------------------------------- whole partitions


def test_a_store_without_profiles_has_none(store: OfflineStore) -> None:
    assert read_profiles(store, ASSET, {"a": "x"}) == {}
    assert read_windows(store, ASSET, {"a": "x"}, "e", HOUR) == {}
    assert read_layouts(store, ASSET, "") == {}
    assert profiled_contents(store, ASSET, ["x"]) == set()
    assert read_summaries(store, ASSET, {"a": "x"}).schema == SUMMARIES
    keep_profiles(store, ASSET, [], "", "run-1")
    keep_layouts(store, ASSET, "", {}, "run-1")
    keep_windows(store, ASSET, {}, "e", HOUR, "run-1", {})
    assert store.tables() == []


VALUES = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=6)


@given(parts=st.lists(VALUES, min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=tries(15))
def test_profiles_are_read_back_as_they_were_kept(parts: list[list[float | None]], tmp_path_factory) -> None:
    store = OfflineStore(tmp_path_factory.mktemp("store"))
    made = profiles({str(at): rows(*values) for at, values in enumerate(parts)})
    keep_profiles(store, ASSET, made, "", "run-1")
    found = read_profiles(store, ASSET, {each.partition: each.content for each in made} | {"more": "unknown"})
    assert list(found) == [each.partition for each in made]
    for each in made:
        assert told(found[each.partition]) == told(each)
        assert found[each.partition].partition == each.partition


def test_nothing_is_kept_twice_and_each_run_commits_at_most_once(store: OfflineStore) -> None:
    first = profiles({"a": rows(1.0, 2.0), "b": rows(3.0)})
    keep_profiles(store, ASSET, first, "", "run-1")
    assert versions(store) == (1, 1)
    keep_profiles(store, ASSET, first, "", "run-2")
    assert versions(store) == (1, 1)
    layouts = read_layouts(store, ASSET, "")
    keep_profiles(store, ASSET, profiles({"b": rows(3.0), "c": rows(4.0)}, layouts=layouts), "", "run-3")
    assert versions(store) == (2, 1)
    contents = store.read(f"profiles/{ASSET}").group_by("content").agg(pl.col("run_id").unique()).collect()
    assert dict(contents.iter_rows()) == {"of a": ["run-1"], "of b": ["run-1"], "of c": ["run-3"]}


def test_a_log_from_before_sums_were_exact_is_read_and_taken_further(store: OfflineStore) -> None:
    first, second = profiles({"a": rows(0.1, 0.2, 0.3), "b": rows(0.4, 1e9)})
    keep_profiles(store, ASSET, [first], "", "run-1")
    log = store.read(f"profiles/{ASSET}").drop("total_exact", "squares_exact").collect()
    write_deltalake(store.location(f"profiles/{ASSET}").uri, log, mode="overwrite", schema_mode="overwrite")
    old = read_profiles(store, ASSET, {"a": "of a"})["a"].columns["x"]
    made = first.columns["x"]
    assert (old.mean, old.deviation, float(old.total)) == (made.mean, made.deviation, float(made.total))
    assert read_summaries(store, ASSET, {"a": "of a"})["mean"].drop_nulls().len() == 2
    keep_profiles(store, ASSET, [second], "", "run-2")
    both = read_profiles(store, ASSET, {"a": "of a", "b": "of b"})
    assert told(both["b"]) == told(second)
    assert add_profiles([each.columns["x"] for each in both.values()], made.layout).rows == 5


def test_a_profile_is_of_a_content_whatever_partition_holds_it(store: OfflineStore) -> None:
    [made] = profiles({"a": rows(1.0)})
    keep_profiles(store, ASSET, [made], "", "run-1")
    found = read_profiles(store, ASSET, {"b": "of a", "c": "of a"})
    assert {key: each.partition for key, each in found.items()} == {"b": "b", "c": "c"}
    assert read_summaries(store, ASSET, {"b": "of a", "c": "of a"})["partition"].unique().sort().to_list() == ["b", "c"]


def test_of_two_writers_at_once_readers_take_one(store: OfflineStore) -> None:
    """Each learns layouts of its own, from rows of its own."""
    both, contents = Barrier(2), {"a": "of a", "b": "of b"}

    def write(tag: float) -> None:
        made = profiles({"a": rows(tag, tag + 1), "b": rows(tag)})
        both.wait()
        keep_profiles(store, ASSET, made, "", f"run-{tag:.0f}")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, [10.0, 20.0]))
    found = read_profiles(store, ASSET, contents)
    assert {each.rows for each in found.values()} == {1, 2}
    assert [found[key].columns["x"].lowest for key in "ab"] in ([10.0, 10.0], [20.0, 20.0])
    assert read_summaries(store, ASSET, contents).height == 2 * 4
    layouts = read_layouts(store, ASSET, "")
    assert set(layouts) == {"k", "x", "航空"}
    later = profiles({"c": rows(15.0)}, layouts=layouts)
    keep_profiles(store, ASSET, later, "", "run-3")
    assert read_layouts(store, ASSET, "")["x"].id == layouts["x"].id


def test_rows_that_were_appended_twice_count_once(store: OfflineStore) -> None:
    made = profiles({"a": rows(1.0, None)})
    keep_profiles(store, ASSET, made, "", "run-1")
    for name in ("profiles", "layouts"):
        location = store.location(f"{name}/{ASSET}").uri
        write_deltalake(location, pl.read_delta(location), mode="append")
    [found] = read_profiles(store, ASSET, {"a": "of a"}).values()
    assert told(found) == told(made[0])
    assert read_summaries(store, ASSET, {"a": "of a"}).height == 4


def test_a_lost_layout_or_another_hash_crashes_no_reader(store: OfflineStore) -> None:
    made = profiles({"a": rows(1.0), "b": rows(None, text="z")})
    keep_profiles(store, ASSET, made, "", "run-1")
    layouts, log = (store.location(f"{name}/{ASSET}").uri for name in ("layouts", "profiles"))
    write_deltalake(layouts, pl.read_delta(layouts).filter(pl.col("column") != "x"), mode="overwrite")
    other = pl.read_delta(log).with_columns(hashed_by=pl.col("hashed_by") + 1)
    write_deltalake(log, other, mode="overwrite")
    found = read_profiles(store, ASSET, {"a": "of a", "b": "of b"})
    assert list(found["a"].columns) == ["k", "航空"]
    assert list(found["a"].dtypes) == ["k", "x", "航空"]
    assert not len(found["a"].keys)
    assert found["a"].columns["k"].distinct == 0
    summaries = read_summaries(store, ASSET, {"a": "of a"})
    assert summaries["sketch"].drop_nulls().list.len().sum() == 0
    assert summaries["distinct"].to_list() == [1, 1, None, 1]


def test_summaries_tell_the_numbers_of_columns_and_the_keys_of_rows(store: OfflineStore) -> None:
    made = profiles({"a": rows(1.0, 3.0, None, float("nan"), float("inf")), "b": rows()})
    keep_profiles(store, ASSET, made, "", "run-1")
    found = read_summaries(store, ASSET, {"b": "of b", "a": "of a"})
    assert found.schema == SUMMARIES
    assert found.select("partition", "column", "dtype", "rows").rows() == [
        ("a", "", None, 5), ("a", "k", "Int64", 5), ("a", "x", "Float64", 5), ("a", "航空", "String", 5),
        ("b", "", None, 0), ("b", "k", "Int64", 0), ("b", "x", "Float64", 0), ("b", "航空", "String", 0),
    ]  # fmt: skip
    x = found.filter(partition="a", column="x").row(0, named=True)
    assert {name: x[name] for name in ("nulls", "nans", "infinities", "lowest", "highest", "mean", "deviation")} == {
        "nulls": 1, "nans": 1, "infinities": 1, "lowest": 1.0, "highest": 3.0, "mean": 2.0, "deviation": 1.0,
    }  # fmt: skip
    head = found.filter(partition="a", column="").row(0, named=True)
    keys = np.array(head["sketch"]).view(np.uint64)
    assert (head["distinct"], head["duplicates"], distinct.distinct(keys)) == (5, 0, 5)
    assert found.filter(pl.col("column") != "")["sketch"].null_count() == 6


def test_a_column_without_values_adds_up_with_the_layout_that_is_learnt_later(store: OfflineStore) -> None:
    keep_profiles(store, ASSET, profiles({"a": rows(None, None)}), "", "run-1")
    assert set(read_layouts(store, ASSET, "")) == {"k", "航空"}
    layouts = read_layouts(store, ASSET, "")
    keep_profiles(store, ASSET, profiles({"b": rows(1.0, 2.0)}, layouts=layouts), "", "run-2")
    found = read_profiles(store, ASSET, {"a": "of a", "b": "of b"})
    layout = read_layouts(store, ASSET, "")["x"]
    total = add_profiles([each.columns["x"] for each in found.values()], layout)
    assert (total.rows, total.nulls, total.mean) == (4, 2, 1.5)


def test_columns_that_are_added_and_kinds_that_change_are_learnt_beside_what_is_kept(store: OfflineStore) -> None:
    keep_profiles(store, ASSET, profiles({"a": rows(1.0)}), "", "run-1")
    first = read_layouts(store, ASSET, "")
    changed = rows(2.0).with_columns(pl.col("x").cast(pl.String), new=pl.lit(7))
    keep_profiles(store, ASSET, profiles({"b": changed}, layouts=first), "", "run-2")
    second = read_layouts(store, ASSET, "")
    assert (first["x"].kind, second["x"].kind, second["new"].kind) == (Kind.NUMBER, Kind.CATEGORY, Kind.NUMBER)
    assert second["k"].id == first["k"].id
    found = read_profiles(store, ASSET, {"a": "of a", "b": "of b"})
    assert [each.columns["x"].layout.kind for each in found.values()] == [Kind.NUMBER, Kind.CATEGORY]
    back = profiles({"c": rows(1.0)}, layouts=second)
    keep_profiles(store, ASSET, back, "", "run-3")
    assert read_layouts(store, ASSET, "")["x"].id == first["x"].id  # the newest again


# ---------------------------------------------------------------- windows


def hours(*values: float) -> pl.DataFrame:
    """A value each hour, from 2024-01-01 on."""
    at = [datetime(2024, 1, 1, hour, tzinfo=timezone.utc) for hour in range(len(values))]
    return pl.DataFrame({"at": pl.Series(at, dtype=pl.Datetime("us", "UTC")), "x": values, "c": "é"})


def cut(frame: pl.DataFrame, columns: Sequence[str] = ("x", "c")) -> dict[datetime, dict[str, ColumnProfile]]:
    return profile_windows(frame, layouts_of(hours(1.0, 2.0), list(columns)), pl.col("at").dt.truncate("1h"))


def test_windows_are_a_cache_by_content_epoch_and_length(store: OfflineStore) -> None:
    windows, contents = {"a": cut(hours(1.0, 5.0)), "b": cut(hours().cast(hours(1.0).schema))}, {"a": "A", "b": "B"}
    keep_layouts(store, ASSET, "e1", layouts_of(hours(1.0, 2.0), ["x", "c"]), "run-1")
    keep_windows(store, ASSET, windows, "e1", HOUR, "run-1", contents)
    keep_windows(store, ASSET, windows, "e1", HOUR, "run-2", contents)
    assert versions(store) == (1, 1)
    found = read_windows(store, ASSET, {**contents, "c": "C"}, "e1", HOUR)
    assert {key: counted(each) for key, each in found.items()} == {key: counted(each) for key, each in windows.items()}
    assert list(found["a"]) == sorted(windows["a"])
    assert read_windows(store, ASSET, contents, "e2", HOUR) == {}
    assert read_windows(store, ASSET, contents, "e1", 2 * HOUR) == {}
    assert profiled_contents(store, ASSET, "AB", "e1", HOUR) == {"A", "B"}
    assert read_profiles(store, ASSET, contents) == {}
    assert read_summaries(store, ASSET, contents).is_empty()


def test_windows_whose_layout_is_lost_are_read_without(store: OfflineStore) -> None:
    windows = {"a": cut(hours(1.0))}
    keep_layouts(store, ASSET, "e1", layouts_of(hours(1.0, 2.0), ["c"]), "run-1")
    keep_windows(store, ASSET, windows, "e1", HOUR, "run-1", {"a": "A"})
    [found] = read_windows(store, ASSET, {"a": "A"}, "e1", HOUR)["a"].values()
    assert list(found) == ["c"]


def test_layouts_of_one_epoch_are_not_those_of_another(store: OfflineStore) -> None:
    one, two = (layouts_of(hours(value), ["x"]) for value in (1.0, 2.0))
    for since, layouts in (("", one), ("e", two), ("e", two)):
        keep_layouts(store, ASSET, since, layouts, "run-1")
    assert versions(store) == (0, 2)
    assert [read_layouts(store, ASSET, since)["x"].id for since in ("", "e")] == [one["x"].id, two["x"].id]


@pytest.mark.parametrize("asset", ["sources/x", "training_sets/y.z-1"])
def test_every_asset_has_logs_of_its_own(store: OfflineStore, asset: str, tmp_path: Path) -> None:
    keep_profiles(store, asset, profiles({"": rows(1.0)}), "", "run-1")
    assert store.tables() == sorted([f"profiles/{asset}", f"layouts/{asset}"])
    history = store.history(f"profiles/{asset}")
    assert history.select("run_id", "asset", "kind").rows() == [("run-1", asset, "append")]

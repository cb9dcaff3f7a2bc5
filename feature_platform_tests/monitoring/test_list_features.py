"""A table with features that are lists is profiled, watched and compared: by absence, length and first value."""

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.profiles import kinds, layout, profiling
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.declarations.view import FeatureView
from feature_platform.monitoring.judging import snapshot, windows
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform.parts.drift.base import Kind
from feature_platform_tests.monitoring.judged_readings import DAYS, KEYS, LATE, MONITOR
from feature_platform_tests.readings import FIRST, planted, published, readings
from feature_platform_tests.shop import same

FIRSTS = {"flow_last_20_1d[0]", "level_last_3_distinct_1d[0]", "level_top_2_1d[0]"}  # a histogram has structs
LISTS = {"flow_last_20_1d", "level_last_3_distinct_1d", "flow_histogram_3_1d", "level_top_2_1d"}


def project_of_lists(frame: pl.DataFrame) -> tuple[Project, FeatureView]:
    source = fp.Source("readings", fp.sources.Frame(frame), event_time="at")
    view = fp.feature_view(
        entity=fp.Entity("sensor", join_keys=["sensor", "state"]),
        source=source,
        aggregations=[
            fp.LastN("flow", 20, windows=["1d"]),
            fp.LastN("level", 3, distinct=True, windows=["1d"]),
            fp.Histogram("flow", 3, windows=["1d"]),
            fp.TopK("level", 2, windows=["1d"]),
            fp.Mode("flow", windows=["1d"]),
            fp.Any(pl.col("level") > 30, name="high", windows=["1d"]),
        ],
        cadence=fp.Cadence(every="1d"),
        monitor=MONITOR,
        name="lists",
    )(same)
    partitions = fp.Partitions("daily", start=FIRST, end="2024-03-01")
    return Project("plant", partitions, order_declarations([source, view])), view


def test_lists_are_watched_by_their_length_and_by_what_is_absent(store: fp.OfflineStore) -> None:
    once = planted(readings(DAYS, rows=800), LATE, lambda day: day.unique(["sensor", "state"], maintain_order=True))
    found, view = project_of_lists(once)
    published(store, found)
    rows = monitor_asset(view, found, store, KEYS[LATE - 7 :], "test").rows
    drift = rows.filter(pl.col("kind") == "drift", pl.col("found").is_not_null())
    assert set(drift["column"]) >= LISTS | FIRSTS
    assert set(rows.filter("alarm", kind="drift")["column"]) >= LISTS
    assert (
        drift.filter("found", metric="ks", column="flow_last_20_1d")["evidence"].str.contains("mean length was").all()
    )
    assert {"constant", "dead", "schema"} <= set(rows["kind"])


def test_a_baseline_from_before_lengths_were_counted_learns_them_anew(store: fp.OfflineStore) -> None:
    found, view = project_of_lists(readings(DAYS, rows=400))
    with pytest.MonkeyPatch.context() as patch:
        known = kinds.value_kind_of
        for module in (layout, profiling, windows):
            patch.setattr(module, "value_kind_of", lambda dtype: Kind.OTHER if dtype == pl.List else known(dtype))
        published(store, found, KEYS[: LATE - 7])
        before = monitor_asset(view, found, store, KEYS[: LATE - 7], "before").rows
    assert set(before.filter(pl.col("column").is_in(LISTS), kind="drift")["metric"]) == {"null_rate"}
    published(store, found)
    rows = monitor_asset(view, found, store, KEYS[LATE - 3 :], "after").rows
    drift = rows.filter(pl.col("kind") == "drift", pl.col("found").is_not_null(), pl.col("metric") == "ks")
    assert set(drift["column"]) >= LISTS
    assert rows.filter("alarm").is_empty()


def test_a_baseline_from_before_first_values_were_counted_learns_them_beside_what_it_has(
    store: fp.OfflineStore,
) -> None:
    found, view = project_of_lists(readings(DAYS, rows=400))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "first_values", lambda _: {})
        published(store, found, KEYS[: LATE - 7])
        before = monitor_asset(view, found, store, KEYS[: LATE - 7], "before").rows
    assert set(before["column"]) >= LISTS
    assert not FIRSTS & set(before["column"])
    published(store, found)
    rows = monitor_asset(view, found, store, KEYS[LATE - 3 :], "after").rows
    judged = rows.filter(pl.col("kind") == "drift", pl.col("found").is_not_null(), pl.col("metric") == "ks")
    assert set(judged["column"]) >= LISTS | FIRSTS
    assert rows.filter("alarm").is_empty()


def test_a_list_of_other_values_and_the_same_length_is_seen_by_its_first_value() -> None:
    before = pl.DataFrame({"n": range(1000)}).select(
        numbers=pl.concat_list("n", "n"),
        words=pl.concat_list(pl.lit("a"), pl.lit("b")),
        none=pl.lit(None, pl.List(pl.Int64)),
        days=pl.concat_list(pl.lit(FIRST)),
    )
    after = before.with_columns(
        numbers=pl.concat_list(pl.col("numbers").list.first() + 5000, pl.lit(1)),
        words=pl.concat_list(pl.lit("c"), pl.lit("b")),
    )
    scores = fp.drift_scores(before, after)
    assert set(scores.filter("drifted")["column"]) == {"numbers[0]", "words[0]"}
    assert set(scores["column"]) == {"numbers", "numbers[0]", "words", "words[0]", "none", "none[0]", "days"}
    assert set(fp.drift_scores(before, after, ["words"])["column"]) == {"words", "words[0]"}
    assert "numbers[0]" in fp.drift_report(before, after)


def test_a_row_view_with_arrays_and_structs_is_watched(store: fp.OfflineStore) -> None:
    vector = pl.Array(pl.Float32, 3)
    columns = [pl.concat_list(["flow"] * 3).cast(pl.List(pl.Float32)).alias("vector"), pl.struct("flow").alias("place")]
    frame = planted(
        readings(DAYS, rows=200).with_columns(columns),
        LATE,
        lambda day: day.with_columns(vector=pl.lit(None, pl.List(pl.Float32))),
    )
    source = fp.Source("readings", fp.sources.Frame(frame), event_time="at")
    view = fp.feature_view(
        entity=fp.Entity("sensor", join_keys=["sensor"]),
        source=source,
        types={"vector": vector},
        monitor=MONITOR,
        name="vectors",
    )(lambda rows: rows.select("sensor", "at", "vector", "place"))
    found = Project("plant", fp.Partitions("daily", start=FIRST, end="2024-03-01"), order_declarations([source, view]))
    published(store, found)
    rows = monitor_asset(view, found, store, KEYS[LATE - 7 :], "test").rows
    drift = rows.filter(pl.col("kind") == "drift", pl.col("found").is_not_null())
    assert {"vector", "place"} <= set(drift["column"])
    assert {"null_rate", "ks"} <= set(drift.filter(column="vector")["metric"])
    assert {"null_rate", "ks"} <= set(drift.filter(column="vector[0]")["metric"])
    assert rows.filter("alarm").select("partition", "column", "kind").rows() == [(KEYS[LATE], "vector", "dead")]

"""Monitoring: which windows are judged, and what they are compared with."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.monitoring.judging.windows import WindowCounts
from feature_platform.monitoring.partitions import monitor_asset
from feature_platform_tests.assets import table_asset
from feature_platform_tests.monitoring.judged_readings import alarms, monitored
from feature_platform_tests.readings import FIRST, day_key, planted, project, published, readings

DAYS = 60
KEYS = [day_key(day) for day in range(DAYS)]


def test_months_are_judged_by_their_days(store: fp.OfflineStore) -> None:
    days = 182
    storm = planted(readings(days, 250), 120, lambda rows: rows.with_columns(level=pl.col("level") + 8.0), days=3)
    found = project(storm, fp.Monitor(reference="60d"), grain="monthly", days=days)
    published(store, found)

    rows = monitored(store, found, ["2024-04-01", "2024-05-01", "2024-06-01"]).rows

    told = rows.filter(pl.col("alarm"), pl.col("kind") == "drift", pl.col("column") == "level")
    assert set(told["window"]) == {FIRST + timedelta(days=day) for day in (120, 121, 122)}
    assert set(told["partition"]) == {"2024-04-01", "2024-05-01"}  # the storm crosses the end of April
    assert rows.filter(pl.col("kind") == "volume")["window"].n_unique() == 91


def test_windows_that_cross_partitions_are_judged_where_they_end(store: fp.OfflineStore) -> None:
    days = 182
    found = project(readings(days, 60), fp.Monitor(reference="84d", every="7d"), grain="monthly", days=days)
    published(store, found)

    rows = monitored(store, found, ["2024-05-01"]).rows

    windows = sorted(set(rows.filter(pl.col("kind") == "drift")["window"]))
    assert windows == [datetime(2024, 4, 29, tzinfo=UTC) + timedelta(days=7 * week) for week in range(4)]
    judged = rows.filter(pl.col("kind") == "drift", pl.col("metric") == "null_rate", pl.col("column") == "level")
    expected = [
        readings(days, 60).filter(pl.col("at").is_between(at, at + timedelta(days=7), "left")).height for at in windows
    ]
    assert judged.sort("window")["n_current"].to_list() == expected
    assert rows.filter("alarm").is_empty()


@pytest.mark.slow
def test_a_fixed_reference_sees_slow_drift_that_a_trailing_one_forgets(store: fp.OfflineStore) -> None:
    slow = readings(DAYS).with_columns(
        level=pl.col("level") + 0.05 * (pl.col("at") - FIRST).dt.total_days().clip(21) - 1.05
    )
    fixed = project(slow, fp.Monitor(reference=("2024-01-01", "2024-01-22")))
    published(store, fixed)

    rows = monitored(store, fixed, KEYS).rows

    assert rows.filter(pl.col("kind") == "drift")["partition"].min() == day_key(21)
    told = {day for day, column in alarms(rows) if column == "level"}
    assert day_key(58) in told
    assert min(told) > day_key(24)


def test_a_reference_of_a_season_ago_knows_what_comes_again(store: fp.OfflineStore) -> None:
    again = readings(DAYS)
    for day in (14, 42):  # a week that is warm each time, four weeks apart
        again = planted(again, day, lambda frame: frame.with_columns(level=pl.col("level") + 8.0), days=7)
    seasonal = project(again, fp.Monitor(reference="7d", season="28d"))
    trailing = project(again, fp.Monitor(reference="14d"))
    published(store, seasonal)

    asked = KEYS[44:47]  # the middle of the second warm week
    same, before = monitored(store, seasonal, asked).rows, monitored(store, trailing, KEYS[42:44]).rows

    judged = same.filter(pl.col("kind") == "drift", pl.col("column") == "level", pl.col("metric") == "ks")
    assert judged["found"].to_list() == [False, False, False]
    assert "level" in {column for _, column in alarms(before)}


@pytest.mark.slow
@pytest.mark.parametrize("monitor", [fp.Monitor(reference="35d"), fp.Monitor(reference=("2024-01-01", "2024-01-22"))])
def test_few_windows_are_held_however_many_partitions_a_run_has(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch, monitor: fp.Monitor
) -> None:
    monkeypatch.setattr("feature_platform.monitoring.judging.windows.PREFETCHED", 4)
    found = project(readings(DAYS, 210), monitor)
    published(store, found)
    held: list[int] = []
    turn = WindowCounts.turn_to

    def turned(self: WindowCounts, *words: object) -> object:
        layouts = turn(self, *words)  # type: ignore[arg-type]
        held.append(len(self._by_partition))
        return layouts

    monkeypatch.setattr(WindowCounts, "turn_to", turned)
    first = monitored(store, found, KEYS[36:]).rows
    again = monitored(store, found, KEYS[36:]).rows

    assert max(held) <= 35 + 4 + 2
    assert again.equals(first)


def test_a_table_without_partitions_is_held_against_its_earlier_versions(store: fp.OfflineStore) -> None:
    def register(rows: int) -> Project:
        frame = pl.DataFrame(
            {"plane": [f"N{each}" for each in range(rows)], "seats": [100 + each % 7 for each in range(rows)]}
        )
        source = fp.Source("register", fp.sources.Frame(frame))
        return Project("fleet", fp.Partitions("daily", start=FIRST), order_declarations([source]))

    for rows in (500, 505, 502, 510, 507, 503):
        grown = register(rows)
        fp.materialize(table_asset(grown, "sources/register"), store)
    calm = monitor_asset(grown.assets[0], grown, store, [""]).rows
    half = register(90)
    fp.materialize(table_asset(half, "sources/register"), store)
    fewer = monitor_asset(half.assets[0], half, store, [""]).rows

    assert calm.filter("alarm").is_empty()
    assert alarms(fewer, "volume") == {("", None)}

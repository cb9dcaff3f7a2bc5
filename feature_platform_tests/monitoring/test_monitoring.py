"""Monitoring: what is said of committed partitions, when, and that it is said once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.compute.drift.reference import MOVES_ON
from feature_platform.declarations.project import Asset, Project, order_declarations
from feature_platform.monitoring.judging.segments import _Sides
from feature_platform.monitoring.judging.windows import WindowCounts
from feature_platform.monitoring.partitions import MonitoringResult, find_unmonitored, monitor_asset, monitoring_table
from feature_platform.offline import CommitStamp
from feature_platform_tests.readings import FIRST, Fault, day_key, planted, project, published, readings

DAYS = 60
KEYS = [day_key(day) for day in range(DAYS)]
MONITOR = fp.Monitor(reference="35d")
LATE = 50  # the day of faults


def source_of(found: Project) -> Asset:
    return found.asset("sources/readings")


def monitored(store: fp.OfflineStore, found: Project, keys: Sequence[str] = KEYS) -> MonitoringResult:
    return monitor_asset(source_of(found), found, store, keys, "test")


def alarms(rows: pl.DataFrame, kind: str = "drift") -> set[tuple[str, str | None]]:
    """Partition and column of what people would hear of."""
    return set(rows.filter(pl.col("alarm"), pl.col("kind") == kind).select("partition", "column").iter_rows())


def world(store: fp.OfflineStore, fault: Fault, days: int = 1, monitor: fp.Monitor = MONITOR) -> pl.DataFrame:
    """The answers about the days around `LATE`, of readings with a fault from then on."""
    found = project(planted(readings(DAYS), LATE, fault, days), monitor)
    published(store, found)
    return monitored(store, found, KEYS[LATE - 8 : LATE + 6]).rows


def test_a_world_in_which_nothing_is_wrong_raises_no_alarm(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)

    rows = monitored(store, found).rows

    assert rows.filter("alarm").is_empty()
    assert set(rows["kind"]) >= {"drift", "multivariate", "volume", "schema", "unit", "dead", "foreign_write"}
    judged = rows.filter(pl.col("kind") == "drift", pl.col("found").is_not_null())
    assert set(judged["column"]) == {"sensor", "level", "flow", "state"}
    assert judged["partition"].min() == day_key(8)  # five windows are the least, and three are not settled yet


@pytest.mark.parametrize(
    ("fault", "kind", "column"),
    [
        (lambda frame: frame.with_columns(level=pl.when(pl.col("level") > 18).then("level")), "drift", "level"),
        (lambda frame: frame.with_columns(level=pl.col("level") * 1000), "unit", "level"),
        (lambda frame: frame.with_columns(level=pl.col("level") * 1000), "drift", "level"),
        (lambda frame: frame.with_columns(state=pl.col("state").replace("open", "ajar")), "drift", "state"),
        (lambda frame: frame.with_columns(level=pl.lit(20.0)), "constant", "level"),
        (lambda frame: frame.with_columns(level=pl.lit(None, pl.Float64)), "dead", "level"),
        (lambda frame: pl.concat([frame, frame]), "duplicate_keys", None),
        (lambda frame: pl.concat([frame, frame]), "volume", None),
        (lambda frame: frame.head(30), "volume", None),
        (lambda frame: frame.clear(), "volume", None),
        (lambda frame: frame.with_columns(level=pl.col("level").shuffle(seed=1)), "multivariate", None),
    ],
)  # fmt: skip
def test_a_fault_is_seen_in_its_partition_and_nowhere_before(
    store: fp.OfflineStore, fault: Fault, kind: str, column: str | None
) -> None:
    rows = world(store, fault)

    assert (day_key(LATE), column) in alarms(rows, kind)
    assert rows.filter("alarm")["partition"].min() == day_key(LATE)
    told = rows.filter(pl.col("alarm"), pl.col("kind") == kind, pl.col("partition") == day_key(LATE))
    assert told["evidence"].null_count() == 0
    assert told["severity"].is_in(["critical", "warning"]).all()


def test_an_alarm_names_the_segment_that_it_sits_in_and_says_the_same_again(store: fp.OfflineStore) -> None:
    frame = readings(30).with_columns(store=pl.int_range(pl.len()) % 10)
    faulty = pl.when(pl.col("store") == 7).then(pl.col("level") * 100).otherwise("level")
    found = project(planted(frame, 25, lambda rows: rows.with_columns(level=faulty), days=3), MONITOR)
    published(store, found)

    rows = monitored(store, found, KEYS[23:28]).rows

    told = rows.filter(pl.col("alarm"), pl.col("column") == "level", pl.col("kind") == "drift")
    assert set(told["partition"]) == set(KEYS[25:28])
    for evidence in told["evidence"]:
        assert "most of all where `store` is 7: a mean of 19." in evidence
        assert not any(word in evidence for word in ("threshold", "hellinger", "wasserstein", "psi"))
    alone = monitored(store, found, KEYS[27:28]).rows
    assert alone.equals(rows.filter(pl.col("partition") == KEYS[27]))


def test_no_row_is_read_for_a_segment_where_nothing_alarms(
    store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    even = planted(readings(30), 25, lambda rows: rows.with_columns(level=pl.col("level") * 1000))
    found = project(even, MONITOR)
    published(store, found)
    reads: list[Sequence[str]] = []
    rows_of = _Sides.rows

    def counted(self: _Sides, keys: Sequence[str]) -> pl.DataFrame:
        reads.append(keys)
        return rows_of(self, keys)

    monkeypatch.setattr(_Sides, "rows", counted)
    monitored(store, found, KEYS[20:25])
    assert reads == []
    faulty = monitored(store, found, KEYS[25:26]).rows.filter("alarm")
    assert reads != []
    assert not faulty["evidence"].str.contains("most of all where").any()


def test_a_small_shift_is_told_when_it_lasts(store: fp.OfflineStore) -> None:
    rows = world(store, lambda frame: frame.with_columns(level=pl.col("level") + 2.0), days=4)

    found = {day for day, column in alarms(rows) if column == "level"}
    differs = rows.filter(pl.col("kind") == "drift", pl.col("found"), pl.col("column") == "level")
    assert day_key(LATE) in set(differs["partition"])
    assert found == {day_key(LATE + 1), day_key(LATE + 2), day_key(LATE + 3)}


def test_a_weaker_relation_between_columns_is_told_when_it_lasts_and_teaches_nothing(store: fp.OfflineStore) -> None:
    loosened = pl.when(pl.int_range(pl.len()) % 10 < 3).then(pl.col("level").shuffle(seed=1)).otherwise("level")
    frame = planted(readings(34), 30, lambda rows: rows.with_columns(level=loosened), days=3)
    found = project(frame, fp.Monitor(reference="14d"), days=34)
    published(store, found)

    rows = monitored(store, found, KEYS[20:34]).rows

    differs = rows.filter(pl.col("kind") == "multivariate", pl.col("found"))["partition"].to_list()
    assert differs == KEYS[30:33]  # on the first of them nobody is told
    assert alarms(rows, "multivariate") == {(KEYS[31], None), (KEYS[32], None)}


def test_partition_by_partition_comes_to_the_same_as_a_range(tmp_path: object, store: fp.OfflineStore) -> None:
    frame = planted(readings(DAYS), LATE, lambda rows: rows.with_columns(level=pl.col("level") + 2.0), days=4)
    found = project(frame, MONITOR)
    published(store, found)
    other = fp.OfflineStore(f"{tmp_path}/other")
    published(other, found)

    asked = KEYS[LATE - 6 : LATE + 4]
    whole = monitored(store, found, asked).rows
    each = pl.concat([monitored(other, found, [key]).rows for key in asked])

    assert whole.equals(each)
    kept = other.read(monitoring_table(source_of(found))).collect()
    assert kept.drop("content").sort(pl.all()).equals(each.drop("content").sort(pl.all()))


def test_a_growing_id_alarms_nobody_and_hides_no_broken_relation(store: fp.OfflineStore) -> None:
    frame = readings(34).with_columns(number=pl.int_range(pl.len()) + 10_000_000)
    broken = planted(frame, 33, lambda rows: rows.with_columns(flow=pl.col("flow").shuffle(seed=1)))
    found = project(broken, fp.Monitor(reference="14d"), days=34)
    published(store, found)

    rows = monitored(store, found, KEYS[20:34]).rows

    assert alarms(rows.filter(pl.col("partition") < KEYS[33])) == set()
    assert alarms(rows, "multivariate") == {(KEYS[33], None)}
    said = rows.filter(pl.col("column") == "number", pl.col("metric") == "values")["status"].unique().to_list()
    assert said == [f"not compared: {MOVES_ON}"]


def test_what_counts_as_usual_is_the_same_whatever_else_a_run_is_about(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS, 250), fp.Monitor(reference="7d"))
    published(store, found)
    first = monitored(store, found, KEYS[10:44]).rows

    alone = monitored(store, found, KEYS[43:44]).rows
    with_gap = monitored(store, found, [KEYS[12], KEYS[43]]).rows

    last = first.filter(pl.col("partition") == KEYS[43])
    assert last.filter(pl.col("kind") == "multivariate")["n_windows"].to_list() == [12]
    assert alone.equals(last)
    assert with_gap.filter(pl.col("partition") == KEYS[43]).equals(last)


def test_what_is_judged_again_is_not_committed_again(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)
    name = monitoring_table(source_of(found))

    first = monitored(store, found, KEYS[40:])
    version = store.latest_version(name)
    logs = [store.latest_version(f"{log}/sources/readings") for log in ("profiles", "layouts")]
    again = monitored(store, found, KEYS[40:])

    assert again.rows.equals(first.rows)
    assert store.latest_version(name) == version
    assert [store.latest_version(f"{log}/sources/readings") for log in ("profiles", "layouts")] == logs


def test_only_what_is_new_or_has_changed_is_due(store: fp.OfflineStore) -> None:
    found, asset = project(readings(DAYS), MONITOR), "sources/readings"
    assert find_unmonitored(found.asset(asset), found, store) == {}
    published(store, found, KEYS[:40])
    assert [*find_unmonitored(found.asset(asset), found, store)] == KEYS[:40]
    monitored(store, found, KEYS[:39])
    assert [*find_unmonitored(found.asset(asset), found, store)] == [KEYS[39]]
    monitored(store, found)
    assert find_unmonitored(found.asset(asset), found, store) == {}

    corrected = project(planted(readings(DAYS), 20, lambda rows: rows.with_columns(flow=pl.lit(1.0))), MONITOR)
    published(store, corrected, KEYS[20:21])

    assert [*find_unmonitored(corrected.asset(asset), corrected, store)] == [KEYS[20]]
    stricter = project(readings(DAYS), fp.Monitor(reference="35d", rule=fp.DriftRule(margin=1.0)))
    assert [*find_unmonitored(stricter.asset(asset), stricter, store)] == KEYS[:40]


def test_a_table_that_is_rolled_back_has_its_profiles(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)
    before = monitored(store, found, KEYS[44:]).rows
    good = store.latest_version("sources/readings")
    published(store, project(planted(readings(DAYS), LATE, lambda rows: rows.head(rows.height // 4)), MONITOR))
    monitored(store, found, KEYS[44:])
    profiled = store.latest_version("profiles/sources/readings")

    store.rollback("sources/readings", good, stamp=CommitStamp("undo", "sources/readings", ""))

    assert day_key(LATE) in find_unmonitored(source_of(found), found, store)
    assert monitored(store, found, KEYS[44:]).rows.equals(before)
    assert store.latest_version("profiles/sources/readings") == profiled


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


def test_a_fixed_reference_sees_slow_drift_that_a_trailing_one_forgets(store: fp.OfflineStore) -> None:
    slow = readings(DAYS).with_columns(
        level=pl.col("level") + 0.05 * (pl.col("at") - FIRST).dt.total_days().clip(21) - 1.05
    )
    fixed = project(slow, fp.Monitor(reference=("2024-01-01", "2024-01-22")))
    published(store, fixed)

    rows = monitored(store, fixed).rows

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


def test_too_little_to_say_is_never_called_well(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS, 50), MONITOR)
    published(store, found)

    rows = monitored(store, found).rows.filter(pl.col("kind") == "drift")

    assert rows["found"].null_count() == rows.height
    assert set(rows["status"]) <= {"insufficient", "not compared: too many categories to tell"}
    assert rows.height > 0


def test_a_foreign_write_is_seen(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)
    monitored(store, found)
    rows = store.read("sources/readings", partitions=[day_key(30)], partition_column=True).head(5).collect()
    write_deltalake(f"{store.root}/offline/sources/readings", rows, mode="append")

    assert [*find_unmonitored(source_of(found), found, store)] == [day_key(30)]
    again = monitored(store, found, [day_key(30)]).rows

    [told] = again.filter(pl.col("kind") == "foreign_write").to_dicts()
    assert (told["found"], told["alarm"], told["severity"]) == (True, True, "critical")
    assert "not written by the platform" in told["evidence"]
    assert find_unmonitored(source_of(found), found, store) == {}


def test_a_column_that_is_added_is_told_and_watched_from_then_on(store: fp.OfflineStore) -> None:
    wider = readings(DAYS).with_columns(heat=pl.col("level") * 1.8 + 32)
    published(store, project(readings(DAYS), MONITOR), KEYS[:30])
    monitored(store, project(readings(DAYS), MONITOR), KEYS[:30])
    found = project(wider, MONITOR)
    published(store, found, KEYS[30:])

    rows = monitored(store, found, KEYS[30:]).rows

    assert (day_key(30), "heat") in set(
        rows.filter(pl.col("kind") == "schema", pl.col("found")).select("partition", "column").iter_rows()
    )
    assert rows.filter(pl.col("kind") == "drift", pl.col("column") == "heat", pl.col("found").is_not_null()).height > 0


def test_a_column_that_gets_its_first_values_later_is_compared_from_then_on(store: fp.OfflineStore) -> None:
    late = readings(DAYS).with_columns(level=pl.when(pl.col("at") >= FIRST + timedelta(days=20)).then("level"))
    found = project(planted(late, LATE, lambda frame: frame.with_columns(level=pl.col("level") + 8.0)), MONITOR)
    published(store, found)

    monitored(store, found, KEYS[:12])
    rows = monitored(store, found, KEYS[12:]).rows

    assert (day_key(LATE), "level") in alarms(rows)


@pytest.mark.parametrize("monitor", [MONITOR, fp.Monitor(reference=("2024-01-01", "2024-01-22"))])
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
        fp.materialize(grown.assets[0], store)
    calm = monitor_asset(grown.assets[0], grown, store, [""]).rows
    half = register(90)
    fp.materialize(half.assets[0], store)
    fewer = monitor_asset(half.assets[0], half, store, [""]).rows

    assert calm.filter("alarm").is_empty()
    assert alarms(fewer, "volume") == {("", None)}


def test_nothing_is_judged_that_was_never_committed(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found, KEYS[:3])

    done = monitored(store, found, KEYS[10:])

    assert (done.partitions, done.commit) == ((), None)
    assert not store.exists(monitoring_table(source_of(found)))

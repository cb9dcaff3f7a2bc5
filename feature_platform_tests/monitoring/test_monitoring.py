"""Monitoring: what is said of committed partitions, when, and that it is said once."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl
import pytest
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.compute.drift.reference import MOVES_ON
from feature_platform.monitoring.judging.segments import _Sides
from feature_platform.monitoring.partitions import find_unmonitored
from feature_platform.offline import CommitStamp
from feature_platform_tests.monitoring.judged_readings import (
    DAYS,
    KEYS,
    LATE,
    MONITOR,
    alarms,
    monitored,
    source_of,
    world,
)
from feature_platform_tests.readings import FIRST, Fault, day_key, planted, project, published, readings


@pytest.mark.slow
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
    ("fault", "told"),
    [
        (lambda frame: frame.with_columns(level=pl.when(pl.col("level") > 18).then("level")), [("drift", "level")]),
        (lambda frame: frame.with_columns(level=pl.col("level") * 1000), [("unit", "level"), ("drift", "level")]),
        (lambda frame: frame.with_columns(state=pl.col("state").replace("open", "ajar")), [("drift", "state")]),
        (lambda frame: frame.with_columns(level=pl.lit(20.0)), [("constant", "level")]),
        (lambda frame: frame.with_columns(level=pl.lit(None, pl.Float64)), [("dead", "level")]),
        (lambda frame: pl.concat([frame, frame]), [("duplicate_keys", None), ("volume", None)]),
        (lambda frame: frame.head(30), [("volume", None)]),
        (lambda frame: frame.clear(), [("volume", None)]),
        (lambda frame: frame.with_columns(level=pl.col("level").shuffle(seed=1)), [("multivariate", None)]),
    ],
)
def test_a_fault_is_seen_in_its_partition_and_nowhere_before(
    store: fp.OfflineStore, fault: Fault, told: Sequence[tuple[str, str | None]]
) -> None:
    rows = world(store, fault, before=7 if ("multivariate", None) in told else 2)  # that one learns from days before

    assert rows.filter("alarm")["partition"].min() == day_key(LATE)
    for kind, column in told:
        assert (day_key(LATE), column) in alarms(rows, kind)
        found = rows.filter(pl.col("alarm"), pl.col("kind") == kind, pl.col("partition") == day_key(LATE))
        assert found["evidence"].null_count() == 0
        assert found["severity"].is_in(["critical", "warning"]).all()


def test_an_alarm_names_the_segment_that_it_sits_in_and_says_the_same_again(store: fp.OfflineStore) -> None:
    frame = readings(30).with_columns(store=pl.int_range(pl.len()) % 10)
    faulty = pl.when(pl.col("store") == 7).then(pl.col("level") * 100).otherwise("level")
    found = project(
        planted(frame, 25, lambda rows: rows.with_columns(level=faulty), days=3), fp.Monitor(reference="35d")
    )
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

    rows = monitored(store, found, KEYS[22:33]).rows

    differs = rows.filter(pl.col("kind") == "multivariate", pl.col("found"))["partition"].to_list()
    assert differs == KEYS[30:33]  # on the first of them nobody is told
    assert alarms(rows, "multivariate") == {(KEYS[31], None), (KEYS[32], None)}


def test_partition_by_partition_comes_to_the_same_as_a_range(tmp_path: object, store: fp.OfflineStore) -> None:
    frame = planted(readings(DAYS), LATE, lambda rows: rows.with_columns(level=pl.col("level") + 2.0), days=4)
    found = project(frame, MONITOR)
    published(store, found)
    other = fp.OfflineStore(f"{tmp_path}/other")
    published(other, found)

    asked = KEYS[LATE - 2 : LATE + 4]
    whole = monitored(store, found, asked).rows
    each = pl.concat([monitored(other, found, [key]).rows for key in asked])

    assert whole.equals(each)
    kept = other.read("monitoring/sources/readings").collect()
    assert kept.drop("content").sort(pl.all()).equals(each.drop("content").sort(pl.all()))


def test_a_growing_id_alarms_nobody_and_hides_no_broken_relation(store: fp.OfflineStore) -> None:
    frame = readings(34).with_columns(number=pl.int_range(pl.len()) + 10_000_000)
    broken = planted(frame, 33, lambda rows: rows.with_columns(flow=pl.col("flow").shuffle(seed=1)))
    found = project(broken, fp.Monitor(reference="14d"), days=34)
    published(store, found)

    rows = monitored(store, found, KEYS[24:34]).rows

    assert alarms(rows.filter(pl.col("partition") < KEYS[33])) == set()
    assert alarms(rows, "multivariate") == {(KEYS[33], None)}
    said = rows.filter(pl.col("column") == "number", pl.col("metric") == "values")["status"].unique().to_list()
    assert said == [f"not compared: {MOVES_ON}"]


def test_what_counts_as_usual_is_the_same_whatever_else_a_run_is_about(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS, 250), fp.Monitor(reference="7d"))
    published(store, found)
    first = monitored(store, found, KEYS[30:44]).rows

    alone = monitored(store, found, KEYS[43:44]).rows
    with_gap = monitored(store, found, [KEYS[32], KEYS[43]]).rows

    last = first.filter(pl.col("partition") == KEYS[43])
    assert last.filter(pl.col("kind") == "multivariate")["n_windows"].to_list() == [12]
    assert alone.equals(last)
    assert with_gap.filter(pl.col("partition") == KEYS[43]).equals(last)


def test_what_is_judged_again_is_not_committed_again(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)
    name = "monitoring/sources/readings"

    first = monitored(store, found, KEYS[40:44])
    version = store.latest_version(name)
    logs = [store.latest_version(f"{log}/sources/readings") for log in ("profiles", "layouts")]
    again = monitored(store, found, KEYS[40:44])

    assert again.rows.equals(first.rows)
    assert store.latest_version(name) == version
    assert [store.latest_version(f"{log}/sources/readings") for log in ("profiles", "layouts")] == logs


def test_only_what_is_new_or_has_changed_is_due(store: fp.OfflineStore) -> None:
    found, asset, keys = project(readings(12), MONITOR, days=12), "sources/readings", KEYS[:10]
    assert find_unmonitored(found.asset(asset), found, store) == {}
    published(store, found, keys)
    assert [*find_unmonitored(found.asset(asset), found, store)] == keys
    monitored(store, found, keys[:9])
    assert [*find_unmonitored(found.asset(asset), found, store)] == keys[9:]
    monitored(store, found, KEYS[:12])
    assert find_unmonitored(found.asset(asset), found, store) == {}

    corrected = project(planted(readings(12), 5, lambda rows: rows.with_columns(flow=pl.lit(1.0))), MONITOR, days=12)
    published(store, corrected, KEYS[5:6])

    assert [*find_unmonitored(corrected.asset(asset), corrected, store)] == KEYS[5:6]
    stricter = project(readings(12), fp.Monitor(reference="14d", rule=fp.DriftRule(margin=1.0)), days=12)
    assert [*find_unmonitored(stricter.asset(asset), stricter, store)] == keys


def test_a_table_that_is_rolled_back_has_its_profiles(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found)
    before = monitored(store, found, KEYS[LATE - 3 : LATE + 2]).rows
    good = store.latest_version("sources/readings")
    published(store, project(planted(readings(DAYS), LATE, lambda rows: rows.head(rows.height // 4)), MONITOR))
    monitored(store, found, KEYS[LATE - 3 : LATE + 2])
    profiled = store.latest_version("profiles/sources/readings")

    store.rollback("sources/readings", good, stamp=CommitStamp("undo", "sources/readings", ""))

    assert day_key(LATE) in find_unmonitored(source_of(found), found, store)
    assert monitored(store, found, KEYS[LATE - 3 : LATE + 2]).rows.equals(before)
    assert store.latest_version("profiles/sources/readings") == profiled


def test_too_little_to_say_is_never_called_well(store: fp.OfflineStore) -> None:
    found = project(readings(20, 50), MONITOR, days=20)
    published(store, found)

    rows = monitored(store, found, KEYS[:20]).rows.filter(pl.col("kind") == "drift")

    assert rows["found"].null_count() == rows.height
    assert set(rows["status"]) <= {"insufficient", "not compared: too many categories to tell"}
    assert rows.height > 0


def test_a_foreign_write_is_seen(store: fp.OfflineStore) -> None:
    found = project(readings(12), MONITOR, days=12)
    published(store, found)
    monitored(store, found, KEYS[:12])
    rows = store.read("sources/readings", partitions=[day_key(9)], partition_column=True).head(5).collect()
    write_deltalake(f"{store.root}/offline/sources/readings", rows, mode="append")

    assert [*find_unmonitored(source_of(found), found, store)] == [day_key(9)]
    again = monitored(store, found, [day_key(9)]).rows

    [told] = again.filter(pl.col("kind") == "foreign_write").to_dicts()
    assert (told["found"], told["alarm"], told["severity"]) == (True, True, "critical")
    assert "not written by the platform" in told["evidence"]
    assert find_unmonitored(source_of(found), found, store) == {}


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_column_that_gets_its_first_values_later_is_compared_from_then_on(store: fp.OfflineStore) -> None:
    late = readings(DAYS).with_columns(level=pl.when(pl.col("at") >= FIRST + timedelta(days=20)).then("level"))
    found = project(planted(late, LATE, lambda frame: frame.with_columns(level=pl.col("level") + 8.0)), MONITOR)
    published(store, found)

    monitored(store, found, KEYS[:12])
    rows = monitored(store, found, KEYS[12:]).rows

    assert (day_key(LATE), "level") in alarms(rows)


def test_nothing_is_judged_that_was_never_committed(store: fp.OfflineStore) -> None:
    found = project(readings(DAYS), MONITOR)
    published(store, found, KEYS[:3])

    done = monitored(store, found, KEYS[10:])

    assert (done.partitions, done.commit) == ((), None)
    assert not store.exists("monitoring/sources/readings")

"""Pushed rows in a source: merged at its next run, so that everything above sees exactly them."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.compute.transforms.pushed import convert_push
from feature_platform.declarations.partitions import Partitions
from feature_platform.ground.errors import ExpectationsFailed, PushRefused, SchemaChanged
from feature_platform.online.spool import Spool
from feature_platform.pipelines.candidates import parts
from feature_platform.pipelines.plan import stale_assets
from feature_platform.pipelines.pushes.accepting import accept_push
from feature_platform.pipelines.pushes.flushing import flush
from feature_platform.pipelines.pushes.logged import unmerged_partitions, unmerged_pushes
from feature_platform_tests.assets import source_of
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, daily, hashes, last_order, orders, source, spending, spine, told

LATER = at(9)
GRID = Partitions()
DAYS = Partitions(start="2024-01-01", end="2024-01-06")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", map_size=64 * 2**20)


def push(spool: Spool, store: fp.OfflineStore, to: fp.Source, rows: pl.DataFrame, arrived: datetime = LATER) -> None:
    """Check, spool and flush, as a server does."""
    stored = store.read(to.asset).collect_schema()
    taken = spool.append(to.name, convert_push(to, stored, rows, arrived), arrived)
    spool.mark_applied([taken.sequence])
    flush(spool, store)


def held(store: fp.OfflineStore, table: str = "sources/orders") -> list[tuple[object, ...]]:
    return sorted(store.read(table).collect().rows(), key=repr)


def reasons(store: fp.OfflineStore, *declared: Any, partitions: Partitions = DAYS) -> dict[str, dict[str, str]]:
    project = fp.Project("shop", partitions, declared)
    return {each.asset: dict(each.reasons) for each in stale_assets(project, store)}


def test_a_pushed_row_is_seen_by_training_after_the_next_run(spool: Spool, store: fp.OfflineStore) -> None:
    view = last_order(source(daily(3)))
    fp.materialize(view, store)
    asked = spine(("ann", at(2, 18)), ("eve", at(2, 18)), ("eve", at(1, 3)))
    before = told(view, asked, store)
    push(spool, store, source_of(view), orders(("ann", at(2, 13), 77.0), ("eve", at(1, 3), 5.0)))
    assert_frame_equal(told(view, asked, store), before)

    fp.materialize(view, store)
    assert told(view, asked, store)["last_amount"].to_list() == [77.0, 5.0, 5.0]
    every = orders(*daily(3).rows(), ("ann", at(2, 13), 77.0), ("eve", at(1, 3), 5.0))
    assert held(store) == sorted(every.rows(), key=repr)


def test_windows_count_a_pushed_row_like_any_other(tmp_path: Path, spool: Spool, store: fp.OfflineStore) -> None:
    view = spending(source(daily(4)))
    fp.materialize(view, store)
    rows = orders(("ann", at(1, 5), 3.0), ("eve", at(3, 5), 4.0))
    push(spool, store, source_of(view), rows)
    fp.materialize(view, store)

    plain = fp.OfflineStore(tmp_path / "plain")
    fp.materialize(spending(source(pl.concat([daily(4), rows]))), plain)
    assert hashes(store, "views/spending") == hashes(plain, "views/spending")
    assert hashes(store, "sources/orders") == hashes(plain, "sources/orders")


def test_a_second_run_without_new_pushes_changes_nothing(spool: Spool, store: fp.OfflineStore) -> None:
    view = last_order(source(daily(2)))
    fp.materialize(view, store)
    push(spool, store, source_of(view), orders(("eve", at(1, 3), 5.0)))
    first = fp.materialize(view, store)
    before = hashes(store, "sources/orders"), store.latest_version("sources/orders")
    assert first["sources/orders"].commit.changed == ("2024-01-02",)
    assert first["sources/orders"].candidate.inputs == {"pushes/orders": 0}
    second = fp.materialize(view, store)
    assert [each.commit.changed for each in second.values()] == [(), ()]
    assert (hashes(store, "sources/orders"), store.latest_version("sources/orders")) == before


def test_the_commit_says_which_pushes_it_was_made_with(spool: Spool, store: fp.OfflineStore) -> None:
    read = source(daily(2))
    fp.materialize(read, store)
    for amount in (1.0, 2.0):
        push(spool, store, read, orders(("eve", at(1, 3), amount)))
    fp.materialize(read, store)
    assert {each.inputs["pushes/orders"] for each in store.partition_states("sources/orders").values()} == {1}


def test_a_pushed_row_that_ties_with_a_delivered_one_wins(spool: Spool, store: fp.OfflineStore) -> None:
    view = last_order(source(daily(2)))
    fp.materialize(view, store)
    for amount in (1.0, 99.0, 2.0):
        push(spool, store, source_of(view), orders(("ann", at(0, 12), amount)))
    fp.materialize(view, store)
    assert told(view, spine(("ann", at(0, 12))), store)["last_amount"].to_list() == [2.0]


def test_a_row_that_is_pushed_and_then_delivered_is_counted_once(spool: Spool, store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(2)), store)
    push(spool, store, source(daily(2)), daily(3).tail(2))
    fp.materialize(source(daily(2)), store)
    assert held(store) == sorted(daily(3).rows(), key=repr)
    before = hashes(store, "sources/orders")
    fp.materialize(source(daily(3)), store)
    assert held(store) == sorted(daily(3).rows(), key=repr)
    assert hashes(store, "sources/orders") == before


ROWS = st.lists(
    st.tuples(st.sampled_from(["a", None]), st.integers(0, 2), st.sampled_from([None, float("nan"), 1.0])), max_size=6
)


@settings(max_examples=tries(12), deadline=None)
@given(ROWS, st.lists(ROWS.filter(bool), max_size=3), st.booleans())
def test_a_source_has_each_row_as_often_as_the_side_that_has_more(delivered, pushes, partitioned) -> None:
    def rows(drawn) -> pl.DataFrame:
        return orders(*((who, at(day, 5), amount) for who, day, amount in drawn))

    read = source(rows([("zoe", 0, 0.0), *delivered]), partitioned=partitioned)
    with TemporaryDirectory() as folder:
        store, spool = fp.OfflineStore(folder), Spool(Path(folder) / "spool", map_size=2**22)
        fp.materialize(read, store)
        for each in pushes:
            push(spool, store, read, rows(each))
        fp.materialize(read, store)
        found = Counter(repr(row) for row in held(store))
        wanted = Counter(repr(row) for row in rows([("zoe", 0, 0.0), *delivered]).rows())
        assert found == wanted | Counter(repr(row) for each in pushes for row in rows(each).rows())
        assert unmerged_partitions(read, store, GRID) == set()


def test_a_pushed_day_that_the_connector_knows_nothing_of_is_taken_in(spool: Spool, store: fp.OfflineStore) -> None:
    read = source(daily(2))
    fp.materialize(read, store)
    push(spool, store, read, orders(("eve", at(3, 3), 5.0)))
    assert fp.materialize(read, store)["sources/orders"].commit.changed == ("2024-01-04",)
    assert store.read("sources/orders", partitions=["2024-01-04"]).collect().rows() == [("eve", at(3, 3), 5.0)]


def test_a_run_of_one_day_takes_in_what_was_pushed_to_it(spool: Spool, store: fp.OfflineStore) -> None:
    read = source(daily(3))
    fp.materialize(read, store)
    push(spool, store, read, orders(("eve", at(1, 3), 5.0), ("eve", at(2, 3), 6.0)))
    done = fp.materialize(read, store, at(2), at(3))["sources/orders"]
    assert done.commit.changed == ("2024-01-03",)
    assert done.candidate.notes == {"rows_later_than_lateness": 1}
    assert unmerged_partitions(read, store, GRID) == {"2024-01-02"}
    fp.materialize(read, store, at(1), at(2))
    assert unmerged_partitions(read, store, GRID) == set()


def test_pushed_rows_within_the_lateness_are_taken_in_by_the_next_run(spool: Spool, store: fp.OfflineStore) -> None:
    view = spending(source(daily(5)), lateness="1d", windows=["1d"])
    for day in range(4):
        fp.materialize(view, store, at(day), at(day + 1))
    push(spool, store, source_of(view), orders(("eve", at(3, 3), 5.0), ("eve", at(1, 3), 7.0)))
    done = fp.materialize(view, store, at(4), at(5))
    assert done["sources/orders"].commit.changed == ("2024-01-04", "2024-01-05")
    assert done["sources/orders"].candidate.notes == {"rows_later_than_lateness": 1}
    [late] = store.read("late/sources/orders").collect()["row"]
    assert late == '{"customer":"eve","at":"2024-01-02T03:00:00+00:00","amount":7.0}'


def test_a_late_row_is_found_beside_pushed_ones_and_a_pushed_one_is_not_late(
    spool: Spool, store: fp.OfflineStore
) -> None:
    fp.materialize(source(daily(5)), store)
    push(spool, store, source(daily(5)), orders(("eve", at(1, 3), 5.0), *daily(3).rows()))
    fp.materialize(source(daily(5)), store)
    done = fp.materialize(source(daily(5)), store, at(4), at(5))["sources/orders"]
    assert done.candidate.notes == {}
    late = pl.concat([daily(5), orders(("fay", at(1, 4), 5.0))])
    done = fp.materialize(source(late), store, at(4), at(5))["sources/orders"]
    assert done.candidate.notes == {"rows_later_than_lateness": 1}
    assert store.read("late/sources/orders").collect()["event_time"].to_list() == [at(1, 4)]


def test_a_source_is_stale_where_rows_were_pushed(spool: Spool, store: fp.OfflineStore) -> None:
    view = last_order(source(daily(5)))
    fp.materialize(view, store)
    assert reasons(store, view.source, view) == {}
    push(spool, store, source_of(view), orders(("eve", at(1, 3), 5.0)))
    assert reasons(store, view.source, view) == {
        "sources/orders": {"2024-01-02": "rows were pushed"},
        "views/last_order": {"2024-01-02": "sources/orders is not up to date"},
    }
    fp.materialize(view, store, at(1), at(2))
    assert reasons(store, view.source, view) == {}


def test_a_source_of_a_project_without_end_is_stale_for_a_pushed_day(spool: Spool, store: fp.OfflineStore) -> None:
    read = source(daily(2))
    fp.materialize(read, store)
    push(spool, store, read, orders(("eve", at(3, 3), 5.0)))
    found = reasons(store, read, partitions=Partitions())["sources/orders"]
    assert found == {"2024-01-03": "never materialized", "2024-01-04": "never materialized"}


def test_pushed_rows_of_facts_follow_the_delivered_ones(spool: Spool, store: fp.OfflineStore) -> None:
    facts = fp.Source("facts", fp.sources.Frame(pl.DataFrame({"customer": ["ann", "bob"], "tier": [1, 2]})))
    view = fp.feature_view(entity=fp.Entity("customer", join_keys=["customer"]), source=facts, name="tiers")(
        lambda r: r
    )
    fp.materialize(view, store)
    push(spool, store, facts, pl.DataFrame({"tier": [3, 2], "customer": ["ann", "bob"]}))
    assert reasons(store, facts, view) == {
        "sources/facts": {"": "rows were pushed"},
        "views/tiers": {"": "sources/facts is not up to date"},
    }
    fp.materialize(view, store)
    assert store.read("sources/facts").collect().rows() == [("ann", 1), ("bob", 2), ("ann", 3)]
    assert told(view, spine(("ann", at(0)), ("bob", at(0))), store)["tier"].to_list() == [3, 2]
    assert reasons(store, facts, view) == {}


def test_a_push_is_known_from_its_arrival_on(spool: Spool, store: fp.OfflineStore) -> None:
    rows = daily(2).with_columns(seen="at")
    view = last_order(source(rows, known_at="seen"))
    fp.materialize(view, store)
    push(spool, store, source_of(view), orders(("eve", at(1, 3), 5.0)), arrived=at(1, 9))
    fp.materialize(view, store)
    asked = spine(("eve", at(1, 8)), ("eve", at(1, 9)))
    assert told(view, asked, store)["last_amount"].to_list() == [None, 5.0]


def unmerged_numbers(read: fp.Source, store: fp.OfflineStore, version: int | None = None) -> list[int]:
    rows = unmerged_pushes(read, store, GRID, version=version)
    assert rows is not None
    return rows.collect()["fp_push"].sort().to_list()


def test_what_is_not_merged_is_told_for_each_version_and_partition(spool: Spool, store: fp.OfflineStore) -> None:
    read = source(daily(3))
    assert unmerged_pushes(read, store, GRID) is None
    fp.materialize(read, store)
    for day in (0, 1, 2):
        push(spool, store, read, orders(("eve", at(day, 3), 5.0)))
    assert unmerged_numbers(read, store) == [0, 1, 2]
    fp.materialize(read, store, at(2), at(3))
    fp.materialize(read, store, at(0), at(1))
    rows = unmerged_pushes(read, store, GRID).collect()
    assert rows.select("customer", "at", "fp_push").rows() == [("eve", at(1, 3), 1)]
    fp.materialize(read, store)
    assert unmerged_numbers(read, store) == []
    assert unmerged_numbers(read, store, version=0) == [0, 1, 2]


def test_parts_that_are_made_one_after_the_other_have_their_pushes(
    spool: Spool, store: fp.OfflineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fp.materialize(source(daily(4)), store)
    push(spool, store, source(daily(4)), orders(("eve", at(1, 3), 5.0), ("eve", at(5, 3), 6.0), *daily(2).rows()))
    monkeypatch.setattr(parts, "PART_VALUES", 10)
    done = fp.materialize(source(daily(4)), store)["sources/orders"]
    assert "in 4 parts" in done.candidate.execution
    assert held(store) == sorted([*daily(4).rows(), ("eve", at(1, 3), 5.0), ("eve", at(5, 3), 6.0)], key=repr)


def test_a_partition_whose_log_is_forgotten_is_made_again(spool: Spool, store: fp.OfflineStore) -> None:
    """As after the retention: nothing is lost when it cannot be told what was in."""
    read = source(daily(2))
    fp.materialize(read, store)
    push(spool, store, read, orders(("eve", at(1, 3), 5.0)))
    fp.materialize(read, store)
    for day in range(20, 41):  # a checkpoint, so that the log can be read without its beginning
        push(spool, store, read, orders(("eve", at(day), 5.0)), arrived=at(41))
    log = Path(store.location("pushes/orders").uri) / "_delta_log"
    for number in range(10):
        (log / f"{number:020}.json").unlink()
    assert "2024-01-02" in unmerged_partitions(read, store, GRID)
    fp.materialize(read, store)
    assert unmerged_partitions(read, store, GRID) == set()
    assert store.read("sources/orders").collect().height == 4 + 22


# ---------------------------------------------------------------- what expectations refuse

POSITIVE = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0)
UNIQUE = fp.Expect("expect_compound_columns_to_be_unique", column_list=["customer", "at"])


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_pushed_row_that_is_refused_is_left_out_and_kept_once(
    spool: Spool, store: fp.OfflineStore, partitioned: bool
) -> None:
    read = source(daily(2), expectations=[POSITIVE], partitioned=partitioned)
    fp.materialize(read, store)
    good, bad = ("eve", at(1, 3), 5.0), ("eve", at(1, 4), -5.0)
    push(spool, store, read, orders(bad, good))
    for _ in range(2):
        done = fp.materialize(read, store)["sources/orders"]
        assert done.candidate.notes == {"pushed_rows_refused": 1}
    assert held(store) == sorted([*daily(2).rows(), good], key=repr)
    [kept] = store.read("quarantine/sources/orders").collect().rows(named=True)
    assert kept["expectation"] == POSITIVE.check_name
    assert '"amount":-5.0' in kept["row"]
    assert f'"fp_spool":"{spool.id}","fp_push":0,"fp_push_row":0' in kept["row"]
    assert kept["partition"] == ("2024-01-02" if partitioned else None)
    assert unmerged_partitions(read, store, GRID) == set()


def test_a_push_that_an_expectation_refuses_is_refused_before_it_is_taken() -> None:
    read, stored = source(daily(2), expectations=[UNIQUE, POSITIVE]), daily().schema
    good = orders(("eve", at(1, 3), 5.0), ("eve", at(1, 3), 5.0))
    assert_frame_equal(accept_push(read, stored, good, LATER), good)
    with pytest.raises(PushRefused, match=f"breaks the expectation `{POSITIVE.check_name}` in row 2") as error:
        accept_push(read, stored, pl.concat([good, orders(("ann", at(1, 4), -5.0))]), LATER)
    assert "-5" not in str(error.value)


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_pushed_row_that_must_be_unique_and_is_not_is_left_out(
    spool: Spool, store: fp.OfflineStore, partitioned: bool
) -> None:
    read = source(daily(2), expectations=[UNIQUE], partitioned=partitioned)
    fp.materialize(read, store)
    push(spool, store, read, orders(("ann", at(1, 12), 5.0), ("ann", at(1, 13), 6.0), *daily(2).rows()))
    done = fp.materialize(read, store)["sources/orders"]
    assert done.candidate.notes == {"pushed_rows_refused": 1}
    assert held(store) == sorted([*daily(2).rows(), ("ann", at(1, 13), 6.0)], key=repr)


def test_a_delivered_row_that_is_refused_stops_the_run_as_ever(spool: Spool, store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(2), expectations=[POSITIVE]), store)
    bad = orders(("eve", at(1, 4), -5.0))
    push(spool, store, source(daily(2)), pl.concat([bad, bad]))
    with pytest.raises(ExpectationsFailed):
        fp.materialize(source(pl.concat([daily(2), bad]), expectations=[POSITIVE]), store)


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_refused_pushed_row_is_in_quarantine_although_nothing_is_committed(
    spool: Spool, store: fp.OfflineStore, partitioned: bool
) -> None:
    fp.materialize(source(daily(2), partitioned=partitioned), store)
    push(spool, store, source(daily(2)), orders(("eve", at(1, 4), -5.0)))
    before = store.latest_version("sources/orders")
    delivered = pl.concat([daily(2), orders(("ann", at(1, 5), -7.0))])
    with pytest.raises(ExpectationsFailed):
        fp.materialize(source(delivered, expectations=[POSITIVE], partitioned=partitioned), store)
    rows = store.read("quarantine/sources/orders").collect()["row"]
    assert sorted(("eve" in row, "ann" in row) for row in rows) == [(False, True), (True, False)]
    assert store.latest_version("sources/orders") == before


def test_a_warning_leaves_no_pushed_row_out(spool: Spool, store: fp.OfflineStore) -> None:
    rule = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0, severity="warning")
    read = source(daily(2), expectations=[rule])
    fp.materialize(read, store)
    push(spool, store, read, orders(("eve", at(1, 4), -5.0)))
    done = fp.materialize(read, store)["sources/orders"]
    assert done.candidate.notes == {}
    assert done.rows == {"2024-01-01": 2, "2024-01-02": 3}


# ---------------------------------------------------------------- columns that change


def test_older_pushes_are_null_in_a_column_that_came_later(spool: Spool, store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(1)), store)
    push(spool, store, source(daily(1)), orders(("eve", at(0, 3), 5.0)))
    wider = source(daily(1).with_columns(shop=pl.lit("x")))
    fp.materialize(wider, store)
    push(spool, store, wider, orders(("eve", at(0, 4), 5.0)).with_columns(shop=pl.lit("y")))
    fp.materialize(wider, store)
    assert store.read("sources/orders").collect()["shop"].to_list() == [None, "y", "x", "x"]


def test_unsigned_and_categorical_columns_equal_what_was_pushed(spool: Spool, store: fp.OfflineStore) -> None:
    typed = daily(1).with_columns(pl.col("customer").cast(pl.Categorical), n=pl.lit(1, dtype=pl.UInt8))
    fp.materialize(source(typed), store)
    push(spool, store, source(typed), daily(1).with_columns(n=pl.lit(1)))
    done = fp.materialize(source(typed), store)["sources/orders"]
    assert done.commit.changed == ()
    assert done.rows == {"2024-01-01": 2}


def test_a_connector_that_changes_a_type_is_refused_as_ever(spool: Spool, store: fp.OfflineStore) -> None:
    fp.materialize(source(daily(1)), store)
    push(spool, store, source(daily(1)), orders(("eve", at(0, 3), 5.0)))
    with pytest.raises(SchemaChanged, match="`amount`"):
        fp.materialize(source(daily(1).with_columns(pl.col("amount").cast(pl.String))), store)

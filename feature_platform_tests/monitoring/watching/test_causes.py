"""Likely causes: what changed between the commit of a partition and the one before, in the asset and upstream."""

import polars as pl
from deltalake import write_deltalake

import feature_platform as fp
from feature_platform.monitoring.watching.causes import causes_of
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot
from feature_platform.offline import CommitStamp
from feature_platform_tests.monitoring.watching.test_runs_and_writes import foreign
from feature_platform_tests.monitoring.watching.words import LATER, Watcher, day, materialize, monitored, row, shop
from feature_platform_tests.shop import daily

ORDERS, SPENDING = "sources/orders", "views/spending"


def with_tips(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(amount=pl.col("amount") + 1, tip=pl.lit(1.0))


def causes(project, store: fp.OfflineStore, asset: str = SPENDING, partition: str = day(6)) -> tuple[str, ...]:
    found = causes_of(ProjectSnapshot(project, store, LATER, None), project.asset(asset), partition)
    return tuple(each.text for each in found)


def test_nothing_is_known_of_a_first_commit_or_of_one_like_the_others(store):
    project = shop()
    assert causes(project, store) == ()
    materialize(project, store, 5)
    assert causes(project, store, partition=day(3)) == ()
    materialize(project, store, 1, first=5)
    assert causes(project, store) == ()


def test_other_code_and_another_schema_upstream_are_named(store):
    materialize(shop(), store, 5)
    changed = shop(prepare=with_tips)
    materialize(changed, store, 1, first=5)

    assert causes(changed, store) == (
        f"{ORDERS} has other code since version 1",
        f"{ORDERS} has another schema since version 1: tip is Float64, it was not there",
    )
    assert causes(changed, store, ORDERS)[0] == f"{ORDERS} has other code since version 1"


def test_a_stranger_upstream_and_a_rollback_are_named(store):
    project = shop()
    materialize(project, store, 5)
    foreign(store, day(4))
    materialize(project, store, 1, first=5, only=ORDERS)
    materialize(project, store, 1, first=5, only=SPENDING)
    assert causes(project, store) == (f"somebody else wrote version 1 of {ORDERS}",)
    store.rollback(ORDERS, 1, stamp=CommitStamp("undo", ORDERS, ""))
    materialize(project, store, 1, first=5, only=SPENDING)
    assert f"{ORDERS} was rolled back to version 1" in causes(project, store)


def test_a_stranger_in_the_table_itself_is_named(store):
    project = shop()
    materialize(project, store, 5)
    materialize(project, store, 1, first=5)
    foreign(store, day(6))
    assert causes(project, store, ORDERS) == (f"somebody else wrote version 2 of {ORDERS}",)


def test_a_table_that_was_made_anew_upstream_is_named(store, tmp_path):
    project = shop()
    for number in range(5):
        materialize(project, store, 1, first=number)
    store.location(ORDERS).folder.rename(tmp_path / "gone")
    materialize(project, store, 6, only=ORDERS)
    materialize(project, store, 1, first=5, only=SPENDING)
    assert causes(project, store) == (f"{ORDERS} was made anew",)


def test_causes_are_in_the_finding_and_what_is_wrong_upstream_in_the_message(watcher):
    changed = shop(daily(10).with_columns(amount=pl.lit(3.0)), prepare=with_tips)
    materialize(changed, watcher.store, 10)
    monitored(watcher.store, SPENDING, row("constant", day(8), column="count_2d", alarm=True))
    watcher.looks(changed)
    found = watcher.finding(SPENDING, "constant", "count_2d")
    assert found.causes[0] == f"{ORDERS} has other code since version 1"

    monitored(watcher.store, ORDERS, row("unit", day(8), column="amount", alarm=True, evidence="x1000"))
    monitored(watcher.store, SPENDING, row("constant", day(9), column="count_2d", alarm=True))
    watcher.looks(changed, hours=24 * 8)
    texts = [each.text for each in watcher.taken.messages if "constant of count_2d" in each.text.splitlines()[0]]
    assert any(f"unit of amount in {ORDERS} since {day(8)}" in each for each in texts), texts


def test_old_commits_that_the_log_forgot_are_no_error(store):
    project = shop()
    materialize(project, store, 5)
    rows = store.read(ORDERS, partition_column=True).collect()
    write_deltalake(store.location("views/other").uri, rows)
    assert causes(project, store, "views/last_order", "2030-01-01") == ()


def test_what_was_done_after_a_partition_was_judged_is_no_cause_of_it(store):
    project = shop()
    materialize(project, store, 5)
    materialize(project, store, 1, first=5, only=ORDERS)
    foreign(store, day(2))
    look, asset = ProjectSnapshot(project, store, LATER, None), project.asset(ORDERS)
    assert [each.kind for each in causes_of(look, asset, day(6))] == ["foreign_write"]
    assert causes_of(look, asset, day(6), judged_version=1) == ()


def test_the_remedy_fits_the_cause(store, alerts):
    materialize(shop(), store, 5)
    changed = shop(prepare=with_tips)
    materialize(changed, store, 1, first=5, only=ORDERS)
    watcher = Watcher(changed, store, alerts)
    monitored(store, ORDERS, row("unit", day(6), column="amount", alarm=True))
    watcher.looks()
    found = watcher.finding(ORDERS, "unit", "amount")
    assert found.causes[0] == f"{ORDERS} has other code since version 1"
    assert found.remedy.startswith(f"See what the new code of {ORDERS} changed")
    assert "Ask who delivers" not in found.remedy

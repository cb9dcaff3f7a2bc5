"""A rollback holds until it is released, is remembered by the table itself, and is followed by what is served."""

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import PinnedPartitionsLeft, TablePinned
from feature_platform.offline import CommitStamp
from feature_platform.online import Lmdb
from feature_platform.orchestration.outdated import find_outdated
from feature_platform.pipelines.plan import project_status
from feature_platform_tests.pipelines.test_plan import DAYS, changed_on, found, run, shop
from feature_platform_tests.shop import at, customer, daily, last_order, source, spending, spine

VIEW = "views/spending"
STAMP = CommitStamp("undo", VIEW, "")


def rolled_back(store: fp.OfflineStore, **windowed: Any) -> Project:
    """A project whose day 3 was changed, with the view as it was before."""
    run(shop(daily()), store)
    project = shop(changed_on(3), **windowed)
    run(project, store)
    store.rollback(VIEW, 0, stamp=STAMP)
    return project


def test_a_rolled_back_table_is_not_stale_and_the_sensor_finds_nothing_to_recompute(
    store: fp.OfflineStore, tmp_path: Path
) -> None:
    project = rolled_back(store)
    run(project, store)
    standing = project_status(project, store)
    assert standing.stale == []
    [pinned] = standing.pinned
    assert (pinned.asset, pinned.pin.version, pinned.pin.partitions) == (VIEW, 0, frozenset(DAYS))
    assert pinned.waiting == dict.fromkeys(DAYS[2:4], "sources/orders changed")
    due = find_outdated(project, store, Lmdb(tmp_path / "online"), int(at(9).timestamp() * 1_000_000))
    assert [name for name in due if not name.startswith("online/")] == []


def test_a_run_leaves_what_a_rollback_restored_and_computes_what_came_later(store: fp.OfflineStore) -> None:
    view = spending(source(daily(5)), windows=["2d"])
    fp.materialize(view, store)
    changed = daily(5).with_columns(pl.col("amount") + 1)
    fp.materialize(spending(source(changed)), store)
    fp.roll_back(view, store, 0)
    before = store.read(VIEW).collect().sort(pl.all())

    later = spending(source(daily(7).with_columns(pl.col("amount") + 1)))
    with pytest.warns(PinnedPartitionsLeft, match="5 of the partitions asked for stay as they are"):
        done = fp.materialize(later, store)
    assert done[VIEW].commit.changed == ("2024-01-06", "2024-01-07")
    assert store.read(VIEW, partitions=DAYS).collect().sort(pl.all()).equals(before)

    assert fp.release(later, store)
    assert fp.materialize(later, store)[VIEW].commit.changed == tuple(DAYS)
    assert not fp.release(later, store)


def test_a_partition_that_a_rollback_took_away_stays_away(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    fp.materialize(view, store, at(0), at(4))
    fp.materialize(view, store, at(4), at(5))
    store.rollback(view.asset, 0, stamp=STAMP)
    with pytest.warns(PinnedPartitionsLeft):
        fp.materialize(view, store)
    assert DAYS[4] not in store.partition_states(view.asset)


def test_later_partitions_wait_too_while_the_declared_code_is_not_the_restored_one(store: fp.OfflineStore) -> None:
    run(shop(daily()), store, at(0), at(4))
    other = shop(daily(), windows=["2d"], delay="1h")
    run(other, store, at(0), at(4))
    store.rollback(VIEW, 0, stamp=STAMP)
    assert found(other, store).get(VIEW) is None
    run(other, store)
    assert sorted(store.partition_states(VIEW)) == DAYS[:4]
    assert found(shop(daily()), store)[VIEW] == {DAYS[4]: "never materialized"}


def test_what_is_made_from_a_rolled_back_table_follows_it(store: fp.OfflineStore) -> None:
    project = rolled_back(store)
    assert found(project, store) == {"views/echo": dict.fromkeys(DAYS[2:4], f"{VIEW} changed")}
    run(project, store)
    both = [store.read(name).drop_nulls("customer").collect() for name in (VIEW, "views/echo")]
    assert both[0].sort(pl.all()).equals(both[1].select(both[0].columns).sort(pl.all()))


def test_a_pinned_source_takes_in_no_late_row_and_loses_none(store: fp.OfflineStore) -> None:
    view = spending(source(daily(3)), lateness="5d")
    fp.materialize(view, store)
    late = pl.concat([daily(3), daily(1)])
    fp.materialize(spending(source(late), lateness="5d"), store)
    store.rollback("sources/orders", 0, stamp=STAMP)
    again = spending(source(pl.concat([late, daily(4).tail(2)])), lateness="5d")
    with pytest.warns(PinnedPartitionsLeft):
        fp.materialize(again, store)
    assert not store.exists("late/sources/orders")
    assert store.read("sources/orders").collect().height == 8
    fp.release(again.inputs[0], store)
    fp.materialize(again, store)
    assert store.read("sources/orders").collect().height == 10


@pytest.mark.parametrize("name", ["sources/facts", "views/last_order"])
def test_a_table_without_partitions_is_held_whole(store: fp.OfflineStore, name: str) -> None:
    def view(amount: float) -> FeatureView:
        facts = fp.Source("facts", fp.sources.Frame(pl.DataFrame({"customer": ["ann"], "amount": [amount]})))
        return last_order(facts)

    for amount in (1.0, 2.0):
        fp.materialize(view(amount), store)
    store.rollback(name, 0, stamp=STAMP)
    version = store.latest_version(name)
    with pytest.warns(PinnedPartitionsLeft):
        done = fp.materialize(view(3.0), store)
    assert (done[name].commit.changed, store.latest_version(name)) == ((), version)
    assert store.read(name).collect().to_series(1).to_list() == [1.0]


def test_a_pinned_training_set_is_not_built(store: fp.OfflineStore) -> None:
    view = last_order(source(daily()))
    training = fp.TrainingSet("buying", service=fp.FeatureService("v1", [view]), spine=spine(("ann", at(3))))
    fp.materialize(view, store)
    fp.build_training_set(training, store)
    fp.materialize(last_order(source(changed_on(3))), store)
    fp.build_training_set(training, store)
    fp.roll_back(training, store, 0)
    with pytest.raises(TablePinned, match="pinned there"):
        fp.build_training_set(training, store)
    fp.release(training, store)
    fp.build_training_set(training, store)


def test_a_pin_is_kept_by_maintenance_and_by_a_copy_of_the_store(store: fp.OfflineStore, tmp_path: Path) -> None:
    for value in (1, 2):
        rows = pl.DataFrame({"day": ["d1"], "x": [value]})
        store.replace(VIEW, rows, partitions=["d1"], partition_of="day", stamp=STAMP)
    store.rollback(VIEW, 0, stamp=STAMP)
    held = store.pin(VIEW)
    store.maintain(VIEW)
    shutil.copytree(store.root, tmp_path / "copy")
    assert fp.OfflineStore(tmp_path / "copy").pin(VIEW) == store.pin(VIEW) == held
    assert (held.version, held.partitions) == (0, frozenset(["d1"]))


@pytest.mark.parametrize("accuracy", ["snapshot", "exact"])
def test_what_is_served_follows_a_rollback_in_the_same_call(
    store: fp.OfflineStore, tmp_path: Path, accuracy: str
) -> None:
    online, now = Lmdb(tmp_path / "online"), at(5)
    views = [spending(source(rows), accuracy=accuracy, entity=customer) for rows in (daily(), changed_on(5))]
    asked = pl.DataFrame({"customer": ["ann"]})

    def served() -> float:
        return fp.online_features(views[1], asked, online, now=now)["amount_sum_2d"].item()

    for view in views:
        fp.materialize(view, store)
        fp.publish(view, store, online, now=now)
    assert served() == 109.0
    table = views[1].inputs[0] if accuracy == "exact" else views[1]
    done = fp.roll_back(table, store, 0, online, views=[views[1]], now=now)
    assert [each.how for each in done.publications] == ["built"]
    assert served() == 20.0


def test_a_rollback_publishes_nothing_that_was_not_served(store: fp.OfflineStore, tmp_path: Path) -> None:
    view = spending(source(daily()))
    fp.materialize(view, store)
    fp.materialize(spending(source(changed_on(5))), store)
    online = Lmdb(tmp_path / "online")
    assert fp.roll_back(view, store, 0, online, now=datetime.now(timezone.utc)).publications == []
    assert online.views() == []

"""Taking in: stopped anywhere and begun again, nothing is told twice and nothing is lost."""

import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.errors import AlertStoreFailed, DeliveryFailed, InvalidDeclaration
from feature_platform.monitoring.alerting import AlertStore, DeliveryReport, deliver_pending, pending_messages
from feature_platform.monitoring.watching import Intake, describe_look, lineage, take_in
from feature_platform.monitoring.watching.cursor import decode_cursor, encode_cursor
from feature_platform_tests.effort import tries
from feature_platform_tests.monitoring.alerting.test_store import Box
from feature_platform_tests.monitoring.watching.taker import Stopped, ending_at
from feature_platform_tests.monitoring.watching.test_runs_and_writes import foreign, refused
from feature_platform_tests.monitoring.watching.words import LATER, POLICY, day, materialize, monitored, row, shop
from feature_platform_tests.pipelines.test_plan import shop as shop_with_service
from feature_platform_tests.shop import at, customer, daily, source, spending, spine

ORDERS, SPENDING = "sources/orders", "views/spending"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, str]:
    """A store where one look was taken, and since then much went wrong; and the cursor of that look."""
    root = tmp_path_factory.mktemp("world")
    store, alerts = fp.OfflineStore(root / "store"), AlertStore(root / "alerts")
    project = shop()
    materialize(project, store, 10)
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    cursor = take_in(project, store, alerts, POLICY, LATER).cursor
    monitored(store, ORDERS, row("volume", day(8)), row("volume", day(9)), row("unit", day(9), alarm=True))
    monitored(
        store, SPENDING, row("drift", day(9), column="count_2d", window=at(8), alarm=True, metric="ks", score=0.4)
    )
    refused(store)
    foreign(store, day(3))
    return root, cursor


def outcome(alerts: AlertStore) -> tuple[object, ...]:
    book = alerts.book()
    histories = {key: [each.evaluation for each in alerts.history(key)] for key in book.alerts}
    return book, pending_messages(alerts), histories


def copied(root: Path, folder: Path) -> AlertStore:
    shutil.copytree(root / "alerts", folder / "alerts")
    return AlertStore(folder / "alerts")


@pytest.fixture(scope="module")
def undisturbed(world, tmp_path_factory) -> tuple[tuple[object, ...], Intake, int]:
    """What comes of a look that nothing stops, and how many steps it has."""
    root, cursor = world
    alerts = copied(root, tmp_path_factory.mktemp("undisturbed"))
    with ending_at(-1) as steps:
        taken = take_in(shop(), fp.OfflineStore(root / "store"), alerts, POLICY, LATER, cursor)
    assert len(taken.messages) == 2  # what was done, and what was found before that, with which the volume is over
    return outcome(alerts), taken, steps[0]


@pytest.mark.slow
@given(where=st.floats(0, 1))
@settings(max_examples=tries(40), deadline=None)
def test_a_look_that_is_stopped_at_any_step_and_begun_again_comes_to_the_same(
    world, undisturbed, tmp_path_factory, where
):
    (root, cursor), (wanted, whole, steps) = world, undisturbed
    alerts, store = copied(root, tmp_path_factory.mktemp("stopped")), fp.OfflineStore(root / "store")
    with suppress(Stopped), ending_at(1 + int(where * (steps - 1))):  # the last steps are not always there
        take_in(shop(), store, alerts, POLICY, LATER, cursor)

    again = take_in(shop(), store, alerts, POLICY, LATER, cursor)

    assert outcome(alerts) == wanted
    assert again.cursor == whole.cursor
    assert again.messages in (whole.messages, ())


def look_elsewhere(root, store, step):
    """Look at a store in a process of its own, which is killed at a step; none where it is -1."""
    (root / "store").symlink_to(store)
    words = [sys.executable, "-W", "error", "-m", "feature_platform_tests.monitoring.watching.taker", root, str(step)]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.fixture(scope="module")
def steps_elsewhere(world, tmp_path_factory):
    """How many steps a look takes in a process of its own."""
    return int(look_elsewhere(tmp_path_factory.mktemp("whole"), world[0] / "store", -1).stdout)


@pytest.mark.parametrize("where", [0.5, 0.8, 0.9])  # hashes differ by process, and with them the last steps
def test_a_killed_look_leaves_all_or_nothing_and_the_next_one_the_rest(world, steps_elsewhere, tmp_path, where):
    root, _ = world
    free = AlertStore(tmp_path / "free")
    take_in(shop(), fp.OfflineStore(root / "store"), free, POLICY, LATER)

    killed = look_elsewhere(tmp_path, root / "store", int(where * steps_elsewhere))
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    alerts = AlertStore(tmp_path / "alerts")
    take_in(shop(), fp.OfflineStore(root / "store"), alerts, POLICY, LATER)
    assert outcome(alerts) == outcome(free)


def test_a_repeat_with_something_new_beside_it_counts_only_that(watcher):
    monitored(watcher.store, ORDERS, row("volume", day(7), alarm=True))
    before = watcher.cursor
    watcher.looks()
    watcher.cursor = before  # it was not kept
    monitored(watcher.store, ORDERS, row("volume", day(8)))
    assert watcher.looks() == []
    assert watcher.taken.evaluations == 1
    assert [each.clean for each in watcher.alerts.book().alerts.values()] == [1]
    watcher.cursor = None
    watcher.looks()
    assert watcher.taken.evaluations == 0
    assert [each.clean for each in watcher.alerts.book().alerts.values()] == [1]


def test_nothing_new_is_no_evaluation(watcher):
    cursor = watcher.cursor
    assert watcher.looks() == []
    assert (watcher.taken.evaluations, watcher.cursor) == (0, cursor)


def test_the_clock_alone_makes_reminders_due(watcher):
    monitored(watcher.store, ORDERS, row("volume", day(7), alarm=True, severity="critical"))
    watcher.looks()
    assert watcher.looks(hours=24) == ["reminder volume in sources/orders"]


def test_a_store_that_is_locked_changes_nothing_and_the_next_look_takes_it_in(watcher):
    import sqlite3
    from contextlib import closing

    monitored(watcher.store, ORDERS, row("volume", day(7), alarm=True))
    before, watcher.alerts = watcher.cursor, AlertStore(watcher.alerts.path.parent, wait=0.01)
    with closing(sqlite3.connect(watcher.alerts.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AlertStoreFailed, match="locked"):
            watcher.looks()
    assert watcher.cursor == before
    assert watcher.looks() == ["opened volume in sources/orders"]


def test_a_cursor_is_kept_as_text_and_one_that_cannot_be_read_is_refused(watcher):
    positions = decode_cursor(watcher.cursor)
    assert encode_cursor(positions) == watcher.cursor
    assert {"runs", ORDERS, SPENDING} <= positions.keys()
    for wrong in ("x", "[]", '{"runs": 3}', '{"runs": ["a"]}', "7"):
        with pytest.raises(InvalidDeclaration, match="cursor"):
            decode_cursor(wrong)


def test_what_a_cursor_says_of_other_tables_stays(watcher):
    watcher.cursor = encode_cursor({**decode_cursor(watcher.cursor), **decode_cursor('{"sources/theirs": ["a", 3]}')})
    watcher.looks()
    assert decode_cursor(watcher.cursor)["sources/theirs"].version == 3


def test_lineage_looks_through_services():
    project = shop_with_service(daily(), service=True)
    assert lineage(project)["training_sets/buying"] == [SPENDING, "views/last_order", "sources/buying_spine"]
    assert lineage(project)["views/echo"] == [SPENDING]
    assert lineage(project)[ORDERS] == []


def test_an_exact_view_hangs_on_its_events_as_well():
    from types import ModuleType

    from feature_platform.declarations.project import project_of

    module: Any = ModuleType("shop")
    view = spending(source(daily()), accuracy="exact", entity=customer)
    module.training = fp.TrainingSet("buying", service=fp.FeatureService("v1", [view]), spine=spine(("ann", at(3))))
    assert lineage(project_of(module))["training_sets/buying"][:2] == [SPENDING, ORDERS]


def test_a_look_and_its_delivery_are_said_in_a_line(watcher):
    monitored(watcher.store, ORDERS, row("volume", day(7), alarm=True), row("volume", day(8), alarm=True))
    watcher.looks()
    assert describe_look(watcher.taken, deliver_pending(watcher.alerts, [Box()], LATER)) == (
        "2 evaluations, 1 message, 1 delivered, 0 waiting"
    )
    failed = DeliveryReport(0, (DeliveryFailed("box", "no"),), 1)
    assert describe_look(Intake("", 1, ()), failed) == "1 evaluation, 0 messages, 0 delivered, 1 failed, 1 waiting"

"""The sensor that tells alerts: once, whatever a channel says, and its tick says what came of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.orchestration.alerts import TELL, alert_sensor
from feature_platform.settings import Settings
from feature_platform_tests.monitoring.watching.words import day, materialize, monitored, row, shop
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders
from feature_platform_tests.orchestration.shop import shop as module
from feature_platform_tests.parts.alert_channels.receivers import Listening, Web

ORDERS = "sources/orders"
NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Ticks:
    """Ticks of the sensor, each with the cursor of the one before."""

    def __init__(self, project: Project, store: fp.OfflineStore, root: str, **channels: object) -> None:
        self.store, self.now = store, NOW
        self.cursor: str | None = None
        self.logged: list[Any] = []
        settings = Settings(root=root, alerts={"channels": channels})
        self.alerts = settings.alert_store()
        self.sensor = alert_sensor(project, settings, now=lambda: self.now)

    def tick(self, hours: float = 0) -> str:
        """What the tick says."""
        self.now += timedelta(hours=hours)
        resources = {"offline_store": self.store}
        context = dg.build_sensor_context(cursor=self.cursor, resources=resources, sensor_name=TELL)
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        assert result.run_requests in (None, [])
        return result.skip_message or ""


@pytest.fixture
def store(tmp_path) -> fp.OfflineStore:
    store = fp.OfflineStore(tmp_path)
    materialize(shop(), store, 10)
    return store


def test_the_sensor_is_off_until_somebody_turns_it_on(bench: Bench) -> None:
    repository = bench.definitions(module(orders())).get_repository_def()
    sensor = repository.get_sensor_def(TELL)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == 60
    assert "foreign writes" in str(sensor.description)


def test_a_tick_tells_what_is_new_once_and_says_so(store, tmp_path):
    with Listening(Web()) as web:
        ticks = Ticks(shop(), store, str(tmp_path), ops={"kind": "webhook", "url": web.url})
        assert ticks.tick().endswith(", 0 messages, 0 delivered, 0 waiting")
        assert ticks.tick() == "0 evaluations, 0 messages, 0 delivered, 0 waiting"
        for number in (7, 8, 9):
            monitored(store, ORDERS, row("volume", day(number), alarm=True, evidence="3 rows"))
        assert ticks.tick() == "3 evaluations, 1 message, 1 delivered, 0 waiting"
        assert ticks.tick() == "0 evaluations, 0 messages, 0 delivered, 0 waiting"
        ticks.cursor = None
        assert ticks.tick() == "0 evaluations, 0 messages, 0 delivered, 0 waiting"
        [posted] = web.posted
    assert json.loads(posted.body)["alert"]["evidence"] == "3 rows"


def test_criticals_that_began_and_ended_between_two_ticks_are_posted_once(store, tmp_path):
    with Listening(Web()) as web:
        ticks = Ticks(shop(), store, str(tmp_path), ops={"kind": "webhook", "url": web.url})
        ticks.tick()
        for number in range(3, 9):
            bad = {"alarm": number == 4, "severity": "critical", "evidence": "1,000 times as much"}
            rows = [row("unit", day(number), column=each, **bad) for each in ("amount", "fee", "tax")]
            monitored(store, ORDERS, *rows)
        assert ticks.tick() == "6 evaluations, 1 message, 1 delivered, 0 waiting"
        assert ticks.tick(hours=1) == "0 evaluations, 0 messages, 0 delivered, 0 waiting"
        [posted] = web.posted
    told = json.loads(posted.body)
    assert (told["event"], told["alert"]["severity"], told["alert"]["status"]) == ("passed", "critical", "resolved")
    assert (told["alert"]["since"], told["alert"]["evidence"]) == (day(4), "1,000 times as much")
    assert len(told["affected"]) == 2


def test_a_channel_that_fails_keeps_its_message_and_not_the_cursor(store, tmp_path):
    with Listening(Web()) as web:
        ticks = Ticks(shop(), store, str(tmp_path), ops={"kind": "webhook", "url": web.url})
        ticks.tick()
        monitored(store, ORDERS, row("volume", day(7), alarm=True))
        web.answers = [(500, {})]
        assert ticks.tick() == "1 evaluation, 1 message, 0 delivered, 1 failed, 1 waiting"
        assert ticks.tick() == "0 evaluations, 0 messages, 0 delivered, 1 waiting"  # not due yet
        assert ticks.tick(hours=1) == "0 evaluations, 0 messages, 1 delivered, 0 waiting"


def test_a_wrong_channel_fails_the_tick_and_the_next_one_tells_it(store, tmp_path):
    ticks = Ticks(shop(), store, str(tmp_path), ops={"kind": "pigeon"})
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    with pytest.raises(InvalidDeclaration, match="no kind that is known"):
        ticks.tick()
    right = Ticks(shop(), store, str(tmp_path), log={"kind": "log"})
    assert right.tick() == "0 evaluations, 0 messages, 1 delivered, 0 waiting"


def test_once_a_day_what_is_old_is_forgotten(store, tmp_path):
    ticks = Ticks(shop(), store, str(tmp_path))
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    ticks.tick()
    [alert] = ticks.alerts.book().alerts.values()
    ticks.tick(hours=24 * 90)
    assert len(ticks.alerts.history(alert.fingerprint)) == 1
    ticks.tick(hours=23)  # of the same day
    assert len(ticks.alerts.history(alert.fingerprint)) == 1
    ticks.tick(hours=1)
    assert ticks.alerts.history(alert.fingerprint) == ()


@pytest.mark.parametrize("wrong", ["x", "{}", '{"tables": "[]", "forgotten": ""}', '{"tables": 3, "forgotten": ""}'])
def test_a_cursor_of_something_else_begins_anew(store, tmp_path, wrong):
    ticks = Ticks(shop(), store, str(tmp_path))
    ticks.tick()
    good, ticks.cursor = ticks.cursor, wrong
    assert ticks.tick() == "0 evaluations, 0 messages, 0 delivered, 0 waiting"
    assert ticks.cursor == good


def test_the_sensor_of_the_code_location_tells_of_a_run_that_was_refused(bench: Bench) -> None:
    project = module(orders(amount=-1.0))
    bench.run(project, "2024-03-01", "2024-03-05", select="sources/orders")
    sensor = bench.definitions(project).get_repository_def().get_sensor_def(TELL)
    context = dg.build_sensor_context(resources={"offline_store": bench.store}, sensor_name=TELL)

    assert sensor.evaluate_tick(context).skip_message == "1 evaluation, 1 message, 1 delivered, 0 waiting"

    [alert] = AlertStore(bench.root / "alerts").book().alerts.values()
    assert (alert.finding.kind, alert.finding.asset) == ("expectations", ORDERS)

"""The counts of alerts stand among the metrics of the server, and a store that cannot be read breaks no page."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from feature_platform.monitoring.alerting import AlertStore, Evaluation, Policy, evaluate
from feature_platform.server import alert_numbers, logs
from feature_platform.server.app import FeatureServer
from feature_platform_tests.monitoring.alerting.words import NOON, found
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

READABLE = ("feature_platform_alerts_readable",)


@pytest.fixture
def store(tmp_path: Path) -> AlertStore:
    store = AlertStore(tmp_path / "alerts")
    evaluate(store, Evaluation("1", (found(severity="critical"),)), {}, Policy(), NOON)
    return store


def numbers(server: FeatureServer) -> dict[tuple[str, ...], float]:
    """Every sample of the page, which has to be one that Prometheus reads."""
    told = ask(server, "/metrics")
    assert told.status == 200
    families = list(text_string_to_metric_families(told.body.decode()))
    assert len({each.name for each in families}) == len(families)
    return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}


def test_alerts_are_counted_beside_the_requests(start: Start, store: AlertStore) -> None:
    server = start(alerts=store.path.parent)
    ask(server, "/health")

    told = numbers(server)

    assert told["feature_platform_alerts", "critical", "open"] == 1
    assert told["feature_platform_alert_messages_pending",] == 1
    assert told["feature_platform_requests_total", "/health", "200"] == 1
    assert told[READABLE] == 1


def test_without_an_alert_store_nothing_is_told_and_none_is_made(start: Start, tmp_path: Path) -> None:
    for folder in (None, tmp_path / "none"):
        assert not any("alert" in name for name, *_ in numbers(start(alerts=folder)))
    assert not (tmp_path / "none").exists()


def test_a_store_that_is_made_while_the_server_runs_is_told(start: Start, tmp_path: Path) -> None:
    server = start(alerts=tmp_path / "later")
    assert READABLE not in numbers(server)
    evaluate(AlertStore(tmp_path / "later"), Evaluation("1", (found(),)), {}, Policy(), NOON)
    assert numbers(server)["feature_platform_alerts", "open", "warning"] == 1


def test_a_damaged_store_is_a_gauge_a_failure_and_one_line_of_the_log(
    start: Start, store: AlertStore, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    server = start(alerts=store.path.parent)
    good = store.path.read_bytes()
    store.path.write_bytes(b"no database" * 500)

    for _ in range(3):
        told = numbers(server)

    assert told[READABLE] == 0
    assert ("feature_platform_alerts", "critical", "open") not in told
    assert told["feature_platform_failures_total", "AlertStoreFailed"] == 3
    [line] = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert line["event"] == "cannot read the alerts"
    assert "file is not a database" in line["message"]
    store.path.write_bytes(good)
    assert numbers(server)[READABLE] == 1


def test_a_locked_store_is_waited_for_a_moment_only(
    start: Start, store: AlertStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    monkeypatch.setattr(alert_numbers, "_WAIT", 0.01)
    server = start(alerts=store.path.parent)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        assert numbers(server)[READABLE] == 0
    assert "database is locked" in capsys.readouterr().err
    assert numbers(server)[READABLE] == 1


def test_a_store_that_cannot_be_opened_is_told(start: Start, store: AlertStore) -> None:
    store.path.unlink()
    store.path.mkdir()

    assert numbers(start(alerts=store.path.parent))[READABLE] == 0


def test_a_file_where_the_folder_should_be_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert READABLE not in numbers(start(alerts=tmp_path / "file"))  # there is no store in it

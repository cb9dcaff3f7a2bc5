"""`feature-platform alerts check`: what is new is told once, from cron as from a sensor."""

import json
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.settings import loaded_settings
from feature_platform_tests.monitoring.watching.words import day, monitored, row
from feature_platform_tests.parts.alert_channels.receivers import Listening, Web
from feature_platform_tests.shop import at, daily, source

ORDERS = "sources/orders"


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch) -> fp.OfflineStore:
    module: Any = ModuleType("watched_shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(10))
    module.orders = source(daily(10))
    monkeypatch.setitem(__import__("sys").modules, "watched_shop", module)
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path))
    store = fp.OfflineStore(tmp_path)
    fp.materialize(module.orders, store, at(0), at(10))
    return store


def check(*, code: int = 0):
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
    result = runner.invoke(app, ["alerts", "check", "--project", "watched_shop"])
    assert result.exit_code == code, result.output
    return result


def test_what_is_new_is_told_once_from_check_to_check(store, tmp_path):
    assert check().stdout.endswith(" evaluations, 0 messages, 0 delivered, 0 waiting.\n")
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    assert check().stdout.splitlines() == [
        "[warning] New: volume in sources/orders",
        "1 evaluation, 1 message, 1 delivered, 0 waiting.",
    ]
    assert check().stdout == "0 evaluations, 0 messages, 0 delivered, 0 waiting.\n"
    cursor = json.loads((tmp_path / "alerts" / "cursor.json").read_text())
    assert cursor[f"monitoring/{ORDERS}"][1] == 0
    assert sorted(each.name for each in (tmp_path / "alerts").iterdir()) == ["alerts.db", "alerts.lock", "cursor.json"]


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"\xff no cursor")])
def test_a_cursor_that_is_gone_or_damaged_tells_nothing_twice(store, tmp_path, spoil):
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    check()
    spoil(tmp_path / "alerts" / "cursor.json")
    assert check().stdout == "0 evaluations, 0 messages, 0 delivered, 0 waiting.\n"
    assert (tmp_path / "alerts" / "cursor.json").exists()


def test_a_channel_that_fails_is_an_exit_code_and_its_message_is_kept(store, monkeypatch):
    with Listening(Web()) as web:
        channels = {"ops": {"kind": "webhook", "url": web.url}}
        monkeypatch.setenv("FEATURE_PLATFORM_ALERTS", json.dumps({"channels": channels}))
        monitored(store, ORDERS, row("volume", day(7), alarm=True))
        web.answers = [(500, {})]
        failed = check(code=1)
        assert "0 delivered, 1 failed, 1 waiting." in failed.stdout
        assert failed.stderr.startswith("Error: Alert channel `ops` did not take a message")
    assert len(loaded_settings().alert_store().book().alerts) == 1


def test_a_cursor_that_cannot_be_kept_is_a_warning_and_everything_is_told(store, tmp_path):
    check()
    (tmp_path / "alerts" / "cursor.json").unlink()
    (tmp_path / "alerts" / "cursor.json").mkdir()
    monitored(store, ORDERS, row("volume", day(7), alarm=True))
    said = check()
    assert "1 message, 1 delivered" in said.stdout
    assert [line.split(":")[0] for line in said.stderr.splitlines()] == ["Warning", "Warning"]  # read, and kept
    assert [each.name for each in (tmp_path / "alerts").glob("cursor*")] == ["cursor.json"]

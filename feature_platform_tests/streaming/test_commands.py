"""The commands: `stream` reads topics, `sources` tells how far behind it is and how messages look."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform_tests.kafka import Broker
from feature_platform_tests.streaming.payments import a_moment_ago, payment

ROOT = Path(fp.__file__).parents[1]
PROJECT = "feature_platform_tests.streaming.project"


@pytest.fixture
def folder(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEATURE_PLATFORM_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("TEST_BROKERS", broker.address)
    monkeypatch.setenv("TEST_TOPIC", broker.topic)
    monkeypatch.delitem(sys.modules, PROJECT, raising=False)
    return tmp_path


def say(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, [*words, "--project", PROJECT])


def test_a_topic_is_looked_at_read_and_then_has_nothing_unread(folder: Path, broker: Broker) -> None:
    at = a_moment_ago()
    broker.send(payment(1, at, 2.5), payment(2, at), b"no json")
    listed = say("sources").stdout
    assert f"kafka: kafka://{broker.address}/{broker.topic}" in listed
    assert "3 unread messages" in listed
    shown = say("sources", "try", "payments", "--rows", "2").stdout
    assert "card: Int64, join key of spend" in shown
    assert "2.5" in shown

    done = say("stream", "--once")

    assert done.exit_code == 0, done.output
    assert f"Reading kafka://{broker.address}/{broker.topic} into source payments." in done.stdout
    assert "payments: 3 messages read, 2 rows, 1 refused (see the table unreadable/payments), the newest" in done.stdout
    assert "0 unread messages" in say("sources").stdout
    store = fp.OfflineStore(folder / "store")
    assert store.read("pushes/payments").select(pl.len()).collect().item() == 2


def test_what_is_no_topic_is_named(folder: Path) -> None:
    done = say("stream", "--source", "orders")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: Project `project` has no source with a topic `orders`. It has: payments.\n",
    )


def test_it_reads_on_until_it_is_told_to_end_and_then_logs_what_it_took(folder: Path, broker: Broker) -> None:
    broker.send(payment(1, a_moment_ago()))
    process = subprocess.Popen(
        [sys.executable, "-m", "feature_platform.cli", "stream", "--project", PROJECT],
        cwd=ROOT,
        env=os.environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        store = fp.OfflineStore(folder / "store")
        for _ in range(600):
            if store.exists("pushes/payments"):
                break
            time.sleep(0.1)
        broker.send(payment(1, a_moment_ago()))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (0, "")
    assert "messages read" in out
    assert store.read("pushes/payments").select(pl.len()).collect().item() in (1, 2)

"""A watcher of a shop whose days are all there."""

from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.monitoring.alerting import AlertStore
from feature_platform_tests.monitoring.watching.words import Watcher, materialize, shop


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path / "store")


@pytest.fixture
def alerts(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "alerts")


@pytest.fixture
def watcher(store: fp.OfflineStore, alerts: AlertStore) -> Watcher:
    """Everything was looked at once, and nothing was wrong."""
    project = shop()
    materialize(project, store, 10)
    watcher = Watcher(project, store, alerts)
    assert watcher.looks() == []
    assert watcher.open() == []
    return watcher

"""A watcher of a shop whose days are all there."""

from datetime import timedelta
from pathlib import Path
from shutil import copytree

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


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str | None]:
    """A folder with a shop at which everything was looked once, and nothing was wrong; and the cursor of that look."""
    root = tmp_path_factory.mktemp("watched")
    watcher = Watcher(shop(), fp.OfflineStore(root / "store"), AlertStore(root / "alerts"))
    materialize(watcher.project, watcher.store, 10)
    assert watcher.looks() == []
    assert watcher.open() == []
    return root, watcher.cursor


@pytest.fixture
def watcher(looked_at: tuple[Path, str | None], store: fp.OfflineStore, alerts: AlertStore, tmp_path: Path) -> Watcher:
    """Who goes on to look at a shop of a test's own."""
    root, cursor = looked_at
    copytree(root, tmp_path, dirs_exist_ok=True)
    watcher = Watcher(shop(), store, alerts)
    watcher.cursor = cursor
    watcher.now += timedelta(hours=1)
    return watcher

"""A store in a fresh folder."""

from pathlib import Path

import pytest

import feature_platform as fp


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path / "store")

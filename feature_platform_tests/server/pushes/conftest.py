"""A copy of the shop that takes pushes."""

import shutil
from pathlib import Path

import pytest

from feature_platform.server.app import FeatureServer
from feature_platform.server.limits import Limits
from feature_platform.server.settings import PushSettings
from feature_platform_tests.server.conftest import Start


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """The shop, to be written to."""
    return Path(shutil.copytree(published, tmp_path / "shop"))


@pytest.fixture
def server(start: Start, root: Path) -> FeatureServer:
    pushing = PushSettings({"root": str(root)}, root / "spool", 0.02)
    return start(online=str(root / "online"), pushing=pushing, limits=Limits(body=2**24))

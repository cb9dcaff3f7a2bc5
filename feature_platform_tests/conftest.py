"""What holds for all tests: no law fails because a machine is slow, and how many examples a law is tried on.

`--hypothesis-profile thorough` tries 2,000 examples where `make test` tries a few dozen, and new ones each time.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import feature_platform as fp

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("house"), max_examples=2_000, print_blob=True)
settings.load_profile("house")


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    """A store in a fresh folder."""
    return fp.OfflineStore(tmp_path / "store")

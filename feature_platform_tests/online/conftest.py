"""Online stores for tests: an empty one for each test and each store of the catalogue."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feature_platform.online import STORES, OnlineStore
from feature_platform.online.lmdb import Lmdb
from feature_platform.online.redis import Redis
from feature_platform_tests.online.servers import redis_server


@pytest.fixture(scope="session")
def redis_address() -> Iterator[str]:
    """A real server, one for each process of the tests."""
    with redis_server() as address:
        yield address


def an_lmdb(request: pytest.FixtureRequest, folder: Path) -> OnlineStore:
    return Lmdb(folder / "online", map_size=2**30)


def a_redis(request: pytest.FixtureRequest, folder: Path) -> OnlineStore:
    return Redis(request.getfixturevalue("redis_address"), prefix=uuid.uuid4().hex)


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], OnlineStore]] = {"Lmdb": an_lmdb, "Redis": a_redis}


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OnlineStore:
    """Every store of the catalogue; a new one needs a line in `PLACES`."""
    return PLACES[request.param](request, tmp_path)


@pytest.fixture
def redis_store(redis_address: str) -> Redis:
    return Redis(redis_address, prefix=uuid.uuid4().hex)

"""The shop, materialized and published once; servers over it, made anew for each test."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import feature_platform as fp
from feature_platform.declarations.project import project_of
from feature_platform.online import Lmdb
from feature_platform.server.app import FeatureServer
from feature_platform.server.now import Clock
from feature_platform.server.run import gate_of
from feature_platform.server.settings import ServerSettings
from feature_platform.serving.publication import publish
from feature_platform_tests.server import declared

Start = Callable[..., FeatureServer]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the shop in its offline and its online store."""
    root = tmp_path_factory.mktemp("shop")
    store, online = fp.OfflineStore(str(root)), Lmdb(root / "online")
    for view in declared.VIEWS:
        fp.materialize(view, store)
        publish(view, store, online, now=declared.NOW)
    return root


@pytest.fixture
def start(published: Path, tmp_path: Path) -> Iterator[Start]:
    """Makes a server of the shop, where it is always the same moment; settings may be changed."""
    made: list[FeatureServer] = []

    def starting(**changes: Any) -> FeatureServer:
        settings = ServerSettings(
            project=declared.__name__,
            online=str(published / "online"),
            access_folder=tmp_path / "access",
            clock=Clock(stands=declared.NOW),
        )
        changed = replace(settings, **changes)
        server = FeatureServer(project_of(declared), Lmdb(changed.online), gate_of(changed), changed)
        made.append(server)
        return server

    yield starting
    for server in made:
        server.answering.close()
        if server.pushes is not None:
            server.pushes.close()
        server.readiness.close()


@pytest.fixture
def server(start: Start) -> FeatureServer:
    return start()

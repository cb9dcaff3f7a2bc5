"""An online store that takes connections and says nothing: it is told, and holds nobody who does not ask for it."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_platform.declarations.project import project_of
from feature_platform.online.redis import Redis
from feature_platform.server.app import FeatureServer
from feature_platform.server.limits import Limits
from feature_platform.server.run import gate_of
from feature_platform.server.settings import ServerSettings
from feature_platform_tests.server import declared
from feature_platform_tests.server.driver import Told, asked

SHOP = {"service": "shop", "entities": [{"customer": "ann"}]}


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[FeatureServer]:
    """A server over a Redis that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings = ServerSettings(declared.__name__, url, tmp_path / "access", limits=Limits(answer=0.3))
        server = FeatureServer(project_of(declared), Redis(url, timeout=0.4), gate_of(settings), settings)
        server.readiness._seconds = 0.2
        yield server
    server.answering.close()
    server.readiness.close()


def test_a_hanging_store_holds_only_those_who_ask_for_it(hanging: FeatureServer) -> None:
    done: list[str] = []

    async def ask(path: str, body: object = None) -> Told:
        told = await asked(hanging, path, body)
        done.append(path)
        return told

    async def ask_together() -> dict[str, Told]:
        paths = ["/ready", "/v1/services", "/openapi.json", "/v1/features", "/health"]
        tolds = await asyncio.gather(*(ask(path, SHOP if path == "/v1/features" else None) for path in paths))
        return dict(zip(paths, tolds, strict=True))

    told = asyncio.run(ask_together())

    assert done[0] == "/health", "asked last, answered first"
    assert told["/health"].status == 200
    assert told["/ready"].status == 503
    assert "View `spending`: the online store does not answer within 0.2 s." in told["/ready"].json["problems"]
    assert told["/v1/services"].status == told["/openapi.json"].status == told["/v1/features"].status == 503
    assert told["/v1/features"].json["error"] == "ServerBusy"


def test_one_probe_at_most_waits_for_a_hanging_store(hanging: FeatureServer) -> None:
    async def probe() -> object:
        await asked(hanging, "/ready")
        return hanging.readiness._probe

    async def probe_thrice() -> set[object]:
        return {await probe() for _ in range(3)}

    assert len(asyncio.run(probe_thrice())) == 1

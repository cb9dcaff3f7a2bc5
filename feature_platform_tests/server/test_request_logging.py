"""What the server answers comes into the request log as it was given, and skew finds nothing wrong with it."""

import asyncio
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

import feature_platform as fp
from feature_platform.server.app import FeatureServer
from feature_platform.verification.skew import measure_skew
from feature_platform_tests.server import declared
from feature_platform_tests.server.conftest import Start
from feature_platform_tests.server.driver import ask

SERVICE = next(each for each in vars(declared).values() if isinstance(each, fp.FeatureService))


def entities(server: FeatureServer) -> list[dict[str, object]]:
    plan = server.answering.catalogue.plan(SERVICE.name)
    return [{name: customer if name == "customer" else 2.0 for name in plan.needed} for customer in ("ann", "nobody")]


def asked_both_ways(server: FeatureServer) -> None:
    rows = entities(server)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    native = ask(server, "/v1/features", {"service": SERVICE.name, "entities": rows})
    feast = ask(server, "/get-online-features", {"feature_service": SERVICE.name, "entities": columns})
    listed = ask(server, "/v1/features", {"features": ["last_order:last_amount"], "entities": rows})
    assert [each.status for each in (native, feast, listed)] == [200, 200, 200]


def test_both_endpoints_are_logged_alike_and_compare_with_training(
    start: Start, published: Path, tmp_path: Path
) -> None:
    server = start(request_log_sample=1.0, offline={"root": str(published)})
    asked_both_ways(server)
    assert server.request_log is not None
    server.request_log.close()

    store = fp.OfflineStore(published)
    kept = store.read(f"requests/{SERVICE.name}").collect()
    assert kept.height == 2
    assert kept["at"].unique().to_list() == [declared.NOW]
    assert json.loads(kept["entities"][0])["customer"] == ["ann", "nobody"]
    assert json.loads(kept["values"][0]) == json.loads(kept["values"][1])
    assert json.loads(kept["statuses"][0]) == json.loads(kept["statuses"][1])
    found = measure_skew(SERVICE, store, now=declared.NOW)
    assert (found.requests, found.entities, found.differences) == (2, 4, 0)


def test_the_end_of_the_process_writes_what_waits(start: Start, tmp_path: Path) -> None:
    server = start(request_log_sample=1.0, offline={"root": str(tmp_path)})
    asked_both_ways(server)
    messages = [{"type": "lifespan.shutdown"}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(_message: MutableMapping[str, Any]) -> None:
        return

    asyncio.run(server({"type": "lifespan"}, receive, send))

    assert fp.OfflineStore(tmp_path).read(f"requests/{SERVICE.name}").collect().height == 2


@pytest.mark.parametrize("sample", [0.0, 1e-12])
def test_nothing_is_written_of_requests_outside_the_sample(start: Start, tmp_path: Path, sample: float) -> None:
    server = start(request_log_sample=sample, offline={"root": str(tmp_path / "store")})
    asked_both_ways(server)
    if server.request_log is not None:
        server.request_log.close()

    assert (server.answering.on_answer is None) == (sample == 0.0)
    assert not (tmp_path / "store").exists()

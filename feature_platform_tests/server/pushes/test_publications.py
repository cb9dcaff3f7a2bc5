"""Publications that are asked for over HTTP."""

import asyncio
import threading
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.server.app import FeatureServer
from feature_platform_tests.server import declared
from feature_platform_tests.server.driver import Told, ask, asked
from feature_platform_tests.server.pushes.pushing import HOUR, emptied, feast, read


def test_what_was_materialized_is_published_on_request(server: FeatureServer, root: Path) -> None:
    feast(server, "offline")
    emptied(server)
    fp.materialize(declared.orders, fp.OfflineStore(str(root)))
    fp.materialize(declared.last_order, fp.OfflineStore(str(root)))
    body = {"start_ts": "2024-01-01T00:00:00", "end_ts": HOUR, "feature_views": ["last_order"]}
    told = ask(server, "/materialize", body)
    assert (told.status, told.body) == (200, b"null")
    assert read(server, "eve") == 7.0
    assert read(server, "eve", "exact", "amount_sum_3d") == 0.0
    assert ask(server, "/materialize-incremental", {"end_ts": HOUR}).status == 200
    assert read(server, "eve", "exact", "amount_sum_3d") == 7.0


def test_a_publication_in_the_background_is_one_at_a_time(server: FeatureServer) -> None:
    async def several() -> list[int]:
        path, body = "/materialize-incremental", {"end_ts": HOUR, "feature_views": ["last_order"]}
        first = await asked(server, path, body, query=b"async=true")
        second = await asked(server, path, body, query=b"async=true")
        assert server.pushes is not None
        await server.pushes.publications.stop()
        return [first.status, second.status]

    assert asyncio.run(several()) == [202, 409]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_publication_is_given_up_when_the_server_stops(
    server: FeatureServer, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    begun, go_on = list[str](), threading.Event()

    def published(view: FeatureView, *_: object, **__: object) -> None:
        begun.append(view.name)
        go_on.wait(120)

    monkeypatch.setattr("feature_platform.server.publications.publish", published)
    assert server.pushes is not None
    publications = server.pushes.publications
    publications._grace = 0.2

    async def stopped() -> Told | None:
        asking = asyncio.create_task(asked(server, "/materialize-incremental", {"end_ts": HOUR}))
        while not begun:
            await asyncio.sleep(0.01)
        if not hangs:
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.wait_for(publications.stop(), 5)
        return None if hangs else await asking

    told = asyncio.run(stopped())
    go_on.set()
    assert len(begun) == 1
    if told is not None:
        assert told.status == 503
        assert "stops, and has not published last_order, exact, " in told.feast_error["message"]


@pytest.mark.parametrize("query", [b"async=%ff", b"x=\xff", b"async=%C3%A9"])
def test_a_query_of_any_bytes_is_no_failure(server: FeatureServer, query: bytes) -> None:
    told = ask(server, "/materialize", {"end_ts": HOUR, "feature_views": ["last_order"]}, query=query)
    assert told.status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"start_ts": "now", "end_ts": HOUR},
        {"start_ts": "2024-01-07T00:00:00", "end_ts": HOUR},
        {"end_ts": 5},
        {"end_ts": HOUR, "feature_views": "last_order"},
    ],
)
def test_moments_that_are_none_are_refused(server: FeatureServer, body: object) -> None:
    told = ask(server, "/materialize", body)
    assert (told.status, set(told.feast_error)) == (422, {"module", "class", "message"})

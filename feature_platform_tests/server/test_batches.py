"""Answers from a remote store that are read together: each as if it were alone, whatever is wrong with the others."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.declarations.project import project_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.errors import InvalidKey, NotServed, ServerBusy
from feature_platform.online.base import Reader
from feature_platform.online.read_ahead import ReadAhead
from feature_platform.online.redis import Redis
from feature_platform.server.app import FeatureServer
from feature_platform.server.batches import Batches
from feature_platform.server.limits import Limits
from feature_platform.server.now import Clock
from feature_platform.server.run import gate_of
from feature_platform.server.settings import ServerSettings
from feature_platform.serving.publication import publish
from feature_platform_tests.online.servers import redis_server
from feature_platform_tests.server import declared
from feature_platform_tests.server.driver import Told, asked

TABLE = ServedTable("v", ViewKind.ROW, {"k": pl.String()}, {"x": pl.Int64()})


class Slow(Reader):
    """Entries that say their key; the first answer waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[bytes | None]]] = []
        self.begun, self.let_go = threading.Event(), threading.Event()

    def get(
        self, view: str, keys: Sequence[bytes | None], *, most: int | None = None
    ) -> tuple[ServedTable, Sequence[bytes | None]]:
        self.asked.append((view, list(keys)))
        self.begun.set()
        self.let_go.wait(120)
        if view == "absent":
            raise NotServed(view, "a store")
        return TABLE, [None if key in (None, b"none") else b"entry of " + key for key in keys]

    def refresh(self) -> None: ...

    def close(self) -> None: ...


class World:
    """Batches over a slow store, and what is asked of them."""

    def __init__(self, limits: Limits) -> None:
        self.store = Slow()
        self.ahead = ReadAhead(self.store)
        self.batches = Batches(lambda: (self.ahead, self.ahead), limits)  # type: ignore[arg-type,return-value]

    async def ask(self, key: bytes, view: str = "v", work: Callable[[], object] | None = None) -> object:
        def keys(_: object) -> dict[str, list[bytes | None]]:
            if key == b"bad":
                raise InvalidKey("The request", "k", 0, "list", "String")
            return {view: [key]}

        def made(_: object) -> object:
            keys(_)
            return self.ahead.get(view, [key])[1] if work is None else work()

        return await self.batches.answer(1, keys, made)

    async def ask_while_one_is_read(self, *others: tuple[object, ...]) -> list[object]:
        """The answers to others, which come while the store answers the first."""
        first = asyncio.ensure_future(self.ask(b"first"))
        await asyncio.to_thread(self.store.begun.wait, 5)
        waiting = [asyncio.ensure_future(self.ask(*each)) for each in others]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        self.store.let_go.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(Limits(waiting=20, answer=5))
    yield made
    made.store.let_go.set()
    made.batches.close()


def test_those_who_wait_meanwhile_are_read_in_one_round_trip(world: World) -> None:
    keys = [b"a", b"b", b"a", b"none", b"c"]
    answers = asyncio.run(world.ask_while_one_is_read(*((key,) for key in keys)))
    assert answers == [[b"entry of a"], [b"entry of b"], [b"entry of a"], [None], [b"entry of c"]]
    assert world.store.asked == [("v", [b"first"]), ("v", [b"a", b"b", b"none", b"c"])]


def test_what_is_wrong_with_one_is_told_to_it_alone(world: World) -> None:
    answers = asyncio.run(world.ask_while_one_is_read((b"a",), (b"bad",), (b"b", "absent"), (b"c", "absent"), (b"d",)))
    assert [type(each) for each in answers] == [list, InvalidKey, NotServed, NotServed, list]
    assert [view for view, _ in world.store.asked] == ["v", "v", "absent"], "a view that fails is asked once"


def test_a_fault_of_ours_is_told_and_others_are_answered_afterwards(world: World) -> None:
    def fails() -> object:
        raise ZeroDivisionError

    answers = asyncio.run(world.ask_while_one_is_read((b"a",), (b"b", "v", fails)))
    assert answers[0] == [b"entry of a"]
    assert isinstance(answers[1], ZeroDivisionError)
    assert asyncio.run(world.ask(b"again")) == [b"entry of again"]


def test_more_than_may_wait_are_refused_and_so_is_what_takes_too_long() -> None:
    world = World(Limits(waiting=2, answer=0.05))

    async def ask_thrice() -> list[object]:
        return await asyncio.gather(*(world.ask(b"a") for _ in range(3)), return_exceptions=True)

    answers = asyncio.run(ask_thrice())
    world.store.let_go.set()
    world.batches.close()
    assert [type(each) for each in answers] == [ServerBusy] * 3
    assert sorted("already" in str(each) for each in answers) == [False, False, True]


def test_what_was_not_read_beforehand_is_asked_for() -> None:
    store = Slow()
    store.let_go.set()
    ahead = ReadAhead(store)
    ahead.load({"v": [b"a", b"none"]})
    assert ahead.get("v", [b"a", None, b"none", b"a"]) == (TABLE, [b"entry of a", None, None, b"entry of a"])
    assert ahead.get("v", ()) == (TABLE, [])
    assert len(store.asked) == 1
    assert ahead.get("v", [b"a", b"b"])[1] == [b"entry of a", b"entry of b"]
    assert ahead.get("w", [b"a"])[1] == [b"entry of a"]
    assert store.asked[1:] == [("v", [b"a", b"b"]), ("w", [b"a"])]
    ahead.load({})
    ahead.get("v", [b"a"])
    assert len(store.asked) == 4


REQUESTS = [
    {"service": service, "entities": [entity] * height}
    for height in (1, 3)
    for service, entity in (
        ("shop", {"customer": "ann"}),
        ("shop", {"customer": "nobody"}),
        ("typed", {"number": 1}),
        ("typed", {"number": 2.5}),
        ("exactly", {"customer": "bob"}),
        ("offers", {"customer": "ann", "price": 7.0}),
        ("shop", {"number": 1}),
    )
]


def test_answers_from_redis_at_once_are_those_of_the_embedded_store(
    server: FeatureServer, published: Path, tmp_path: Path
) -> None:
    async def ask_together(of: FeatureServer) -> list[Told]:
        return await asyncio.gather(*(asked(of, "/v1/features", body) for body in REQUESTS * 2))

    with redis_server() as address:
        store = Redis(address)
        for view in declared.VIEWS:
            publish(view, fp.OfflineStore(str(published)), store, now=declared.NOW)
        settings = ServerSettings(declared.__name__, address, tmp_path / "access", clock=Clock(stands=declared.NOW))
        remote = FeatureServer(project_of(declared), store, gate_of(settings), settings)
        try:
            found = [asyncio.run(ask_together(remote)) for _ in range(2)]
        finally:
            remote.answering.close()
            remote.readiness.close()
    expected = [(told.status, told.body) for told in asyncio.run(ask_together(server))]
    assert {status for status, _ in expected} == {200, 422}
    for tolds in found:
        assert [(told.status, told.body) for told in tolds] == expected

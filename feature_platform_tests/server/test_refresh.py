"""Publishing while requests are answered: none fails, no answer mixes generations, none goes back."""

import asyncio
import json
import threading
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.project import Project, order_declarations
from feature_platform.declarations.view import FeatureView
from feature_platform.online import Lmdb
from feature_platform.server.app import FeatureServer
from feature_platform.server.now import Clock
from feature_platform.server.run import gate_of
from feature_platform.server.settings import ServerSettings
from feature_platform.serving.publication import publish
from feature_platform_tests import shop
from feature_platform_tests.effort import repetitions
from feature_platform_tests.server.driver import asked

KEYS = 200


def view_of(generation: int) -> FeatureView:
    """Every value of every key is the number of the generation, and the number of features changes with it."""
    keys = [f"c{n:03d}" for n in range(KEYS)]
    values = {f"f{n}": [float(generation)] * KEYS for n in range(1, 4 + generation % 2)}
    rows = pl.DataFrame({"customer": keys, "at": [shop.at(0)] * KEYS, **values}).cast({"at": pl.Datetime("us", "UTC")})
    source = fp.Source("numbers", fp.sources.Frame(rows), event_time="at")
    return fp.feature_view(entity=shop.customer, source=source, name="numbers")(shop.same)


def build(root: Path, generation: int) -> None:
    """A generation, made from an offline store of its own."""
    view, store = view_of(generation), fp.OfflineStore(str(root / f"offline{generation}"))
    fp.materialize(view, store)
    assert publish(view, store, Lmdb(root / "online"), now=shop.at(1))[0].how == "built"


@pytest.mark.parametrize("heavy", [False, True], ids=["on the loop", "in threads"])
def test_no_request_fails_or_mixes_or_goes_back_while_generations_are_built(tmp_path: Path, heavy: bool) -> None:
    build(tmp_path, 0)
    view = view_of(0)
    service = fp.FeatureService("numbers", [view])
    project = Project("numbers", Partitions(), order_declarations([service]))
    settings = ServerSettings("", str(tmp_path / "online"), tmp_path / "access", clock=Clock(stands=shop.at(1)))
    server = FeatureServer(project, Lmdb(tmp_path / "online"), gate_of(settings), settings)
    server.answering.catalogue.plan("numbers").is_heavy = heavy
    keys = [f"c{n:03d}" for n in range(0, KEYS, 5)]
    native = json.dumps({"service": "numbers", "entities": [{"customer": key} for key in keys]}).encode()
    feast = json.dumps({"feature_service": "numbers", "entities": {"customer": keys}}).encode()
    seen: list[list[float]] = [[] for _ in range(3)]
    generations = repetitions(20, until=lambda: len(set(seen[0])) > 3)
    builder = threading.Thread(target=lambda: [build(tmp_path, number) for number in generations])

    async def reader(seen: list[float]) -> None:
        while builder.is_alive():
            told = await asked(server, "/v1/features", native)
            assert told.status == 200, told.body
            rows = [row["values"] for row in told.json["rows"]]
            width = len(told.json["metadata"]["features"])
            (generation,) = {value for row in rows for value in row}
            assert {len(row) for row in rows} == {width} == {3 + int(generation) % 2}
            seen.append(generation)
            told = await asked(server, "/get-online-features", feast)
            assert told.status == 200, told.body
            (generation,) = {value for each in told.json["results"][1:] for value in each["values"]}
            assert len(told.json["results"]) == len(told.json["metadata"]["feature_names"])
            seen.append(generation)
            await asyncio.sleep(0.01)

    async def load() -> None:
        server.background.start()
        builder.start()
        await asyncio.gather(*(reader(each) for each in seen))
        await server.background.stop()

    asyncio.run(load())
    server.answering.close()

    for each in seen:
        assert each == sorted(each)
    assert len(set(seen[0])) > 3

"""One worker as fast as it answers: beside its own empty response, and beside Feast's own server."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.online.answers import PATH as FEAST_PATH
from benchmarks.online.answers import compare, sample
from benchmarks.online.base import Bar, Bench, Case, never, ratio, value
from benchmarks.online.clients import feast_body, native_body, write_bodies, wrk
from benchmarks.online.data import ODD, feature_names
from benchmarks.online.processes import Server, environment, feast_served, served
from benchmarks.online.stores import with_features
from benchmarks.peers import ROOT, interpreter

NATIVE_PATH = "/v1/features"
CONNECTIONS, BESIDE_FEAST = 64, 8  # Feast is at its best with few
BODIES = {1: 20_000, 10: 5_000, 100: 2_000}
SAMPLES = 40  # requests whose answers are compared before the clock starts
TIMES = {1: 15, 10: 20, 100: 25}
MATERIALIZE_S = 300
COLUMNS = {
    "rate": "requests/s",
    "entity_rows": "entity rows/s",
    "cpu": "server CPU ms/request",
    "p50": "p50 ms",
    "p99": "p99 ms",
    "failed": "failed",
}


def run(bench: Bench) -> None:
    """Native against empty, then both servers in turn."""
    folder = with_features(bench)
    with served(folder) as ours:
        _native(bench, folder, ours)
        with _feast(bench, folder) as theirs:
            _beside_feast(bench, folder, ours, theirs)


def _native(bench: Bench, folder: Path, ours: Server) -> None:
    keys, body = bench.sizes.twenties, native_body("wide")
    files = {n: write_bodies(folder / "bodies" / f"native_{n}", BODIES[n], n, keys, body) for n in (1, 100)}
    for _ in range(bench.repeats):
        empty = wrk(ours, "/health", None, connections=CONNECTIONS, seconds=bench.seconds)
        bench.note("empty response", empty.figures())
        for entities, bodies in files.items():
            load = wrk(ours, NATIVE_PATH, bodies, connections=CONNECTIONS, seconds=bench.seconds)
            bench.note(f"native, {entities}", load.figures(entities))


def _beside_feast(bench: Bench, folder: Path, ours: Server, theirs: Server) -> None:
    keys, body = bench.sizes.tens, feast_body("ten", feature_names(10))
    files = {n: write_bodies(folder / "bodies" / f"feast_{n}", BODIES[n], n, keys, body) for n in TIMES}
    odd = [json.dumps(body([keys - 1, keys, keys + ODD - 1, keys + ODD, -1]))]  # nulls, and keys that are not there
    asked = odd + [each for file in files.values() for each in sample(file, SAMPLES)]
    bench.note("Answers of both servers compared before the clock starts", {"cells": compare(ours, theirs, asked)})
    for _ in range(bench.repeats):
        for entities, bodies in files.items():
            for name, server in (("ours", ours), ("Feast", theirs)):
                load = wrk(server, FEAST_PATH, bodies, connections=BESIDE_FEAST, seconds=bench.seconds)
                bench.note(f"Feast's endpoint, {entities}, {name}", load.figures(entities))


@contextmanager
def _feast(bench: Bench, folder: Path) -> Iterator[Server]:
    """Feast's server over the same table."""
    python, repository = interpreter("feast"), folder / "feast"
    words = [python, "-m", "benchmarks.online.feast_side", "--folder", str(repository)]
    words += ["--table", str(folder / "tens"), "--features", ",".join(feature_names(10))]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=MATERIALIZE_S, check=False
    )
    said = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not said:
        raise RuntimeError(f"Feast does not materialize: {done.stderr[-500:]}")
    rows = bench.sizes.tens + ODD
    bench.note("Feast's materialization to SQLite", {"rows": rows / json.loads(said[-1])["seconds"]})
    with feast_served(repository, str(Path(python).with_name("feast"))) as server:
        yield server


def _bars() -> Iterator[Bar]:
    yield ratio("native, 1 entity / empty response, requests/s", ("native, 1", "rate"), ("empty response", "rate"), at_least=0.5)  # fmt: skip  # noqa: E501
    yield value("native, 100 entities, entity rows/s", ("native, 100", "entity_rows"), at_least=250_000)
    for entities, times in TIMES.items():
        ours, theirs = (f"Feast's endpoint, {entities}, {name}" for name in ("ours", "Feast"))
        yield ratio(
            f"{entities} entities: requests/s of ours / Feast", (ours, "rate"), (theirs, "rate"), at_least=times
        )
        yield ratio(f"{entities} entities: server CPU of Feast / ours", (theirs, "cpu"), (ours, "cpu"), at_least=15)
    for work in ("native, 1", "native, 100", *(f"Feast's endpoint, {entities}, ours" for entities in TIMES)):
        yield never(f"{work}: failed", (work, "failed"))


CASE = Case(
    "serve",
    "one worker; 1M keys x 20 features natively, 64 connections; 50k keys x 10 features beside Feast, 8 connections",
    COLUMNS,
    tuple(_bars()),
    run,
    facts={"cells": "cells, all equal", "rows": "rows/s"},
)

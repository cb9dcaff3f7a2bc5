"""Kill -9 at random moments: of workers under load, of writers in the middle of publishing, of whole servers."""

import os
import random
import signal
from pathlib import Path

from benchmarks.online import data
from benchmarks.online.base import Bench, Case, never, value
from benchmarks.online.cases.refresh import WATCHED
from benchmarks.online.children import child
from benchmarks.online.processes import Server, command_of, served, settings, tree
from benchmarks.online.watched import counts, moments, published, state_of, watched

WORKERS_KILLED, ROUNDS, WRITERS_KILLED = 8, 3, 4  # writers in each round, at the end of which the server is killed
WORKERS, LONGEST_S, REPLACED_S = 2, 1.2, 20
WORKER, WRITER = "worker killed", "writer and server killed"


def run(bench: Bench) -> None:
    """Workers first, then writers and whole servers."""
    folder, keys = data.fresh(bench.folder / "kill"), bench.sizes.marks
    published(folder, keys, 1, 1)
    _kill_workers(bench, folder, keys)
    _kill_writers(bench, folder, keys)


def _kill_workers(bench: Bench, folder: Path, keys: int) -> None:
    moment, rng = moments(1, LONGEST_S), random.Random(2)
    with served(folder, workers=WORKERS) as server:
        with watched(server, folder, keys) as seen:
            for _ in range(WORKERS_KILLED):
                data.wait(0.2 + moment())
                os.kill(rng.choice(_workers(server)), signal.SIGKILL)
            _workers(server)
        state, wrong = state_of(server, keys)
    wrong_state = (state != 1) + (seen.found["newest"] != 1)
    bench.note(WORKER, {**counts(seen.found), "kills": WORKERS_KILLED, "wrong": wrong + wrong_state})


def _kill_writers(bench: Bench, folder: Path, keys: int) -> None:
    moment, last = moments(3, LONGEST_S), 1
    for _ in range(ROUNDS):
        wrong = 0
        with served(folder, workers=1) as server:
            with watched(server, folder, keys) as seen:
                for _ in range(WRITERS_KILLED):
                    promised = _killed_writer(folder, keys, last + 1, moment())
                    data.wait(0.4)  # until the worker has followed
                    last, faults = _state(server, keys, max(promised, last))
                    wrong += faults
            for each in tree(server.pid):
                os.kill(each, signal.SIGKILL)
        with served(folder, workers=1) as server:
            found, faults = state_of(server, keys)
        wrong += faults + (found != last)
        bench.note(WRITER, {**counts(seen.found), "kills": WRITERS_KILLED + 1, "wrong": wrong, "state": last})


def _killed_writer(folder: Path, keys: int, first: int, seconds: float) -> int:
    """The last generation that a writer has promised when it is killed; the one before its first if none."""
    words = ["--keys", str(keys), "--first", str(first)]
    with child("generations", words, settings(folder)) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("The writer does not start.")
        data.wait(seconds)  # the moment of the kill is what is drawn
        process.kill()
        return max((int(line) for line in process.stdout if line.strip().isdigit()), default=first - 1)


def _state(server: Server, keys: int, promised: int) -> tuple[int, int]:
    """What is served: what was promised, or what was done when the promise was not said yet."""
    found, wrong = state_of(server, keys)
    return found, wrong + (found not in (promised, promised + 1))


def _workers(server: Server) -> list[int]:
    """The processes that answer, once all of them are there again; there is one more, which cleans up after them."""
    for _ in range(REPLACED_S * 20):
        found = [each for each in tree(server.pid) if each != server.pid and "spawn_main" in command_of(each)]
        if len(found) == WORKERS:
            return found
        data.wait(0.05)
    raise RuntimeError(f"A killed worker is not replaced within {REPLACED_S} s.")


CASE = Case(
    "kill",
    "kill -9 of one of two workers, of the publisher of 10k keys and of the server, at random moments",
    {"kills": "kills", **WATCHED, "wrong": "wrong states", "state": "generations"},
    (
        *(never(f"{work}: {name}", (work, name)) for work in (WORKER, WRITER) for name in ("torn", "mixed", "wrong")),
        *(never(f"{work}: {name}", (work, name)) for work in (WORKER, WRITER) for name in ("errors", "backwards")),
        never(f"{WRITER}: broken connections", (WRITER, "broken")),
        value(f"{WORKER}: answers looked at", (WORKER, "answers"), at_least=500),
    ),
    run,
)

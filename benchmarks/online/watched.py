"""A server that is watched while something happens to it or to its store."""

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import msgspec

from benchmarks.online.children import child, result_of, told
from benchmarks.online.clients import Load, native_body, write_bodies, wrk
from benchmarks.online.processes import Server, settings
from benchmarks.online.watching import PATH, Answer, judged

CHILD_S = 300
CONNECTIONS, LOADING = 8, 16
AT_ONCE = 1_000  # entities of one request


@dataclass
class Watched:
    """What a watcher said, once it has ended."""

    found: dict[str, float] = field(default_factory=dict)


@contextmanager
def watched(server: Server, folder: Path, keys: int) -> Iterator[Watched]:
    """A watcher beside what is done inside; what it saw is there afterwards."""
    words = ["--url", server.url, "--keys", str(keys), "--connections", str(CONNECTIONS)]
    seen = Watched()
    with child("watching", words, settings(folder)) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if ready != "ready\n":
            raise RuntimeError(f"The watcher does not start: {ready}")
        yield seen
        said, _ = process.communicate(timeout=CHILD_S)  # closes its input, which ends it
        seen.found = result_of(said, process.returncode)


@contextmanager
def loaded(server: Server, folder: Path, keys: int) -> Iterator[list[Load]]:
    """Load beside what is done inside, in runs of a second; what came of them is there afterwards."""
    bodies = write_bodies(folder / "bodies" / "marks", 2_000, 1, keys, native_body("generations"))
    loads: list[Load] = []
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            loads.append(wrk(server, PATH, bodies, connections=LOADING, seconds=1, warm=0))

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield loads
        finally:
            stop.set()
        working.result(timeout=CHILD_S)


def published(folder: Path, keys: int, first: int, count: int) -> None:
    """Publish some generations, in a process of their own."""
    words = ["--keys", str(keys), "--first", str(first), "--count", str(count)]
    told("generations", words, CHILD_S, settings(folder))


def state_of(server: Server, keys: int) -> tuple[int, int]:
    """The generation of all rows that are served, and how many answers were not whole or of another."""
    last, wrong = 0, 0
    for start in range(0, keys, AT_ONCE):
        asked = range(start, min(start + AT_ONCE, keys))
        status, text = server.ask(PATH, msgspec.json.encode(native_body("generations")(asked)))
        if status != 200:
            raise RuntimeError(f"The server answers {status}: {text[:200]!r}")
        rows = [row.values for row in msgspec.json.decode(text, type=Answer).rows]
        found, faults = judged(rows, asked, last)
        wrong += bool(faults) or (start > 0 and found != last)
        last = found
    return last, wrong


def moments(seed: int, most: float) -> Callable[[], float]:
    """Random seconds up to the most there may be."""
    rng = random.Random(seed)
    return lambda: rng.uniform(0, most)


def counts(found: Mapping[str, float]) -> dict[str, float]:
    """What a watcher counts."""
    return {name: found[name] for name in ("answers", "errors", "broken", "mixed", "torn", "backwards")}

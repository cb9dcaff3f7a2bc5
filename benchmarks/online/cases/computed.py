"""What is computed at the request, and what a push takes: one after the other, so that it is the time of each."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

from benchmarks.online import data
from benchmarks.online.base import Bar, Bench, Case, Figures, never, ratio
from benchmarks.online.cases.serve import NATIVE_PATH
from benchmarks.online.clients import native_body, write_bodies, wrk
from benchmarks.online.processes import Server, served
from benchmarks.online.stores import publish_views, store_views, with_features
from benchmarks.shapes import AMOUNT, KEY, TIME

ENTITIES = (1, 100)
BULK = (1_000,)
PUSH_PATH = "/v1/push"
BODIES, ROWS = 2_000, 200_000  # requests that differ, and the most rows in them
STORED = "stored (10 features)"
SERVICES: dict[str, tuple[str, dict[str, object]]] = {
    STORED: ("narrow", {}),
    "exact windows (6)": ("windows", {}),
    "on-demand (2 stored, 2 computed)": ("request_time", {AMOUNT: 25.0}),
}


def run(bench: Bench) -> None:
    """Ask on one connection, then push on one."""
    folder = with_features(bench)
    with served(folder) as server:
        for _ in range(bench.repeats):
            for name, (service, fields) in SERVICES.items():
                _measure(bench, folder, server, name, NATIVE_PATH, native_body(service, **fields))
    folder = _pushed_to(bench)
    with served(folder) as server:
        body = _push_body(count())
        late = _push_body(count(), before=timedelta(days=1))
        for _ in range(bench.repeats):
            _measure(bench, folder, server, "push", PUSH_PATH, body)
            _measure(bench, folder, server, "push in bulk, late", PUSH_PATH, late, BULK)


def _measure(
    bench: Bench,
    folder: Path,
    server: Server,
    name: str,
    path: str,
    body: Callable[[Sequence[int]], object],
    sizes: Sequence[int] = ENTITIES,
) -> None:
    for entities in sizes:
        bodies = write_bodies(
            folder / "bodies" / f"{name}_{entities}", min(BODIES, ROWS // entities), entities, bench.sizes.tens, body
        )
        warm = 0 if path == PUSH_PATH else 1  # what is pushed twice is another thing
        load = wrk(server, path, bodies, connections=1, seconds=max(bench.seconds / 2, 1), warm=warm)
        bench.note(f"{name}, {entities}", load.figures())


def _pushed_to(bench: Bench) -> Path:
    """A folder of stores of its own, since pushes stay."""
    folder = data.fresh(bench.folder / "pushed")
    data.make_orders(folder, bench.sizes.tens, bench.sizes.orders // 10, seed=14)
    publish_views(folder, store_views(bench, folder, ("last_order", "spending"), {}))
    return folder


def _push_body(pushes: Iterator[int], before: timedelta = timedelta(hours=1)) -> Callable[[Sequence[int]], object]:
    """Orders of some users, each push a millisecond after the one before.

    Args:
        before: the present; events of a day before lie between others of the same tile.
    """

    def body(keys: Sequence[int]) -> object:
        at = data.NOW - before + timedelta(milliseconds=next(pushes))
        rows = [{KEY: key, TIME: at.isoformat(), AMOUNT: 9.5} for key in keys]
        return {"source": "orders", "rows": rows}

    return body


def _beside_stored(name: str, entities: int, *, at_most: float) -> Bar[Figures]:
    """A bar on the time of what is computed, in multiples of a stored answer for as many entities."""
    work, stored = (f"{each}, {entities}" for each in (name, STORED))
    return ratio(f"{work}: p50 / stored", (work, "p50"), (stored, "p50"), at_most=at_most)


CASE = Case(
    "computed",
    "one connection; 50k keys, 2M events in 30 days. A push is on disk and seen by a row view and an exact one",
    {"p50": "p50 ms", "p99": "p99 ms", "rate": "requests/s", "cpu": "server CPU ms/request", "failed": "failed"},
    (
        _beside_stored("on-demand (2 stored, 2 computed)", 1, at_most=7),
        _beside_stored("exact windows (6)", 1, at_most=14),
        _beside_stored("exact windows (6)", 100, at_most=12),
        _beside_stored("push", 1, at_most=50),
        *(never(f"{name}, 1: failed", (f"{name}, 1", "failed")) for name in (*SERVICES, "push")),
    ),
    run,
)

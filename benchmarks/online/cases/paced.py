"""Latency at a pace that leaves the server time: 1,000 requests a second of 10 entities."""

from benchmarks.online.base import Bench, Case, never, value
from benchmarks.online.cases.serve import NATIVE_PATH
from benchmarks.online.clients import hey, native_body, write_bodies
from benchmarks.online.processes import served
from benchmarks.online.stores import with_features

PACE, WORKERS, ENTITIES = 1_000, 8, 10  # each connection in turn, so that few requests come at one moment
WORK = "1,000 requests/s"


def run(bench: Bench) -> None:
    """A warm server, then the pace."""
    folder = with_features(bench)
    body = write_bodies(folder / "bodies" / "paced", 1, ENTITIES, bench.sizes.twenties, native_body("wide"))
    with served(folder) as server:
        for _ in range(bench.repeats):
            seconds = max(round(bench.seconds * 2), 2)
            found = hey(server, NATIVE_PATH, body, pace=PACE, workers=WORKERS, seconds=seconds)
            bench.note(WORK, vars(found))


CASE = Case(
    "paced",
    "native, 10 entities x 20 features of 1M keys, 8 connections of `hey`, one worker",
    {
        "rate": "requests/s kept",
        "p50": "p50 ms",
        "p99": "p99 ms",
        "p999": "p99.9 ms",
        "most": "max ms",
        "failed": "failed",
    },
    (
        value("p99, ms (quiet machine)", (WORK, "p99"), at_most=3),
        value("requests/s kept", (WORK, "rate"), at_least=950),
        never("failed", (WORK, "failed")),
    ),
    run,
)

"""Twenty generations published while a server of two workers is under load and every answer is looked at."""

from benchmarks.online import data
from benchmarks.online.base import Bench, Case, never, value
from benchmarks.online.processes import served
from benchmarks.online.watched import counts, loaded, published, watched

GENERATIONS = 20
SETTLED_S = 1.0  # a worker follows within a tenth of a second
WORK = "20 generations under load"
WATCHED = {
    "answers": "answers looked at",
    "errors": "not 200",
    "broken": "broken connections",
    "mixed": "mixed",
    "torn": "torn",
    "backwards": "backwards",
}


def run(bench: Bench) -> None:
    """Publish under the eyes of a watcher."""
    folder, keys = data.fresh(bench.folder / "refresh"), bench.sizes.marks
    published(folder, keys, 1, 1)
    with served(folder, workers=2) as server:
        with watched(server, folder, keys) as seen, loaded(server, folder, keys) as loads:
            published(folder, keys, 2, GENERATIONS)
            data.wait(SETTLED_S)
        found = counts(seen.found)
        behind = GENERATIONS + 1 - seen.found["oldest"]
        rate = sum(each.requests for each in loads) / sum(each.seconds for each in loads)
        failed = sum(each.failed for each in loads)
        bench.note(WORK, {**found, "behind": behind, "rate": rate, "failed": failed})


CASE = Case(
    "refresh",
    "10k keys published anew 20 times, two workers; 8 connections look at answers of 50 keys, 16 of `wrk` load",
    {**WATCHED, "behind": "generations behind at the end", "rate": "requests/s of wrk", "failed": "failed of wrk"},
    (
        *(never(name, (WORK, name)) for name in ("errors", "broken", "mixed", "torn", "backwards", "behind", "failed")),
        value("answers looked at", (WORK, "answers"), at_least=1_000),
    ),
    run,
)

"""What spines cost, in CPU seconds of one process and peak memory with the events.

    .venv/bin/python -m benchmarks.spines [case ...]

Over 5 million events of 100,000 keys in a year: every active key in 52 weeks, with 2 % late events of a known-at clock,
with keys that are text; a tenth of all events; and negatives from ten million pairs. Each figure is the median of three
processes.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from statistics import median

import numpy as np
import polars as pl

from benchmarks.children import figures_of_child
from feature_platform.compute.spines.choice import choose_rows
from feature_platform.compute.spines.every_key import every_active_key
from feature_platform.compute.spines.negatives import with_negatives
from feature_platform.ground.cadences import instants
from feature_platform.ground.clock import UTC

REPEATS, EVENTS, KEYS = 3, 5_000_000, 100_000
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = 86_400_000_000
YEAR = 365 * DAY


def every_key(events: pl.DataFrame, known_at: str | None = None, key: str = "key") -> Iterator[pl.DataFrame]:
    """Yield each key in each of 52 weeks in which it was active for 90 days."""
    grid = instants(START, START + timedelta(days=365), 7 * DAY)
    return every_active_key(events.lazy(), on=[key], event_time="at", known_at=known_at, grid=grid, active=90 * DAY)


def tenth(events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield a tenth of all events."""
    yield choose_rows(events, 0.1, ["key", "at"], "some")


def negatives(events: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield 1,000 positives, and five others of 10,000 for each."""
    some = events.head(1_000).select("key", event_timestamp="at")
    return with_negatives(some, pl.DataFrame({"key": range(10_000)}), on=["key"], ratio=5, salt="pairs")


CASES: dict[str, Callable[[pl.DataFrame], Iterator[pl.DataFrame]]] = {
    "every key, 52 weeks": every_key,
    "... with known-at, 2 % late": lambda events: every_key(events, "known"),
    "... keys are text": lambda events: every_key(events, key="name"),
    "a tenth of the events": tenth,
    "negatives, 10M pairs": negatives,
}


def make_events() -> pl.DataFrame:
    """Return the events."""
    chance = np.random.default_rng(7)
    at = START.timestamp() * 1e6 + chance.integers(0, YEAR, EVENTS)
    late = np.where(chance.random(EVENTS) < 0.02, chance.integers(0, 10 * DAY, EVENTS), 0)
    keys = pl.Series("key", chance.integers(0, KEYS, EVENTS))
    times = [pl.Series(name, each.astype(np.int64)).cast(UTC) for name, each in (("at", at), ("known", at + late))]
    return pl.DataFrame([keys, *times]).with_columns(name=pl.format("customer {}", "key"))


def main(words: list[str]) -> None:
    """Print a table of rows, CPU seconds and peak memory."""
    if words[:1] == ["--child"]:
        print(*measure(words[1]))
        return
    print("| spine | rows | CPU s | peak MB | of that the events |\n|---|---|---|---|---|")
    for name in words or CASES:
        found = [figures_of_child("spines", name) for _ in range(REPEATS)]
        seconds, peak, before = (median(each[place] for each in found) for place in (1, 2, 3))
        print(f"| {name} | {found[0][0]:,.0f} | {seconds:.2f} | {peak:,.0f} | {before:,.0f} |", flush=True)


def measure(name: str) -> tuple[int, float, float, float]:
    """Return the rows, the CPU seconds, and the peak of memory in MB at the end and with the events alone."""
    events = make_events()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    rows = sum(block.height for block in CASES[name](events))
    return rows, time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, before


if __name__ == "__main__":
    main(sys.argv[1:])

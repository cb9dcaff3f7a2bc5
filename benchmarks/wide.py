"""What columns cost: a table of many columns declared, materialized, published online and joined to a spine.

    .venv/bin/python -m benchmarks.wide [columns ...]

A source of raw events with so many numbers has one windowed view with a mean of each of them. Each width is measured in
a process of its own, in CPU seconds of all its threads, from before the declarations to the rows of the join.
"""

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import feature_platform as fp

WIDTHS = (500, 1_000, 2_000)
BAR = (2_000, 15.0)  # columns, and CPU seconds of all work together
EVENTS, KEYS, SPINE_ROWS = 2_000, 50, 10_000
START, DAYS = datetime(2024, 1, 1, tzinfo=UTC), 4
WORK = ("declare", "materialize", "publish online", "join of 10,000 rows")


def events_of(columns: int) -> pl.DataFrame:
    """Events of a few days with so many numbers."""
    chance = np.random.default_rng(7)
    step = timedelta(days=DAYS) / EVENTS
    moments = pl.datetime_range(START, START + step * (EVENTS - 1), step, time_unit="us", eager=True)
    numbers = {_name(each): chance.normal(size=EVENTS) for each in range(columns)}
    return pl.DataFrame({"thing": chance.integers(KEYS, size=EVENTS), "at": moments, **numbers})


def spine_rows() -> pl.DataFrame:
    """Keys and moments of the same days."""
    chance = np.random.default_rng(8)
    after = pl.Series(chance.integers(DAYS * 86_400, size=SPINE_ROWS) * 1_000_000).cast(pl.Duration("us"))
    return pl.DataFrame({"thing": chance.integers(KEYS, size=SPINE_ROWS), "event_timestamp": after + START})


def service_of(events: pl.DataFrame, columns: int) -> fp.FeatureService:
    """One view with a mean of each number, and a service of it."""
    source = fp.Source("events", fp.sources.Frame(events), event_time="at")

    @fp.feature_view(
        entity=fp.Entity("thing", join_keys=["thing"]),
        source=source,
        aggregations=[fp.Mean(_name(each), windows=["1d"]) for each in range(columns)],
    )
    def means(events: pl.LazyFrame) -> pl.LazyFrame:
        """The mean of each number over a day."""
        return events

    return fp.FeatureService("wide", [means])


def measure(columns: int) -> list[float]:
    """Return the CPU seconds of each kind of work."""
    events, spine, seconds = events_of(columns), spine_rows(), list[float]()

    @contextmanager
    def measured() -> Iterator[None]:
        begun = time.process_time()
        yield
        seconds.append(time.process_time() - begun)

    with tempfile.TemporaryDirectory() as folder:
        store, online = fp.OfflineStore(f"{folder}/offline"), fp.online.Lmdb(f"{folder}/online")
        with measured():
            service = service_of(events, columns)
        with measured():
            fp.materialize(service.views[0], store, START, START + timedelta(days=DAYS))
        with measured():
            fp.publish(service, store, online)
        with measured():
            joined = fp.historical_features(service, spine, store).collect()
    if joined.shape != (SPINE_ROWS, columns + 2) or not joined.height:
        raise RuntimeError(f"the join has the shape {joined.shape}")
    return seconds


def main(widths: list[int]) -> None:
    """Print the table."""
    print(f"| columns | {' | '.join(WORK)} | CPU s in all |\n|{'---|' * (len(WORK) + 2)}")
    for columns in widths:
        command = [sys.executable, "-m", "benchmarks.wide", "--one", str(columns)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
        seconds = [float(each) for each in done.stdout.split()]
        cells = " | ".join(f"{each:.2f}" for each in [*seconds, sum(seconds)])
        bar = f" (at most {BAR[1]:.0f})" if columns == BAR[0] else ""
        print(f"| {columns:,} | {cells}{bar} |", flush=True)


def _name(number: int) -> str:
    return f"x{number:04}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    match sys.argv[1:]:
        case ["--one", columns]:
            print(*measure(int(columns)))
        case given:
            main([int(each) for each in given] or list(WIDTHS))

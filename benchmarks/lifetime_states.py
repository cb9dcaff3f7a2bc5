"""What days of a view with lifetimes cost with states and without, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.lifetime_states [events ...]

Events of 100,000 customers in three years, in daily partitions: 5 million, or as many as are given. A view counts
them, sums and averages an amount and keeps the last value, over all time and over 30 days. Each run makes one day in a
process of its own, after the source was taken in: the first of all (a state is made from all events), the first that
needs the state of the next month (it is made from the one before), and three that read it, of which the median is
shown. Bytes are those that the process read of files.
"""

import resource
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.children import figures_of_child
from feature_platform.declarations.view import FeatureView
from feature_platform.pipelines.candidates import lifetime_states
from feature_platform.pipelines.materialization import materialize_asset

EVENTS, KEYS, DAYS = 5_000_000, 100_000, 3 * 365
FIRST = datetime(2022, 1, 1, tzinfo=timezone.utc)
_NEVER = 2**62


def make_events(events: int) -> pl.DataFrame:
    """Return the events in order of time."""
    rng = np.random.default_rng(0)
    at = np.sort(rng.integers(0, DAYS * 86_400, events)) * 1_000_000
    amounts = np.round(rng.lognormal(3, 1, events), 2)
    columns = {"customer": rng.integers(0, KEYS, events), "amount": amounts, "shop": rng.integers(0, 12, events)}
    time_of_events = (pl.Series("at", at) + int(FIRST.timestamp()) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(columns).with_columns(time_of_events)


def make_view(events: pl.DataFrame) -> FeatureView:
    """Return the view that is measured."""
    windows = ["30d", "lifetime"]
    return fp.feature_view(
        entity=fp.Entity("customer", join_keys=["customer"]),
        source=fp.Source("orders", fp.sources.Frame(events), event_time="at"),
        aggregations=[
            fp.Count(windows=windows),
            fp.Sum("amount", windows=windows),
            fp.Mean("amount", windows=windows),
            fp.Last("shop", windows=windows),
        ],
        name="spending",
    )(_same)


def _same(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def main(words: list[str]) -> None:
    """Print a table of CPU seconds, peaks and bytes."""
    if words[:1] == ["--child"]:
        print(*measure(*words[1:]))
        return
    print("| events | run | states | CPU s | peak MB | MB read |\n|---|---|---|---|---|---|")
    for events in map(int, words or [str(EVENTS)]):
        with TemporaryDirectory() as folder:
            figures_of_child("lifetime_states", "ingest", folder, str(events), "")
            _print_runs(folder, events)


def _print_runs(folder: str, events: int) -> None:
    days = {"the first run": ["2024-11-15"], "the first of a month": ["2024-12-15"]}
    days["a day"] = ["2024-12-16", "2024-12-17", "2024-12-18"]
    for kind, chosen in days.items():
        for states in ("with", "without"):
            figures = [figures_of_child("lifetime_states", "run", folder, day, states) for day in chosen]
            seconds, peak, read = (median(each[place] for each in figures) for place in range(3))
            print(f"| {events:,} | {kind} | {states} | {seconds:.2f} | {peak:,.0f} | {read:,.0f} |", flush=True)


def measure(what: str, folder: str, word: str, states: str) -> tuple[float, float, float]:
    """Return the CPU seconds, the peak in MB and the MB read of one run; take the source in where it says so."""
    store = fp.OfflineStore(folder)
    if what == "ingest":
        fp.materialize(make_view(make_events(int(word))).source, store)
        return 0.0, 0.0, 0.0
    view = make_view(make_events(0))
    if states == "without":
        lifetime_states.WORTH_ROWS = _NEVER
    day = datetime.fromisoformat(word).replace(tzinfo=timezone.utc)
    start, read = time.process_time(), _bytes_read()
    materialize_asset(view, store, (day, day + timedelta(days=1)), fp.Partitions()).raise_if_refused()
    seconds = time.process_time() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, (_bytes_read() - read) / 1e6


def _bytes_read() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


if __name__ == "__main__":
    main(sys.argv[1:])

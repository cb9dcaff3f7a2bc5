"""What a view over a union of two sources costs, beside the same rows in one source, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.unions [case ...]

2 million events of 20,000 customers in 60 days, in daily partitions: in one source, or every second event in another
one. Measured is a run of a row view and of a snapshot view (sum and mean of 7 days), and an exact view at 200,000
moments, from tables that are there already. Each figure is the median of three processes.
"""

import resource
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.children import figures_of_child
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.pipelines.materialization import materialize_asset

EVENTS, CUSTOMERS, DAYS, MOMENTS, REPEATS = 2_000_000, 20_000, 60, 200_000, 3
KNOWN = ", known-at"
_START, _DAY = 1_704_067_200_000_000, 86_400_000_000
_AGGREGATIONS = [fp.Sum("amount", windows=["7d"]), fp.Mean("amount", windows=["7d"])]
_customer = fp.Entity("customer", join_keys=["customer"])


def make_events() -> pl.DataFrame:
    """Make the events: who, when, known when, how much."""
    drawn = np.random.default_rng(0)
    times = np.sort(drawn.integers(_START, _START + DAYS * _DAY, EVENTS))
    who, amount = drawn.integers(0, CUSTOMERS, EVENTS), drawn.random(EVENTS)
    known = times + drawn.integers(0, 3_600_000_000, EVENTS)
    clocks = {"at": pl.Series(times).cast(UTC), "known": pl.Series(known).cast(UTC)}
    return pl.DataFrame({"customer": who, **clocks, "amount": amount})


def make_source(name: str, events: pl.DataFrame, *, known: bool) -> fp.Source:
    """Declare a source with some of the events."""
    rows = events if known else events.drop("known")
    return fp.Source(name, fp.sources.Frame(rows), event_time="at", known_at="known" if known else None)


def make_read(events: pl.DataFrame, *, parts: int, known: bool) -> fp.Source | fp.Union:
    """Declare one source of all events, or a union of several."""
    if parts == 1:
        return make_source("all", events, known=known)
    numbered = [make_source(f"part_{n}", events.gather_every(parts, n), known=known) for n in range(parts)]
    return fp.Union("events", {each.name: each for each in numbered})


def make_view(kind: str, read: fp.Source | fp.Union) -> FeatureView:
    """Declare a view of a kind."""
    if kind == "row":
        return fp.feature_view(entity=_customer, source=read, name="view")(lambda rows: rows)
    declare = fp.feature_view(
        entity=_customer,
        source=read,
        aggregations=_AGGREGATIONS,
        accuracy="exact" if kind == "exact" else "snapshot",
        name="view",
    )
    return declare(lambda rows: rows)


CASES = {
    f"{kind}{known}, {parts}": (kind, bool(known), parts)
    for kind in ("row", "snapshot", "exact")
    for known in ("", KNOWN)
    for parts in (1, 2)
}


def main(words: list[str]) -> None:
    """Print a table of CPU seconds: one source beside two, and their ratio."""
    if words[:1] == ["--child"]:
        kind, known, parts = CASES[words[1]]
        print(*measure(kind, parts, known=known))
        return
    print("| view | one source, CPU s | two as one, CPU s | ratio | peak MB |\n|---|---|---|---|---|")
    for name in dict.fromkeys(each.rpartition(", ")[0] for each in words or CASES):
        figures = [[figures_of_child("unions", f"{name}, {parts}") for parts in (1, 2)] for _ in range(REPEATS)]
        one, two = (median(each[parts][0] for each in figures) for parts in (0, 1))
        peaks = " / ".join(f"{median(each[parts][1] for each in figures):,.0f}" for parts in (0, 1))
        print(f"| {name} | {one:.2f} | {two:.2f} | {two / one:.2f} | {peaks} |", flush=True)


def measure(kind: str, parts: int, *, known: bool) -> tuple[float, float]:
    """Return the CPU seconds of one run or join, and the peak of memory in MB, with what was there before."""
    events = make_events()
    read = make_read(events, parts=parts, known=known)
    view = make_view(kind, read)
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(read, store)
        spine = events.gather_every(EVENTS // MOMENTS).select("customer", event_timestamp="at")
        fp.historical_features(make_view("exact", read), spine.head(1), store).collect()  # what is loaded once
        before = time.process_time()
        if kind == "exact":
            fp.historical_features(view, spine, store, stale="ignore").collect()
        else:
            materialize_asset(view, store, None, fp.Partitions())
        return time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])

"""What labels over windows cost beside the same windows as features, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.labels [case ...]

Sum, count, mean and largest value over 7, 14 and 28 days, of the events and moments of `benchmarks.aggregations`; with
a known-at clock one event of fifty is known up to ten days late. Each figure is the median of three processes; features
and labels are measured in turn.
"""

import resource
import sys
import time
from statistics import median

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.aggregations import REPEATS, make_events, make_spine
from benchmarks.children import figures_of_child
from feature_platform.compute.windows import window_features
from feature_platform.ground.clock import microseconds
from feature_platform.parts.aggregations import Aggregation

CASES = {"every event known at once": False, "one of fifty up to 10 days late": True}
LATENESS = "5d"


def main(words: list[str]) -> None:
    """Print a table of CPU seconds and of the ratio of labels to features."""
    if words[:1] == ["--child"]:
        print(*measure(words[1], labels=words[2] == "labels"))
        return
    print("| events | features, CPU s | labels, CPU s | ratio | peak MB |\n|---|---|---|---|---|")
    for name in words or CASES:
        pairs = [[figures_of_child("labels", name, kind) for kind in ("features", "labels")] for _ in range(REPEATS)]
        features, labels = (median(pair[place][0] for pair in pairs) for place in (0, 1))
        ratio, peak = median(own[0] / plain[0] for plain, own in pairs), median(own[1] for _, own in pairs)
        print(f"| {name} | {features:.2f} | {labels:.2f} | {ratio:.2f} | {peak:,.0f} |", flush=True)


def measure(name: str, *, labels: bool) -> tuple[float, float]:
    """Compute the windows of a case and return CPU seconds and the peak memory in MB."""
    late = CASES[name]
    spine, events = make_spine("Count", hot=False), make_events(hot=False)
    if late:
        events = events.with_columns(_known_at(events))
    asked = [kind("x", windows=["7d", "14d", "28d"]) for kind in (fp.Sum, fp.Count, fp.Mean, fp.Max)]
    aggregations: list[Aggregation] = [*asked]
    if labels:
        lateness = microseconds(LATENESS, "lateness") if late else 0
        aggregations = [each.look_ahead(start=0, lateness=lateness) for each in asked]
    start = time.process_time()
    window_features(
        spine,
        events,
        on=["key"],
        spine_time="t",
        event_time="at",
        known_at="known" if late else None,
        aggregations=aggregations,
    ).collect()
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _known_at(events: pl.DataFrame) -> pl.Expr:
    random = np.random.default_rng(7)
    days = np.where(random.random(events.height) < 0.02, random.random(events.height) * 10, 0)
    return (
        (pl.col("at").to_physical() + pl.Series((days * 86_400e6).astype(np.int64)))
        .cast(events.schema["at"])
        .alias("known")
    )


if __name__ == "__main__":
    main(sys.argv[1:])

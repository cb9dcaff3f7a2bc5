"""What windows of other shapes cost beside plain ones, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.window_shapes [shape ...]

Sum, count and mean over the events and moments of `benchmarks.aggregations`. Each figure is the median of three
processes; the plain windows are measured in turn with each shape.
"""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Unpack

import polars as pl

import feature_platform as fp
from benchmarks.aggregations import REPEATS, make_events, make_spine
from benchmarks.children import figures_of_child
from feature_platform.compute.windows import window_features
from feature_platform.parts.aggregations import Aggregation
from feature_platform.parts.aggregations.options import WindowOptions

NEW_YORK = "America/New_York"
PLAIN = "30d"


def _three(windows: Sequence[str], **options: Unpack[WindowOptions]) -> list[Aggregation]:
    return [kind("x", windows=windows, **options) for kind in (fp.Sum, fp.Count, fp.Mean)]


SHAPES: dict[str, Callable[[], list[Aggregation]]] = {
    PLAIN: lambda: _three(["30d"]),
    "where": lambda: _three(["30d"], where=pl.col("x") > 20),
    "by, 4 of 12 categories": lambda: _three(["30d"], by="text", categories=["0", "1", "2", "3"]),
    "7d and the week before": lambda: [*_three(["7d"]), *_three(["7d"], lag="7d")],
    "month_to_date in New York": lambda: _three(["month_to_date"], tz=NEW_YORK),
    "last_month in New York": lambda: _three(["last_month"], tz=NEW_YORK),
    "lifetime": lambda: _three(["lifetime"]),
    "Recency": lambda: [fp.Recency(windows=["30d"])],
}


def main(words: list[str]) -> None:
    """Print a table of CPU seconds and of ratios to the plain windows."""
    if words[:1] == ["--child"]:
        print(*measure(words[1]))
        return
    print("| windows | features | CPU s | of plain | peak MB |\n|---|---|---|---|---|")
    for name in words or SHAPES:
        pairs = [
            (figures_of_child("window_shapes", PLAIN), figures_of_child("window_shapes", name)) for _ in range(REPEATS)
        ]
        seconds, ratio = median(own[0] for _, own in pairs), median(own[0] / plain[0] for plain, own in pairs)
        features = sum(len(each.features) for each in SHAPES[name]())
        print(f"| {name} | {features} | {seconds:.2f} | {ratio:.2f} | {pairs[0][1][1]:,.0f} |", flush=True)


def measure(name: str) -> tuple[float, float]:
    """Return the CPU seconds of one call, and the peak of memory in MB, with the events."""
    events = make_events(hot=False).with_columns(pl.col("kind").cast(pl.String).alias("text"))
    spine, asked = make_spine("Count", hot=False), SHAPES[name]()
    start = time.process_time()
    window_features(spine, events, on=["key"], spine_time="t", event_time="at", aggregations=asked).collect()
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])

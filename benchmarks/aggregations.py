"""What each aggregation costs over windows of 30 days, in CPU seconds of one process.

    .venv/bin/python -m benchmarks.aggregations [name ...]

5,000,000 events of 100,000 keys in a year, in order of time; 500,000 moments. In the hot set a fifth of all events are
of one key and so are a fifth of 20,000 moments (of 1,000 where the cost grows with the length of windows). Each figure
is the median of three processes that make the events first; it holds the whole call of `window_features`, timeline and
all.
"""

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import polars as pl

import feature_platform as fp
from benchmarks.children import figures_of_child
from feature_platform.compute.windows import window_features
from feature_platform.parts.aggregations import Aggregation

EVENTS, KEYS, DAYS = 5_000_000, 100_000, 365
MOMENTS, HOT_MOMENTS, FEW_MOMENTS = 500_000, 20_000, 1_000
REPEATS = 3
BAR = 2.5
WINDOWS = ["30d"]
_FIRST = 1_704_067_200  # seconds
_UTC = pl.Datetime("us", "UTC")

ASKED: dict[str, Callable[[], Aggregation]] = {
    "Count": lambda: fp.Count(windows=WINDOWS),
    "Quantile": lambda: fp.Quantile("x", 0.5, windows=WINDOWS),
    "LastN(10)": lambda: fp.LastN("x", 10, windows=WINDOWS),
    "LastN(5, distinct)": lambda: fp.LastN("kind", 5, distinct=True, windows=WINDOWS),
    "LastN(1000, distinct)": lambda: fp.LastN("kind", 1_000, distinct=True, windows=WINDOWS),
    "FirstN(10)": lambda: fp.FirstN("x", 10, windows=WINDOWS),
    "FirstN(5, distinct)": lambda: fp.FirstN("kind", 5, distinct=True, windows=WINDOWS),
    "TopK(10)": lambda: fp.TopK("x", 10, windows=WINDOWS),
    "BottomK(10)": lambda: fp.BottomK("x", 10, windows=WINDOWS),
    "Mode": lambda: fp.Mode("kind", windows=WINDOWS),
    "Histogram(10)": lambda: fp.Histogram("kind", 10, windows=WINDOWS),
    "Skew": lambda: fp.Skew("x", windows=WINDOWS),
    "Kurtosis": lambda: fp.Kurtosis("x", windows=WINDOWS),
    "Any": lambda: fp.Any(pl.col("x") > 100, name="large", windows=WINDOWS),
}
_GROWS = ("Mode", "Histogram", "Skew", "Kurtosis")  # whose cost on a hot key grows with the length of windows


def main(words: list[str]) -> None:
    """Print a table of CPU seconds and peak memory."""
    if words[:1] == ["--child"]:
        print(*measure(words[1], hot=words[2] == "hot"))
        return
    print(f"| aggregation | CPU s | peak MB | hot key: CPU s | peak MB | bar {BAR} |\n|---|---|---|---|---|---|")
    for name in words or ASKED:
        (seconds, peak), (hot, hot_peak) = (_in_children(name, which) for which in ("even", "hot"))
        verdict = "met" if max(seconds, hot) <= BAR else "missed"
        print(f"| {name} | {seconds:.2f} | {peak:,.0f} | {hot:.2f} | {hot_peak:,.0f} | {verdict} |", flush=True)


def measure(name: str, *, hot: bool) -> tuple[float, float]:
    """Return the CPU seconds of one call, and the peak of memory in MB, with the events."""
    right, left = make_events(hot=hot), make_spine(name, hot=hot)
    asked = [ASKED[name]()]
    start = time.process_time()
    window_features(left, right, on=["key"], spine_time="t", event_time="at", aggregations=asked).collect()
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_events(*, hot: bool) -> pl.DataFrame:
    """Return the events; in the hot set every fifth or so is of key 0."""
    rng = np.random.default_rng(0)
    at = np.sort(rng.integers(0, DAYS * 86_400, EVENTS)) + _FIRST
    key = rng.integers(0, KEYS, EVENTS)
    amounts, kinds = np.round(rng.lognormal(3, 1, EVENTS), 2), rng.integers(0, 12, EVENTS).astype(np.int32)
    if hot:
        key[rng.random(EVENTS) < 0.2] = 0
    return pl.DataFrame({"key": key, "at": pl.Series(at * 1_000_000).cast(_UTC), "x": amounts, "kind": kinds})


def make_spine(name: str, *, hot: bool) -> pl.DataFrame:
    """Return the moments; in the hot set every fifth is of key 0."""
    rng = np.random.default_rng(1)
    count = (FEW_MOMENTS if name.startswith(_GROWS) else HOT_MOMENTS) if hot else MOMENTS
    t = rng.integers(40 * 86_400, (DAYS - 40) * 86_400, count) + _FIRST
    key = rng.integers(0, KEYS, count)
    if hot:
        key[::5] = 0
    return pl.DataFrame({"key": key, "t": pl.Series(t * 1_000_000).cast(_UTC)})


def _in_children(name: str, which: str) -> tuple[float, float]:
    """Return the medians of several processes."""
    figures = [figures_of_child("aggregations", name, which) for _ in range(REPEATS)]
    return median(each[0] for each in figures), median(each[1] for each in figures)


if __name__ == "__main__":
    main(sys.argv[1:])

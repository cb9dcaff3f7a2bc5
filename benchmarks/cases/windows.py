"""Exact windows at the spine's own instants."""

from benchmarks.cases.base import Case, Task, peak_gb, ratio, scaled
from benchmarks.cases.tables import events
from benchmarks.shapes import Spine, Windows

INVERTIBLE = ("count", "sum", "mean", "std")
ALL = (*INVERTIBLE, "min", "max", "distinct", "median")


def case(scale: float) -> Case:
    """The invertible aggregations against prefix sums by hand, all of them against DuckDB."""
    happened = events(scale)
    keys = happened.keys * 101 // 100
    spine = Spine("windows_spine", rows=scaled(1_000_000, scale), keys=keys, seed=301)
    return Case(
        "windows",
        "windows of 1, 7 and 30 days over 50M events of 100k keys, 1M spine rows",
        (
            Task("invertible", Windows(spine, happened, INVERTIBLE), ("ours", "raw"), "windows"),
            Task("all", Windows(spine, happened, ALL), ("ours", "duckdb"), "windows"),
        ),
        (
            ratio(
                "invertible: wall of ours / by hand", "wall", ("invertible", "ours"), ("invertible", "raw"), at_most=1.2
            ),
            ratio("all: wall of DuckDB / ours", "wall", ("all", "duckdb"), ("all", "ours"), at_least=1.3),
            peak_gb(("all", "ours"), at_most=4),
        ),
    )

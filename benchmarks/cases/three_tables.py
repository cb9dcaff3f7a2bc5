"""A join with more than one table."""

from benchmarks.cases.base import Case, Task, peak_gb, ratio
from benchmarks.cases.tables import spine_of, wide
from benchmarks.shapes import Join


def case(scale: float) -> Case:
    """1M spine rows and three tables."""
    work = Join(spine_of(1, scale), tuple(wide(number, scale) for number in (1, 2, 3)))
    return Case(
        "three_tables",
        "1M spine rows x three tables of 20M rows of 8 features, TTL 30 days",
        (Task("join", work, ("ours", "raw", "duckdb"), "three_tables"),),
        (
            ratio("wall of ours / raw Polars", "wall", ("join", "ours"), ("join", "raw"), at_most=1.2),
            ratio("wall of DuckDB / ours", "wall", ("join", "duckdb"), ("join", "ours"), at_least=1.5),
            peak_gb(("join", "ours"), at_most=2.5),
        ),
    )

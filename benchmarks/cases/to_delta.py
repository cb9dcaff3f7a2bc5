"""A join whose answer is larger than what is held in memory."""

from benchmarks.cases.base import Case, Task, peak_gb, ratio
from benchmarks.cases.tables import spine_of, wide
from benchmarks.shapes import Join

ANSWER = "ten_million"


def work(scale: float) -> Join:
    """10M spine rows, the answer to disk."""
    return Join(spine_of(10, scale), (wide(1, scale),), stored=True)


def case(scale: float) -> Case:
    """The answer in the order of the spine into Delta; the peers write Parquet in any order."""
    return Case(
        "to_delta",
        "10M spine rows x 20M rows of 8 features, TTL 30 days, the answer to Delta (peers: to Parquet)",
        (Task("join", work(scale), ("ours", "raw", "duckdb"), ANSWER),),
        (
            peak_gb(("join", "ours"), at_most=1.2),
            ratio("wall of ours / DuckDB", "wall", ("join", "ours"), ("join", "duckdb"), at_most=0.9),
        ),
    )

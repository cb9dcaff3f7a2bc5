"""The join that is larger than memory, in 1 GB."""

from benchmarks.cases import to_delta
from benchmarks.cases.base import GB, Bar, Case, Task


def case(scale: float) -> Case:
    """Ours under the limit; DuckDB, without one, says what the answer is."""
    task = Task("join", to_delta.work(scale), ("ours", "duckdb"), to_delta.ANSWER, limit=GB)
    return Case(
        "one_gigabyte",
        "10M spine rows x 20M rows of 8 features to Delta, ours in a process that may hold 1 GB",
        (task,),
        (Bar("share of runs that complete", lambda figures: figures.completed("join", "ours"), at_least=1),),
    )

"""The join that the Feast baseline measures."""

from benchmarks.cases.base import Case, Task, ratio, scaled
from benchmarks.shapes import Join, SharedTable, Spine

SEED = 7


def case(scale: float) -> Case:
    """1M spine rows, 5M rows of 10 features, 50k keys, TTL 30 days."""
    keys, spine_rows = scaled(50_000, scale), scaled(1_000_000, scale)
    columns = tuple(f"f{number}" for number in range(10))
    table = SharedTable("shared", rows=scaled(5_000_000, scale), keys=keys, columns=columns, seed=SEED)
    spine = Spine("shared_spine", rows=spine_rows, keys=keys, seed=SEED + spine_rows)
    return Case(
        "shared",
        "1M spine rows x 5M rows of 10 features, TTL 30 days, on Delta",
        (Task("join", Join(spine, (table,)), ("ours", "raw", "duckdb", "feast"), "shared"),),
        (
            ratio("wall of Feast / ours", "wall", ("join", "feast"), ("join", "ours"), at_least=3),
            ratio("peak RSS of ours / Feast", "peak", ("join", "ours"), ("join", "feast"), at_most=0.6),
            ratio("wall of ours / raw Polars", "wall", ("join", "ours"), ("join", "raw"), at_most=1.3),
        ),
    )

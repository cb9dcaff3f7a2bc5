"""How the cost of a join grows with the rows of its table."""

from itertools import pairwise

from benchmarks.cases.base import Case, Task, ratio, scaled
from benchmarks.shapes import Join, Spine, Table

MILLIONS = (1, 2, 5, 10, 20, 50)


def case(scale: float) -> Case:
    """From step to step, time may grow no faster than rows."""
    return Case(
        "growth",
        "1M spine rows x 1M to 50M rows of 2 features, TTL 30 days",
        tuple(Task(f"{size}M", _join(size, scale), ("ours", "raw"), f"growth_{size}m") for size in MILLIONS),
        tuple(
            ratio(
                f"wall at {large}M / at {small}M rows",
                "wall",
                (f"{large}M", "ours"),
                (f"{small}M", "ours"),
                at_most=large / small,
            )
            for small, large in pairwise(MILLIONS)
        ),
    )


def _join(millions: int, scale: float) -> Join:
    keys = scaled(100_000, scale)
    rows = scaled(millions * 1_000_000, scale)
    table = Table(f"growth_{millions}m", rows=rows, keys=keys, columns=("a", "b"), seed=400 + millions)
    spine = Spine("growth_spine", rows=scaled(1_000_000, scale), keys=keys * 101 // 100, seed=400)
    return Join(spine, (table,))

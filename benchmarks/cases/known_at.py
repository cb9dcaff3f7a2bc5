"""What it costs to ask when a row became known."""

from benchmarks.cases.base import Case, Task, ratio
from benchmarks.cases.tables import spine_of, wide
from benchmarks.shapes import Join


def case(scale: float) -> Case:
    """The same rows with and without their known-at clock."""
    spine, table = spine_of(1, scale), wide(1, scale)
    return Case(
        "known_at",
        "1M spine rows x 20M rows of 8 features, TTL 30 days, without and with a known-at clock",
        (
            Task("plain", Join(spine, (table,)), ("ours", "raw"), "plain"),
            Task("known_at", Join(spine, (table,), known=True), ("ours", "raw"), "known_at"),
        ),
        (ratio("wall with / without known-at", "wall", ("known_at", "ours"), ("plain", "ours"), at_most=1.5),),
    )

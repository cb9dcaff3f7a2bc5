"""What one new day costs after a year."""

from benchmarks.cases.base import Case, Task, ratio
from benchmarks.cases.tables import events
from benchmarks.shapes import Publish


def case(scale: float) -> Case:
    """Source and view, daily partitions; by hand is one group-by over the last 30 days of Parquet."""
    happened = events(scale)
    year, day = Publish(happened, 0, 365, fresh=True), Publish(happened, 365, 366, fresh=False)
    return Case(
        "new_day",
        "count and mean over 1, 7 and 30 days, published for a year of 50M events, then for one day more",
        (Task("year", year, ("ours",), "day_365"), Task("day", day, ("ours", "raw"), "day_366")),
        (ratio("wall of the year / the day", "wall", ("year", "ours"), ("day", "ours"), at_least=50),),
    )

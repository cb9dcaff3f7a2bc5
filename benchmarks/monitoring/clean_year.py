"""False alarms: a year in which nothing is wrong, judged day by day."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.monitoring.replay import REFERENCE, Alerts, Replay
from benchmarks.monitoring.world import make_world
from benchmarks.report import table
from feature_platform.compute.profiles.counting import profile_of
from feature_platform.declarations.drift_rule import DriftRule


@dataclass(frozen=True)
class Year:
    """What a clean year came to.

    Attributes:
        differences: scores above their threshold in single windows.
        alerts: day, column and metrics of each alert.
        volume: days whose number of rows was called unusual.
    """

    seed: int
    columns: int
    rows: int
    days: int
    scores: int
    differences: int
    alerts: Sequence[tuple[int, str, str]]
    volume: int


def clean_year(seed: int, columns: int = 200, rows: int = 2000, days: int = 365, rule: DriftRule | None = None) -> Year:
    """Go through a year of a world after its first 90 days."""
    replay = Replay(make_world(seed, columns, rows, REFERENCE + days), rule or DriftRule())
    replay.begin()
    alerts, scores, differences, volume = Alerts(replay.rule), 0, 0, 0
    for at in range(REFERENCE, REFERENCE + days):
        day = profile_of(replay.world.day(at), replay.layouts)
        found = replay.judged(at, day)
        volume += replay.volume(at, int(replay.world.volume[at]))
        replay.days.append(day)
        replay.days[at - REFERENCE] = {}  # no longer needed
        alerts.take(at, found)
        scores += found["score"].count()
        differences += int(found["drifted"].sum())
    return Year(seed, columns, rows, days, scores, differences, alerts.raised, volume)


def year_table(years: Sequence[Year]) -> str:
    """A row for each year."""
    head = ("seed", "columns", "rows a day", "scores", "single differences", "alerts", "unusual volumes")
    rows = [
        (
            str(each.seed),
            str(each.columns),
            f"{each.rows:,}",
            f"{each.scores:,}",
            str(each.differences),
            str(len(each.alerts)),
            str(each.volume),
        )
        for each in years
    ]
    return table(head, rows)

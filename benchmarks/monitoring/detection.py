"""Detection: faults planted in one world after another, whether they are found, and after how many days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.monitoring.faults import FAULTS, Fault, Planting
from benchmarks.monitoring.replay import REFERENCE, Alerts, Replay
from benchmarks.monitoring.world import World, make_world
from benchmarks.report import table
from feature_platform.compute.drift.between import checked_columns
from feature_platform.compute.profiles.counting import profile_of
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.ground.errors import WrongColumnType

COLUMNS = 18  # of a world: two of each shape
DAYS = 60  # after the reference
_CATEGORIES = ("category",)


@dataclass(frozen=True)
class Found:
    """What came of one fault at one size.

    Attributes:
        tries: how often it was planted, in another column each time.
        delays: days from the first with the fault to the alert, of those that were found; 0 is at once.
    """

    fault: Fault
    rows: int
    tries: int
    delays: Sequence[int]

    @property
    def share(self) -> float:
        """Of the tries that were found."""
        return len(self.delays) / max(self.tries, 1)


def detection(
    seeds: Sequence[int], rows: int, faults: Sequence[Fault] = FAULTS, rule: DriftRule | None = None
) -> list[Found]:
    """Plant every fault once in every column it fits, in a world for each seed."""
    worlds = [_begun(seed, rows, rule or DriftRule()) for seed in seeds]
    found = []
    for fault in faults:
        outcomes = [_outcome(replay, fault, at) for replay in worlds for at in _places(replay.world, fault)]
        found.append(Found(fault, rows, len(outcomes), [each for each in outcomes if each is not None]))
    return found


def _begun(seed: int, rows: int, rule: DriftRule) -> Replay:
    replay = Replay(make_world(seed, COLUMNS, rows, REFERENCE + DAYS), rule)
    replay.begin()
    return replay


def _places(world: World, fault: Fault) -> list[int]:
    fits = [at for at, each in enumerate(world.columns) if (each.shape in _CATEGORIES) == (fault.kind == "category")]
    return [at for at in fits if world.columns[at].shape != "flag"] if fault.seen_by != "volume" else fits[:1]


def _outcome(begun: Replay, fault: Fault, at: int) -> int | None:
    """Days from the first with the fault to the alert; None when there is none in time."""
    world = begun.world
    column, other = world.columns[at].name, world.columns[_partner(world, at)].name
    watched = [column, other] if fault.both else [column]
    replay = Replay(world, begun.rule, fault.fixed, watched, list(begun.days), begun.layouts)
    alerts, rng = Alerts(begun.rule), np.random.default_rng((world.seed, at))
    for day in range(fault.patience):
        now = REFERENCE + day
        clean = world.day(now, [column, other])
        planted = fault.plant(Planting(clean, column, other, day, rng))
        if _noticed(replay, fault, now, clean, planted, alerts):
            return day
    return None


def _noticed(replay: Replay, fault: Fault, at: int, clean: pl.DataFrame, planted: pl.DataFrame, alerts: Alerts) -> bool:
    if fault.seen_by == "volume":
        return replay.volume(at, planted.height)
    if fault.seen_by == "schema":
        try:
            checked_columns(clean.schema, planted.schema, None, None)
        except WrongColumnType:
            return True
        return False
    day = profile_of(planted, {name: replay.layouts[name] for name in replay.names})
    replay.days.append(day)
    return bool(alerts.take(at, replay.judged(at, day)))


def _partner(world: World, at: int) -> int:
    """Another column whose values could be taken for this one's: a number for a number."""
    numbers = [n for n, each in enumerate(world.columns) if each.shape not in ("category", "flag") and n != at]
    return numbers[at % len(numbers)]


def detection_table(found: Sequence[Found]) -> str:
    """A row for each fault, a column for each size: the share found, and the middle delay in partitions."""
    sizes = sorted({each.rows for each in found})
    by = {(each.fault.title, each.rows): each for each in found}
    rows = [
        (
            fault.title,
            *(_told(by[fault.title, each]) for each in sizes),
            "" if fault.bar is None else f"{fault.bar:.0%}",
        )
        for fault in FAULTS
        if (fault.title, sizes[0]) in by
    ]
    return table(("fault", *(f"{size:,} rows" for size in sizes), "bar"), rows)


def _told(found: Found) -> str:
    delay = f", {np.median(found.delays):g}" if found.delays else ""
    return f"{found.share:.0%} of {found.tries}{delay}"

"""A replay: day after day through the platform's own profiles, thresholds and decisions, as a monitored asset goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from benchmarks.monitoring.world import World
from feature_platform.compute.drift.reference import Reference, Thresholds
from feature_platform.compute.drift.scores import score_columns
from feature_platform.compute.profiles.counting import layouts_of, profile_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.compute.watches.volume import Count, judge_volume
from feature_platform.declarations.drift_rule import DriftRule

REFERENCE = 90  # days
QUIET = 3  # windows without a difference, after which a new one is a new alert

Day = Mapping[str, ColumnProfile]


@dataclass
class Replay:
    """A world's history so far.

    Attributes:
        days: the profiles of each day; the newest `REFERENCE` are what the next one is compared with.
        fixed: whether the first reference stays instead.
        only: the columns that are watched; all of the world's when None.
    """

    world: World
    rule: DriftRule = field(default_factory=DriftRule)
    fixed: bool = False
    only: Sequence[str] | None = None
    days: list[Day] = field(default_factory=list)
    layouts: dict[str, Layout] = field(default_factory=dict)
    thresholds: dict[str, Thresholds] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The columns that are watched."""
        return [each.name for each in self.world.columns] if self.only is None else list(self.only)

    def begin(self) -> None:
        """Profile the first reference; layouts come from some of its days."""
        some = pl.concat([self.world.day(at) for at in range(0, REFERENCE, 7)], how="vertical_relaxed")
        self.layouts = layouts_of(some, self.names)
        self.days = [profile_of(self.world.day(at), self.layouts) for at in range(REFERENCE)]

    def references(self, at: int) -> dict[str, Reference]:
        """What a day is compared with."""
        first = 0 if self.fixed else at - REFERENCE
        settled = REFERENCE if self.fixed else at - self.rule.sustained[1]  # the days right before teach nothing yet
        kept = range(first, settled)
        return {
            name: Reference(self.layouts[name], [self.days[day][name] for day in kept], [day % 7 for day in kept])
            for name in self.names
        }

    def judged(self, at: int, day: Day) -> pl.DataFrame:
        """The scores of a day; the thresholds of a reference that stays are learnt once, others anew each day."""
        references = self.references(at)
        if not self.fixed or not self.thresholds:
            self.thresholds = {name: each.thresholds(self.rule) for name, each in references.items()}
        return score_columns(references, day, self.rule, self.thresholds, at % 7)

    def volume(self, at: int, rows: int) -> bool:
        """Whether the number of rows is unusual."""
        kept = range(0 if self.fixed else at - REFERENCE, REFERENCE if self.fixed else at)
        before = [Count(next(iter(self.days[day].values())).rows, day % 7) for day in kept]
        return bool(judge_volume(rows, at % 7, before, None).wrong)


@dataclass
class Alerts:
    """Which columns have an open alert, by the rule "k of m windows, or certain in one"."""

    rule: DriftRule
    seen: dict[str, list[bool]] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    raised: list[tuple[int, str, str]] = field(default_factory=list)

    def take(self, at: int, scores: pl.DataFrame) -> list[str]:
        """The columns that raise an alert with this day."""
        needed, of = self.rule.sustained
        found = []
        for (name,), rows in scores.group_by("column", maintain_order=True):
            differs, certain = bool(rows["drifted"].any()), bool(rows["certain"].any())
            recent = [*self.seen.get(str(name), []), differs][-of:]
            self.seen[str(name)] = recent
            if certain or (differs and sum(recent) >= needed):
                if at - self.open.get(str(name), -QUIET - 1) > QUIET:
                    found.append(str(name))
                    metrics = rows.filter(pl.col("drifted").fill_null(value=False))["metric"].to_list()
                    self.raised.append((at, str(name), ", ".join(metrics)))
                self.open[str(name)] = at
        return found

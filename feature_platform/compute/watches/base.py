"""The contract of a watch: it sees the summaries of a partition and of earlier ones, and says what is wrong with it.

A watch is pure and never sees rows. Where there is too little to compare with, it answers that data is insufficient. It
never alarms about what earlier partitions show themselves.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import polars as pl

from feature_platform.compute.drift.reference import LEAST_WINDOWS
from feature_platform.compute.watches.calendar import Calendar
from feature_platform.ground.findings import FindingKind, Severity

LEAST_EARLIER = LEAST_WINDOWS  # partitions; with fewer it is not known what is usual
LEAST_VALUES = 30  # of a column; with fewer its share of anything is chance
UNLIKELY = 1e-4  # a chance that does not occur in a year of days and a hundred columns, unless something is wrong
ROWS = ""  # the column of summaries that tells of the rows as such


@dataclass(frozen=True)
class Summary:
    """The summary of one column of one partition; numbers that are not known are NaN.

    Attributes:
        duplicates: of the rows as such: those beyond the first of their identity; None when they were not counted.
        true_share: the share of true among the values of a Boolean.
        top_share: the share of the most frequent value or bin among the values.
    """

    partition: str
    dtype: str
    rows: int
    nulls: int
    nans: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    distinct: float
    duplicates: int | None
    true_share: float
    top_share: float

    @property
    def values(self) -> int:
        """Return how many rows have a value."""
        return self.rows - self.nulls - self.nans

    @property
    def is_single(self) -> bool | None:
        """Tell whether all values are the same.

        The extremes tell it for numbers whose different values are not counted; None when nothing does.
        """
        if self.distinct >= 1:
            return self.distinct == 1
        return None if math.isnan(self.lowest) else self.lowest == self.highest

    @property
    def missing_share(self) -> float:
        """Return the share of rows without a value; NaN without rows."""
        return (self.nulls + self.nans) / self.rows if self.rows else math.nan


_COUNTS = ("rows", "nulls", "nans")
_NUMBERS = ("mean", "deviation", "lowest", "highest", "distinct", "true_share", "top_share")


@dataclass(frozen=True, eq=False)
class Observation:
    """The summaries that a watch sees.

    Attributes:
        history: the summaries of earlier partitions in order of time: one row for each partition and column, and one
            with the column `""` that tells of the rows as such (`rows`, `duplicates`, and `sketch` of the entity
            keys). Columns: partition, column, dtype, rows, nulls, nans, infinities, lowest, highest, mean, deviation,
            median, distinct, duplicates, sketch; `true_share` and `top_share` where they are known.
        current: those of the current partition, with the same columns.
        seasons: of each partition; partitions of one season are alike, None is a season like any other.
        partition: the current one.
        taught: of columns for which not every earlier partition says what is usual, those that do, in order of time:
            what alarmed does not. The history has no other rows of these columns.
        calendar: how many rows partitions have, for more months than the summaries go back; None where partitions are
            longer than a day.
    """

    history: pl.DataFrame
    current: pl.DataFrame
    seasons: Mapping[str, Hashable]
    partition: str
    taught: Mapping[str, Sequence[str]] = field(default_factory=dict)
    calendar: Calendar | None = None

    @cached_property
    def columns(self) -> Mapping[str, Summary]:
        """Return the columns of the current partition, in order of their names."""
        return {name: self._now[name][0] for name in sorted(self._now) if name != ROWS}

    @cached_property
    def earlier(self) -> Sequence[str]:
        """Return the earlier partitions in order of time."""
        return self.history["partition"].unique(maintain_order=True).to_list()

    @property
    def newest(self) -> str | None:
        """Return the newest earlier partition; None when there is none."""
        return self.earlier[-1] if self.earlier else None

    def newest_of(self, column: str) -> str | None:
        """Return the newest earlier partition that says what is usual of a column; None when there is none."""
        if column not in self.taught:
            return self.newest
        return self.taught[column][-1] if self.taught[column] else None

    def columns_of(self, earlier: str) -> dict[str, Summary]:
        """Return the columns of an earlier partition."""
        summaries = _summaries(self.history.filter(pl.col("partition") == earlier))
        return {name: each[0] for name, each in summaries.items() if name != ROWS}

    def now(self, column: str) -> Summary | None:
        """Return the summary of a column of the current partition."""
        return self._now[column][0] if column in self._now else None

    def before(self, column: str) -> Sequence[Summary]:
        """Return the summaries of a column in the earlier partitions that have it, in order of time."""
        return self._before.get(column, [])

    def of_its_season(self, before: Sequence[Summary]) -> list[Summary]:
        """Return the summaries whose partition has the season of the current partition."""
        season = self.seasons.get(self.partition)
        return [each for each in before if self.seasons.get(each.partition) == season]

    def too_little(self, before: Sequence[Summary]) -> str | None:
        """Return why some earlier summaries say nothing about this partition; None when they do.

        Too few do not, and a first Sunday is not held against weekdays.
        """
        if len(before) < LEAST_EARLIER:
            return f"only {partitions_in_words(len(before))} before it could be compared"
        return None if self.of_its_season(before) else "no earlier partition is of its season"

    def alike(self, rows: int, usual: Sequence[tuple[float, int]]) -> float:
        """Return how many of some rows tell as much as one, since rows of one key are alike; 1 in a table without keys.

        As many as the shares of earlier partitions say that differ by more than the chance of as many rows, and no more
        than a key has.

        Args:
            rows: of the current partition.
            usual: a share of each earlier partition, and of how many rows.
        """
        table, many = self.now(ROWS), sum(each for _, each in usual)
        keys = 0.0 if table is None or math.isnan(table.distinct) else table.distinct
        if not keys or rows <= keys or not many:
            return 1.0
        middle = sum(share * each for share, each in usual) / many
        if not 0 < middle < 1 or len(usual) < LEAST_EARLIER:
            return 1.0
        apart = sum((share - middle) ** 2 * each for share, each in usual) / (len(usual) - 1)
        return min(max(apart / (middle * (1 - middle)), 1.0), rows / keys)

    @cached_property
    def _now(self) -> dict[str, list[Summary]]:
        return _summaries(self.current)

    @cached_property
    def _before(self) -> dict[str, list[Summary]]:
        return _summaries(self.history)


@dataclass(frozen=True)
class WatchResult:
    """What a watch says about the table (column None) or about one column.

    Attributes:
        wrong: None when there is too little to say.
        score: what was found, in the words of `measure`; `threshold` is where it would be wrong.
        severity: how bad it is when it is wrong.
        compared_to: what it was held against, in words.
        evidence: one plain sentence with numbers.
    """

    column: str | None
    wrong: bool | None
    score: float | None
    threshold: float | None
    severity: Severity
    measure: str
    compared_to: str
    evidence: str


class Watch(ABC):
    """One kind of problem that is looked for in every table.

    Attributes:
        kind: as it stands in tables and alerts.
        description: what it sees, in one sentence.
    """

    kind: ClassVar[FindingKind]
    description: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def look(self, observation: Observation) -> list[WatchResult]:
        """Return results about the table, or about each column that it applies to, by name of the column."""


def insufficient_data(column: str | None, severity: Severity, measure: str, why: str) -> WatchResult:
    """Return the result of a watch that has too little data to judge."""
    return WatchResult(column, None, None, None, severity, measure, "earlier partitions", f"Insufficient data: {why}.")


def partitions_in_words(many: int) -> str:
    """Return a number of partitions in words.

    >>> partitions_in_words(1), partitions_in_words(12)
    ('1 partition', '12 partitions')
    """
    return "1 partition" if many == 1 else f"{many:,} partitions"


def format_share(share: float) -> str:
    """Format a share in percent, with enough digits to tell it from none and from all.

    >>> format_share(0.25), format_share(0.0004), format_share(1.0), format_share(0.99999)
    ('25%', '0.04%', '100%', '99.999%')
    """
    return f"{100 * share:.3g}%" if share < 0.99 or share == 1 else f"{100 * share:.5g}%"


def format_number(value: float) -> str:
    """Format a number with four significant digits, and commas.

    >>> format_number(12_345.6), format_number(0.0012345), format_number(3.0)
    ('12,350', '0.001234', '3')
    """
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e15 else f"{rounded:.4g}"


def _summaries(rows: pl.DataFrame) -> dict[str, list[Summary]]:
    """Return the summaries of each column, in the order of the rows."""
    known = [pl.col(name).fill_null(0) for name in _COUNTS]
    numbers = [_optional(rows, name).fill_null(math.nan).alias(name) for name in _NUMBERS]
    plain = rows.select("column", "partition", pl.col("dtype").fill_null(""), *known, *numbers, "duplicates")
    by_column: dict[str, list[Summary]] = {}
    for column, partition, dtype, *counts, duplicates in plain.iter_rows():
        fields = dict(zip((*_COUNTS, *_NUMBERS), counts, strict=True))
        by_column.setdefault(column, []).append(Summary(partition, dtype, duplicates=duplicates, **fields))
    return by_column


def _optional(rows: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64) if name in rows.columns else pl.lit(None, dtype=pl.Float64)

"""Segments of alarms: rows of a partition and of some before it, read only after something alarmed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.segments import MOST_VALUES, segment_in_words
from feature_platform.compute.profiles.counting import sample_rows
from feature_platform.ground.clock import shift_moment
from feature_platform.ground.findings import NUMERIC, FindingKind
from feature_platform.ground.working_columns import WINDOW
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.monitoring.judging.teaching import Teaching
from feature_platform.monitoring.judging.versions import thing_of
from feature_platform.offline.names import WHOLE

_BEFORE = 28  # earlier partitions, of which every other one is read: each weekday twice
_ROWS = 50_000  # of each side, about
_READ_ROWS = 1_000_000  # of earlier partitions, where more than one is read; the sample comes from them
_BY = 8  # columns that separate rows, at most
_ALARMS = 20  # columns and windows of one partition whose place is looked for, at most


def locate_alarms(
    snapshot: TableSnapshot, key: str, rows: pl.DataFrame, summaries: pl.DataFrame, teaching: Teaching
) -> pl.DataFrame:
    """Return the answers about a partition, with the segment in the evidence of alarms that sit in one.

    Nothing is read without an alarm about numbers, nor for a table without partitions.

    Args:
        rows: in columns of `JUDGED`.
        summaries: of the partition, with how many different values its columns have.
    """
    numbers = [name for name, dtype in snapshot.types.items() if dtype.is_numeric()]
    alarming = rows.filter(pl.col("alarm"), pl.col("kind").is_in(NUMERIC), pl.col("column").is_in(numbers))
    if key == WHOLE or alarming.is_empty():
        return rows
    by = _segmenting(snapshot, summaries)
    things = alarming.select("kind", "column", "window").unique(maintain_order=True).head(_ALARMS)
    sides = _Sides(snapshot, sorted({*things["column"], *by}))
    places = [_locate(sides, key, kind, column, window, by, teaching) for kind, column, window in things.iter_rows()]
    located = things.with_columns(place=pl.Series(places, dtype=pl.String))
    joined = rows.join(located, on=things.columns, how="left", nulls_equal=True, maintain_order="left")
    spoken = pl.col("evidence").str.strip_chars_end(".") + "; " + pl.col("place")
    worded = pl.when(pl.col("alarm") & pl.col("place").is_not_null()).then(pl.coalesce(spoken, "place"))
    return joined.with_columns(evidence=worded.otherwise("evidence")).select(rows.columns)


def _segmenting(snapshot: TableSnapshot, summaries: pl.DataFrame) -> list[str]:
    """Return the columns with few values, in the order of the table.

    The rows that are read later give the exact count.
    """
    counted = dict(summaries.select("column", "distinct").iter_rows())
    few = [
        name
        for name, dtype in snapshot.types.items()
        if (dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean))
        and (counted.get(name) is None or 1 <= counted[name] <= MOST_VALUES)
    ]
    return few[:_BY]


@dataclass
class _Sides:
    """The rows of partitions that alarms of one partition are about; what several need is read once."""

    snapshot: TableSnapshot
    columns: Sequence[str]
    _read: dict[tuple[str, ...], pl.DataFrame] = field(default_factory=dict)

    def rows(self, keys: Sequence[str]) -> pl.DataFrame:
        """Return some rows of partitions, always the same ones, with the window of each where there are windows."""
        if tuple(keys) not in self._read:
            windows = [] if self._every is None else [self.snapshot.window(self._every).alias(WINDOW)]
            chosen = [self.snapshot.rows([key]).select(*self.columns, *windows) for key in keys]
            self._read[tuple(keys)] = sample_rows(pl.concat(chosen), _ROWS)
        return self._read[tuple(keys)]

    def now(self, key: str, window: datetime | None) -> pl.DataFrame:
        """Return the rows that an alarm is about."""
        if window is None or self._every is None:
            return self.rows([key])
        keys = [each for each in self.snapshot.between(window, shift_moment(window, self._every)) if each <= key]
        return self.rows(keys or [key]).filter(pl.col(WINDOW) == window)

    @property
    def _every(self) -> int | None:
        monitor = self.snapshot.monitor
        return None if monitor is None else monitor.every_us(self.snapshot.grid.grain)


def _locate(
    sides: _Sides, key: str, kind: str, column: str, window: datetime | None, by: Sequence[str], teaching: Teaching
) -> str | None:
    earlier = [*_fitting(sides.snapshot, _usual(sides.snapshot, key, kind, column, teaching))]
    if not earlier:
        return None
    return segment_in_words(sides.rows(sorted(earlier)), sides.now(key, window), column, by)


def _usual(snapshot: TableSnapshot, key: str, kind: str, column: str, teaching: Teaching) -> Sequence[str]:
    """Return some of the newest partitions that say what is usual of a column, the newest first.

    Those by which a lasting difference is still judged do not count yet. A reference that does not trail has its own.
    """
    monitor = snapshot.monitor
    if monitor is not None and kind == FindingKind.DRIFT and (not monitor.trailing or monitor.season is not None):
        inside = snapshot.between(*monitor.range_of(*snapshot.bounds(key)))
        usual: Sequence[str] = teaching.healthy([each for each in inside if each < key], key)
    else:
        unsettled = _unsettled_partitions(snapshot, key)
        near, special = teaching.partitions(key, _BEFORE + len(unsettled))
        usual = [each for each in special.get(thing_of(kind, column), near) if each not in unsettled]
    return list(usual[-_BEFORE:][::-2])


def _unsettled_partitions(snapshot: TableSnapshot, key: str) -> Sequence[str]:
    """Return the partitions right before one, by which a difference that lasts is still judged."""
    monitor, low = snapshot.monitor, snapshot.bounds(key)[0]
    if monitor is None:
        return []
    length = monitor.every_us(snapshot.grid.grain) * monitor.rule.sustained[1]
    return [each for each in snapshot.between(shift_moment(low, -length), low) if each < key]


def _fitting(snapshot: TableSnapshot, keys: Sequence[str]) -> Iterator[str]:
    """Yield the first partitions that together have no more rows than may be read; at least one."""
    left = _READ_ROWS
    for at, key in enumerate(keys):
        left -= snapshot.states[key].rows
        if left < 0 and at:
            return
        yield key

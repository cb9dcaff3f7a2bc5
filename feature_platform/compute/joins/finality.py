"""Finality: from when on a label cannot change any more, told by the data that is read and never by the clock.

A label is final when its window lies in an unbroken stretch of the data, and so does the time for which its events may
come late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_platform.compute.joins.base import Flags, Join, JoinAnswer
from feature_platform.compute.joins.codes import Whole
from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.compute.keys.join_keys import has_whole_key
from feature_platform.declarations.naming import LABEL_KNOWN_AT
from feature_platform.ground.clock import UTC

NOT_COVERED = -(2**63)  # before every moment


@dataclass(frozen=True)
class Coverage:
    """Of which time a table at one version has all events.

    Attributes:
        table: its name and version, as people know it.
        stretches: `[start, end)` in microseconds, in order, with gaps between them.
    """

    table: str
    stretches: tuple[tuple[int, int], ...]

    @property
    def covered_to(self) -> int | None:
        """Return the end of the last stretch; None without one."""
        return self.stretches[-1][1] if self.stretches else None

    def until(self, moments: Whole) -> Whole:
        """Return the end of the stretch that each moment is in; `NOT_COVERED` outside of all.

        >>> Coverage("orders@1", ((0, 10), (20, 30))).until(np.array([5, 15, 20, 30])).tolist()[::2]
        [10, 30]
        """
        starts = np.array([start for start, _ in self.stretches], dtype=np.int64)
        ends = np.array([NOT_COVERED, *(end for _, end in self.stretches)], dtype=np.int64)
        found = ends[np.searchsorted(starts, moments, side="right")]
        return np.where(found > moments, found, NOT_COVERED)


@dataclass(frozen=True)
class Finality:
    """When the columns of one label are final.

    Attributes:
        label: its name.
        keys: the types of its key.
        start: how long after the moment its windows begin, in microseconds.
        ends: for each column how long after the moment its window ends.
        lateness: how long after that an event may become known.
        watched: the columns that are shown as watched so far when they are not final.
    """

    label: str
    keys: Mapping[str, pl.DataType]
    coverage: Coverage
    start: int
    ends: Mapping[str, int]
    lateness: int
    watched: frozenset[str] = frozenset()

    def ends_of_data(self, spine: SpineRows) -> Whole:
        """Return for each row up to when the data is there that its label needs; `NOT_COVERED` without a whole key."""
        asking = spine.rows.select(has_whole_key(self.keys)).to_series()
        whole = asking.to_numpy() if len(asking) == spine.height else np.full(spine.height, fill_value=True)
        covered = self.coverage.until(spine.moments + self.start)
        return np.where(whole if spine.timed is None else whole & spine.timed, covered, NOT_COVERED)

    def is_final(self, moments: Whole, covered: Whole, column: str) -> Flags:
        """Tell which rows have the final value of a column."""
        return np.less_equal(moments + (self.ends[column] + self.lateness), covered)

    def is_watched(self, moments: Whole, covered: Whole) -> Flags:
        """Tell for which rows the window has begun in the newest data: some of it was watched, with all late events."""
        last = self.coverage.covered_to
        newest = np.equal(covered, NOT_COVERED if last is None else last)
        return np.logical_and(newest, np.less(moments + (self.start + self.lateness), covered))

    def times_known(self, spine: SpineRows, column: str, covered: Whole) -> tuple[Flags, Whole]:
        """Return which rows have a value of a column, and from when on they have it."""
        at = spine.moments + (self.ends[column] + self.lateness)
        shown = self.is_final(spine.moments, covered, column)
        if column not in self.watched:
            return shown, at
        return shown | self.is_watched(spine.moments, covered), np.minimum(at, covered)

    def first_need(self, spine: SpineRows) -> int | None:
        """Return up to when data must be there for the first row to have a final label; None without rows."""
        moments = spine.moments if spine.timed is None else spine.moments[spine.timed]
        return int(moments.min()) + min(self.ends.values()) + self.lateness if len(moments) else None


@dataclass(frozen=True)
class KnownFrom(Join):
    """The column `label_known_at`: from when on the labels of a row are final; null where they are not.

    Attributes:
        labels: those that say when they are final.
        any_will_do: whether one column that is final is enough; the time is then that of all that are.
    """

    labels: Sequence[Finality]
    any_will_do: bool

    @staticmethod
    def of(labels: Sequence[Finality], *, any_will_do: bool) -> "KnownFrom":
        """Return the column for some labels."""
        keys = {name: dtype for label in labels for name, dtype in label.keys.items()}
        return KnownFrom(LABEL_KNOWN_AT, (), keys, {LABEL_KNOWN_AT: UTC}, labels, any_will_do)

    @property
    def method(self) -> str:
        return "from when on the labels are final"

    @property
    def clocks(self) -> Sequence[pl.Expr]:
        return ()

    @property
    def asks_by_rows(self) -> bool:
        return True

    def reads(self, names: Sequence[str]) -> Sequence[str]:
        return ()

    def reach(self, first: int, last: int) -> Table:
        return ()

    def answer(self, spine: SpineRows, names: Sequence[str]) -> "KnownTimes":
        return KnownTimes(pl.Series(LABEL_KNOWN_AT, self.times(spine)).cast(UTC))

    def times(self, spine: SpineRows) -> pl.Series:
        """Return from when on each row has its labels, in microseconds."""
        enough = np.full(spine.height, fill_value=not self.any_will_do)
        latest = np.full(spine.height, NOT_COVERED)
        for label in self.labels:
            covered = label.ends_of_data(spine)
            for column in label.ends:
                shown, at = label.times_known(spine, column, covered)
                enough = enough | shown if self.any_will_do else enough & shown
                latest = np.where(shown, np.maximum(latest, at), latest)
        return pl.Series(latest).set(pl.Series(~enough), None)

    def final(self, spine: SpineRows) -> Flags:
        """Tell which rows have all the labels that they need, and have them for good."""
        enough = np.full(spine.height, fill_value=not self.any_will_do)
        for label in self.labels:
            covered = label.ends_of_data(spine)
            for column in label.ends:
                final = label.is_final(spine.moments, covered, column)
                enough = enough | final if self.any_will_do else enough & final
        return enough


@dataclass(frozen=True)
class KnownTimes(JoinAnswer):
    """The times of all rows."""

    times: pl.Series

    def values(self, names: Sequence[str]) -> pl.DataFrame:
        return self.times.to_frame().select(names) if names else pl.DataFrame(height=len(self.times))

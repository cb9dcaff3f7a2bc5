"""Windows of a table: the profile of each stretch of time, kept beside the table so that no row is counted twice.

The bins follow the data: a new layout is learnt once in each stretch of time as long as the reference, from the
reference of the first partition that needs it, and everything that is compared is counted in the same one.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_platform.compute.profiles.counting import layouts_of
from feature_platform.compute.profiles.kinds import value_kind_of
from feature_platform.compute.profiles.layout import Layout
from feature_platform.compute.profiles.profile import ColumnProfile, add_profiles
from feature_platform.compute.profiles.window_profiles import profile_windows
from feature_platform.declarations.monitor import Monitor, Range
from feature_platform.ground.clock import microsecond_of, partition_keys, shift_moment
from feature_platform.monitoring.judging.snapshot import TableSnapshot, digest
from feature_platform.offline.profiles import keep_layouts, keep_windows, read_layouts, read_windows
from feature_platform.parts.drift.base import Kind

PREFETCHED = 64  # partitions that are read ahead together, and whose new windows wait to be kept together

Windows = Mapping[datetime, Mapping[str, ColumnProfile]]
Taught = Mapping[str, Sequence[datetime]]  # by column


@dataclass
class WindowCounts:
    """The windows of a table as one run needs them, partition after partition in order of time.

    Stored windows are prefetched some partitions ahead, new ones are flushed in few commits, and those before the
    reference of a partition are evicted, so that memory does not grow with the partitions of a run.
    """

    snapshot: TableSnapshot
    monitor: Monitor
    _since: str = ""
    _asked: set[str] = field(default_factory=set)
    _layouts: dict[str, Layout] = field(default_factory=dict)
    _by_partition: dict[str, Windows] = field(default_factory=dict)
    _new: dict[str, Windows] = field(default_factory=dict)

    @property
    def every(self) -> int:
        """Return the length of a window in microseconds."""
        return self.monitor.every_us(self.snapshot.grid.grain)

    def turn_to(self, key: str, reference: Range, taught: Taught) -> dict[str, Layout]:
        """Return the layouts that a partition is judged in. Missing ones are learnt from its reference.

        A column whose values are of another kind than they were has none any more.

        Args:
            taught: the windows that teach about columns for which not all of the reference do.
        """
        since = self._epoch_of(key)
        if since != self._since:
            self.flush()
            self._since = since
            self._layouts = read_layouts(self.snapshot.store, self.snapshot.asset.asset, since)
            self._by_partition, self._asked = {}, set()
        lacking = [name for name in self.snapshot.columns if name not in self._layouts]
        layouts = {**self._layouts, **(self._learn_layouts(lacking, reference, taught) if lacking else {})}
        self._evict(key, reference, {partition for each in taught.values() for partition in self._near_to(each)})
        types, names = self.snapshot.types, self.snapshot.columns
        return {name: layouts[name] for name in names if layouts[name].kind is value_kind_of(types[name])}

    def within(self, span: Range, layouts: Mapping[str, Layout]) -> Windows:
        """Return the windows within `[low, high)` in order of time.

        Each has the rows of all partitions that it touches.
        """
        return self._collect(self._near(span), span, layouts)

    def _collect(self, partitions: Sequence[str], span: Range, layouts: Mapping[str, Layout]) -> Windows:
        parts: dict[datetime, list[Mapping[str, ColumnProfile]]] = defaultdict(list)
        for key in partitions:
            for start, columns in self._windows_of(key, layouts).items():
                if span[0] <= start and shift_moment(start, self.every) <= span[1]:
                    parts[start].append(columns)
        return {start: _together(parts[start], layouts) for start in sorted(parts)}

    def windows_at(self, starts: Collection[datetime], layouts: Mapping[str, Layout]) -> Windows:
        """Return some windows by their starts, in order of time."""
        if not starts:
            return {}
        span = min(starts), shift_moment(max(starts), self.every)
        near = self._near_to(starts)
        windows = self._collect(near, span, layouts)
        return {start: columns for start, columns in windows.items() if start in starts}

    def rows_of(self, start: datetime) -> pl.LazyFrame:
        """Return the rows of a window, from all partitions that it touches."""
        span = start, shift_moment(start, self.every)
        return self.snapshot.rows(self._near(span)).filter(self._window == start)

    def flush(self) -> None:
        """Keep what was counted since the last time."""
        if self._new:
            contents = {key: self.snapshot.contents[key] for key in self._new}
            store, name, run_id = self.snapshot.store, self.snapshot.asset.asset, self.snapshot.run_id
            keep_windows(store, name, self._new, self._since, self.every, run_id, contents)
            self._new = {}

    def _windows_of(self, key: str, layouts: Mapping[str, Layout]) -> Windows:
        """Return the windows of a partition; they are counted now if they were not before."""
        if key not in self._asked:
            self._prefetch(key)
        windows = self._by_partition.get(key)
        if windows is None or not _complete(windows, layouts):
            windows = profile_windows(self.snapshot.rows([key]), layouts, self._window)
            self._by_partition[key] = self._new[key] = windows
            if len(self._new) >= PREFETCHED:
                self.flush()
        return windows

    def _epoch_of(self, key: str) -> str:
        """Return the name of the stretch of time with one layout.

        A table with a new identity or other columns has others; first values of lists are counted beside what is kept.
        """
        snapshot, length = self.snapshot, self.monitor.length_us
        number = microsecond_of(snapshot.bounds(key)[0]) // length if length else 0
        return f"{self.monitor.reference!r} {number} {digest(snapshot.table_id, *snapshot.table_columns)}"

    def _learn_layouts(self, columns: Sequence[str], reference: Range, taught: Taught) -> Mapping[str, Layout]:
        """Learn the layouts of columns from the rows of a reference, and keep those of columns with values.

        A layout that was learnt from no value would be useless for the whole epoch.
        """
        usual, inside = [each for each in columns if each not in taught], self._window
        rows = self.snapshot.rows(self._near(reference)).filter(inside.is_between(*reference, closed="left"))
        learnt = dict(layouts_of(rows, usual)) if usual else {}
        for name in (each for each in columns if each in taught):
            rows = self.snapshot.rows(self._near_to(taught[name])).filter(inside.is_in(list(taught[name])))
            learnt |= layouts_of(rows, [name])
        known = {name: each for name, each in learnt.items() if each.kind is Kind.OTHER or each.bins > 1}
        keep_layouts(self.snapshot.store, self.snapshot.asset.asset, self._since, known, self.snapshot.run_id)
        self._layouts.update(known)
        return learnt

    def _evict(self, key: str, reference: Range, older: Collection[str]) -> None:
        """Forget what no later partition of the run is compared with; a reference that stays is needed to the end.

        Args:
            older: partitions that teach in the place of some of the reference.
        """
        near = self._near(reference if self.monitor.trailing else self.snapshot.bounds(key))
        stay = older if self.monitor.trailing else {*older, *self._near(reference)}
        first = min(near, default="")
        self._by_partition = {
            each: windows for each, windows in self._by_partition.items() if each >= first or each in stay
        }

    def _prefetch(self, key: str) -> None:
        """Read what is kept of a partition and of some after it."""
        ordered = list(self.snapshot.contents)
        some = [each for each in ordered[ordered.index(key) :][:PREFETCHED] if each not in self._asked]
        contents = {each: self.snapshot.contents[each] for each in some}
        self._by_partition |= read_windows(
            self.snapshot.store, self.snapshot.asset.asset, contents, self._since, self.every
        )
        self._asked.update(some)

    def _near(self, span: Range) -> list[str]:
        """Return the committed partitions that may have rows of the windows of a range."""
        return self.snapshot.between(*self._reach(span))

    def _near_to(self, starts: Collection[datetime]) -> list[str]:
        """Return the committed partitions that may have rows of some windows, in order of time."""
        wanted = {key for each in starts for key in self._keys(*self._reach((each, shift_moment(each, self.every))))}
        return [key for key in self.snapshot.contents if key in wanted]

    def _keys(self, low: datetime, high: datetime) -> list[str]:
        return partition_keys(low, high, self.snapshot.grid.grain)

    def _reach(self, span: Range) -> Range:
        """Return a range widened by a window at both ends, for windows that cross its ends."""
        return shift_moment(span[0], -self.every), shift_moment(span[1], self.every)

    @property
    def _window(self) -> pl.Expr:
        return self.snapshot.window(self.every)


def _complete(windows: Windows, layouts: Mapping[str, Layout]) -> bool:
    """Tell whether the stored windows have all columns in the layouts that are needed."""
    return all(
        name in columns and columns[name].layout.id == layout.id
        for columns in windows.values()
        for name, layout in layouts.items()
    )


def _together(parts: Sequence[Mapping[str, ColumnProfile]], layouts: Mapping[str, Layout]) -> dict[str, ColumnProfile]:
    if len(parts) == 1:
        return dict(parts[0])
    return {name: add_profiles([each[name] for each in parts], layout) for name, layout in layouts.items()}

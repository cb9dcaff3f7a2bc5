"""Slices: the rows of a database cut by time into units, each with a stamp that the server counts.

Rows are cut by their raw time, so that an index serves. A slice need not be a partition of the project: the ledger
knows of each unit which partitions it holds rows of.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.ground import clock
from feature_platform.ground.clock import Grain
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.parts.sources.base import DataUnit, Slicing
from feature_platform.parts.sources.database.columns import Column
from feature_platform.parts.sources.database.session import Session

_NAMED = "rows of "
_TIMELESS = "rows without a time"
_MARGIN_US = 86_400_000_000  # a slice in the zone of its column may begin a day away from its partition


@dataclass(frozen=True)
class Slice:
    """Rows of one stretch of time, or those without a time."""

    name: str
    start: datetime | None
    stamp: str

    @property
    def unit(self) -> DataUnit:
        """Return it as a unit of data."""
        return DataUnit(self.name, self.stamp)


class Slices:
    """The slices of a table at one moment.

    Args:
        watch: how far back slices are compared, in microseconds; older ones are taken to be as they were at the last
            look, unless a run takes them in. None compares all.
    """

    def __init__(self, session: Session, slicing: Slicing, stamp: str, watch: int | None) -> None:
        self._session, self._stamp = session, stamp
        self._column: Column = session.columns[slicing.column]
        self._grain: Grain = session.slice_grains[slicing.grain]
        known = {} if watch is None else slicing.known()
        self._known = {start: (name, stamp) for name, stamp in known.items() if (start := self._start_of(name))}
        self._since = self._compared_from(slicing, watch)
        self.names_by_key: dict[str | None, str] = {}
        self._slices = {each.name: each for each in (*self._old(), *self._read())}

    @property
    def key(self) -> str:
        """Return the SQL of the text by which rows are cut."""
        return self._session.slice_key(self._column, self._grain)

    def units(self) -> list[DataUnit]:
        """Return all slices as units, the oldest first."""
        return [self._slices[name].unit for name in sorted(self._slices)]

    def condition_of(self, names: Iterable[str]) -> str:
        """Return the condition of the rows in some slices: neighbours are one interval."""
        slices = [self._slices[name] for name in names]
        starts = sorted(each.start for each in slices if each.start is not None)
        conditions = [self._session.between(self._column, *bounds) for bounds in self._intervals(starts)]
        if len(starts) < len(slices):
            conditions.append(f"({self._session.outside(self._column)})")
        return f"({' OR '.join(conditions or ['1 = 0'])})"

    def _intervals(self, starts: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
        first = end = None
        for start in starts:
            if first is not None and end is not None and start != end:
                yield first, end
                first = start
            first, end = first or start, clock.partition_end(start, self._grain)
        if first is not None and end is not None:
            yield first, end

    def _compared_from(self, slicing: Slicing, watch: int | None) -> datetime | None:
        """Return from when on slices are compared; None when all are, as at the first look."""
        if watch is None or not self._known:
            return None
        moment = min(clock.shift_moment(slicing.at, -watch), clock.shift_moment(slicing.asked_from, -_MARGIN_US))
        return None if moment <= clock.EARLIEST else clock.partition_start(moment, self._grain)

    def _old(self) -> Iterator[Slice]:
        """Yield the slices that are not compared, as the last look saw them."""
        for start, (name, stamp) in self._known.items():
            if self._since is not None and start < self._since:
                yield Slice(name, start, stamp)

    def _read(self) -> Iterator[Slice]:
        """Yield the slices that the server counts."""
        session, column = self._session, self._column
        where = ""
        if self._since is not None:
            where = f" WHERE ({session.at_least(column, self._since)} OR {session.outside(column)})"
        counts = f"COUNT(*) AS amount, {self._stamp} AS stamp"
        counted = session.rows(f"SELECT {self.key} AS slice, {counts} FROM {session.table}{where} GROUP BY {self.key}")
        for key, count, stamp in counted:
            start = None if key is None else session.slice_start(key)
            name = _TIMELESS if start is None else f"{_NAMED}{clock.partition_key(start, self._grain)}"
            self.names_by_key[None if key is None else str(key)] = name
            yield Slice(name, start, f"{count} {stamp}")

    def _start_of(self, name: str) -> datetime | None:
        """Return where the slice of a name begins; None for other names."""
        if not name.startswith(_NAMED):
            return None
        try:
            return clock.partition_bounds(name.removeprefix(_NAMED), self._grain, name)[0]
        except InvalidDeclaration:  # of another grain
            return None

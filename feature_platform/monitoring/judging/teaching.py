"""Teaching: which earlier partitions and windows show what is usual, for each thing that is judged.

What alarmed teaches nothing about the thing that alarmed, until a person accepts the new level or a change of the
asset's own code explains it: otherwise a fault that lasts would become what is usual, and one that comes again would
be silent. Older partitions teach in its place, as many as were left out. Everything is read from the answers that are
kept, of earlier partitions only, so that judging a partition again comes to the same.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_platform.compute.watches.monitored import MONITORED
from feature_platform.declarations.monitor import Range
from feature_platform.ground.clock import partition_keys, shift_moment, windows_between
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.judging.snapshot import TableSnapshot
from feature_platform.monitoring.judging.versions import Thing, alarms_by_content, by_version, thing_of
from feature_platform.offline.accepted import AcceptedLevel, read_accepted_levels, version_name
from feature_platform.offline.history import PartitionState
from feature_platform.offline.names import WHOLE

_AHEAD = 64  # partitions whose answers are read together


@dataclass
class _Alarms:
    """The alarms about one thing: partitions as such, and windows with the partition that they were judged in.

    Attributes:
        windows: those that differed; of each whether it alarmed.
    """

    partitions: set[str] = field(default_factory=set)
    windows: dict[datetime, tuple[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Usual:
    """The partitions and windows that teach about one thing when a partition is judged.

    Attributes:
        begins: the first partition of the level; earlier ones teach only where `code` made them, too.
        partitions, windows: what is left out.
    """

    begins: str
    code: str | None
    partitions: Collection[str]
    windows: Mapping[datetime, str]
    states: Mapping[str, PartitionState]

    def taught_by(self, partition: str) -> bool:
        """Tell whether a partition as a whole teaches."""
        return self.reaches(partition) and partition not in self.partitions and partition not in self.windows.values()

    def taught_in(self, window: datetime, inside: Collection[str]) -> bool:
        """Tell whether a window teaches that has rows of some partitions."""
        return window not in self.windows and all(self.reaches(each) and each not in self.partitions for each in inside)

    def reaches(self, partition: str) -> bool:
        """Tell whether a partition is of the level that is usual now."""
        return partition >= self.begins or (
            self.code is not None and partition in self.states and self.states[partition].code_version == self.code
        )


@dataclass
class Teaching:
    """The partitions of a table that teach, for each thing.

    Attributes:
        subject: the table; of one without partitions its contents under the names of their versions.
        monitored: the table of answers.
        levels: what people accepted.
    """

    snapshot: TableSnapshot
    monitored: str
    levels: Mapping[Thing, Sequence[AcceptedLevel]]
    _known: set[str]
    _alarms: dict[Thing, _Alarms] = field(default_factory=lambda: defaultdict(_Alarms))
    _scores: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: TableSnapshot, monitored: str, judged: Sequence[str]) -> "Teaching":
        """Read what is stored about a table. Answers about the partitions that are judged now come with `learn`."""
        levels: dict[Thing, list[AcceptedLevel]] = defaultdict(list)
        for level in read_accepted_levels(snapshot.store, snapshot.asset.asset):
            levels[thing_of(level.kind, level.column)].append(level)
        if WHOLE in snapshot.contents:
            return cls._read_versions(by_version(snapshot), monitored, levels)
        teaching = cls(snapshot, monitored, levels, set(judged))
        teaching._read([earlier for key in judged for earlier in teaching._earlier(key)[-_AHEAD:]])
        return teaching

    @classmethod
    def _read_versions(
        cls, versions: TableSnapshot, monitored: str, levels: Mapping[Thing, Sequence[AcceptedLevel]]
    ) -> "Teaching":
        """Read what is stored about a table without partitions: all of it, by the stamps of its commits."""
        teaching = cls(versions, monitored, levels, set(versions.contents))
        alarms = alarms_by_content(versions.store, monitored)
        for name, content in versions.contents.items():
            for thing in alarms.get(content, ()):
                teaching._alarms[thing].partitions.add(name)
        return teaching

    def name_of(self, key: str) -> str:
        """Return the name that a partition has among those that teach: its key, or the name of a version."""
        return version_name(self.snapshot.version) if key == WHOLE else key

    def learn(self, rows: pl.DataFrame) -> None:
        """Take in answers, in columns of `MONITORED`; those about contents that are no longer there do not count."""
        columns = ("partition", "content", "window", "kind", "column", "score", "found", "alarm", "severity")
        for partition, content, window, kind, column, score, found, alarm, severity in (
            rows.filter(_TELLING).select(columns).iter_rows()
        ):
            if self.snapshot.contents.get(partition) != content or kind == FindingKind.FOREIGN_WRITE:
                continue
            alarmed = bool(alarm) and severity != "info"
            if kind == FindingKind.MULTIVARIATE and score is not None and not found:
                self._scores[partition] = score
            if window is None and (
                alarmed or (found and kind == FindingKind.MULTIVARIATE)
            ):  # one that may last teaches nothing yet
                self._alarms[thing_of(kind, column)].partitions.add(partition)
            elif window is not None and (alarmed or (found and kind == FindingKind.DRIFT)):
                windows = self._alarms[thing_of(kind, column)].windows
                windows[window] = partition, alarmed or windows.get(window, ("", False))[1]

    def partitions(self, key: str, many: int) -> tuple[Sequence[str], Mapping[Thing, Sequence[str]]]:
        """Return the newest partitions before a partition, and for some things other ones that teach in their place.

        A thing is in the mapping when not all of the newest partitions teach about it.
        """
        earlier = self._earlier(key)
        near = earlier[-many:]
        self._read(near)
        special = {}
        for thing in self._things():
            usual = self._usual(thing, key)
            if not all(map(usual.taught_by, near)):
                special[thing] = self._newest(thing, usual.begins, earlier, key, many)
        return near, special

    def windows(self, key: str, span: Range, *, trailing: bool) -> Mapping[Thing, Sequence[datetime]]:
        """Return the windows that teach about the things for which not all of a reference does, in order of time.

        Args:
            trailing: whether older windows teach in the place of those that are left out.
        """
        near = windows_between(*span, self._every)
        self._read(self._inside(*span))
        special = {}
        for thing in self._things():
            remaining = self._teaching_windows(thing, near, key)
            lacking = len(near) - len(remaining)
            if lacking:
                older = self._older(thing, near[0], key, lacking) if trailing else []
                special[thing] = [*older, *remaining]
        return special

    def healthy(self, partitions: Sequence[str], key: str) -> list[str]:
        """Return those of some partitions whose rows teach as a whole: nothing alarmed there, or it is usual by now."""
        usual = [self._usual(thing, key) for thing in self._things()]
        return [partition for partition in partitions if all(each.taught_by(partition) for each in usual)]

    def scores(self, key: str, many: int) -> list[float]:
        """Return the newest scores of all columns together, of earlier partitions that did not differ."""
        earlier, scores = self._earlier(key), list[float]()
        begins = self._usual((FindingKind.MULTIVARIATE, None), key).begins
        for low in range(len(earlier) - _AHEAD, -_AHEAD, -_AHEAD):
            some = earlier[max(0, low) : low + _AHEAD]
            self._read(some)
            scores = [*(self._scores[each] for each in some if each in self._scores and each >= begins), *scores]
            if len(scores) >= many:
                break
        return scores[-many:]

    def _things(self) -> list[Thing]:
        return [*{**self._alarms, **self.levels}]

    def _usual(self, thing: Thing, key: str) -> _Usual:
        """Return what teaches about a thing, by what happened before a partition."""
        alarms, levels = self._alarms.get(thing, _Alarms()), self.levels.get(thing, ())
        begins = max((each.since for each in levels if each.since <= key), default="")
        windows = {
            window: partition
            for window, (partition, _) in alarms.windows.items()
            if partition < key and self._has_lasted(alarms, window)
        }
        code, left_out = None, set[str]()
        for partition in sorted({each for each in (*alarms.partitions, *windows.values()) if each < key}):
            if any(each.since <= partition <= each.upto for each in levels):
                continue
            new = self._code_before(partition, left_out, begins)
            if new is not None:
                begins, code = partition, new
            else:
                left_out.add(partition)
        return _Usual(
            begins,
            code,
            alarms.partitions & left_out,
            {window: partition for window, partition in windows.items() if partition in left_out},
            self.snapshot.states,
        )

    def _has_lasted(self, alarms: _Alarms, window: datetime) -> bool:
        """Tell whether a window alarmed, or one soon after it that it made alarm. A difference has to last to alarm."""
        monitor = self.snapshot.monitor
        steps = 1 if monitor is None else monitor.rule.sustained[1]
        near = [shift_moment(window, self._every * step) for step in range(steps)]
        return any(alarms.windows.get(each, ("", False))[1] for each in near)

    def _code_before(self, partition: str, left_out: Collection[str], begins: str) -> str | None:
        """Return the code of a partition if other code made the newest partition before it that teaches; else None."""
        states = self.snapshot.states
        for earlier in reversed(self._earlier(partition)):
            if earlier < begins:
                return None
            if earlier not in left_out:
                old, new = states[earlier].code_version, states[partition].code_version
                return new if old is not None and new != old else None
        return None

    def _newest(self, thing: Thing, begins: str, earlier: Sequence[str], key: str, many: int) -> Sequence[str]:
        """Return the newest partitions that teach about a thing.

        They are read back in steps, no further than the level of the thing goes.
        """
        partitions: list[str] = []
        for low in range(len(earlier) - _AHEAD, -_AHEAD, -_AHEAD):
            some = earlier[max(0, low) : low + _AHEAD]
            self._read(some)
            partitions = [*filter(self._usual(thing, key).taught_by, some), *partitions]
            if len(partitions) >= many or some[0] < begins:
                break
        return partitions[-many:]

    def _older(self, thing: Thing, first: datetime, key: str, many: int) -> list[datetime]:
        """Return so many older windows that teach about a thing; fewer where the table or the level begins."""
        windows: list[datetime] = []
        begins = max(self._ordered_keys[0], self._usual(thing, key).begins)
        oldest = self.snapshot.bounds(begins)[0]
        while len(windows) < many and first > oldest:
            low = shift_moment(first, -self._every * _AHEAD)
            self._read(self._inside(low, first))
            some = [each for each in windows_between(low, first, self._every) if each >= oldest]
            windows = [*self._teaching_windows(thing, some, key), *windows]
            first = low
        return windows[-many:] if many else []

    def _teaching_windows(self, thing: Thing, windows: Sequence[datetime], key: str) -> list[datetime]:
        usual, every = self._usual(thing, key), self._every
        return [each for each in windows if usual.taught_in(each, self._inside(each, shift_moment(each, every)))]

    def _inside(self, low: datetime, high: datetime) -> list[str]:
        keys = partition_keys(low, high, self.snapshot.grid.grain)
        return [each for each in keys if each in self.snapshot.contents]

    @property
    def _every(self) -> int:
        monitor = self.snapshot.monitor
        return 0 if monitor is None else monitor.every_us(self.snapshot.grid.grain)

    @cached_property
    def _ordered_keys(self) -> list[str]:
        return list(self.snapshot.contents)

    def _earlier(self, key: str) -> list[str]:
        return self._ordered_keys[: bisect_left(self._ordered_keys, key)]

    def _read(self, keys: Iterable[str]) -> None:
        """Take in what is kept of partitions, once."""
        new = sorted({*keys} - self._known)
        if not new:
            return
        self._known.update(new)
        if self.snapshot.store.exists(self.monitored):
            rows = self.snapshot.store.read(self.monitored, partitions=new).filter(_TELLING)
            self.learn(rows.select(MONITORED.names()).collect())


_TELLING = pl.col("found") | (pl.col("kind") == FindingKind.MULTIVARIATE)

"""The one time partitioning of a project: a grain, a start and perhaps an end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from feature_platform.ground import clock
from feature_platform.ground.errors import InvalidDeclaration, PartitionOutOfRange


@dataclass(frozen=True, init=False)
class Partitions:
    """Half-open UTC intervals of one grain (`hourly`, `daily`, `weekly`, `monthly`).

    Args:
        start: the first instant, the start of a partition.
        end: the instant where the last partition ends; None while the project goes on.

    >>> Partitions("monthly", start="2013-01-01", end="2013-03-01").keys()
    ['2013-01-01', '2013-02-01']
    """

    grain: clock.Grain
    start: datetime | None
    end: datetime | None

    def __init__(
        self,
        grain: clock.Grain = "daily",
        start: str | datetime | None = None,
        end: str | datetime | None = None,
    ) -> None:
        if grain not in clock.GRAINS:
            raise InvalidDeclaration("Partitions", f"has the grain {grain!r}", f"Use one of {', '.join(clock.GRAINS)}.")
        first = None if start is None else clock.instant(start, "Partitions, start,")
        last = None if end is None else clock.instant(end, "Partitions, end,")
        for word, moment in (("start", first), ("end", last)):
            if moment is not None and clock.partition_start(moment, grain) != moment:
                raise InvalidDeclaration(
                    "Partitions",
                    f"has the {word} {moment.isoformat()}, inside a {grain} partition",
                    f"Use the start of one, e.g. {clock.partition_start(moment, grain).isoformat()}.",
                )
        if first is not None and last is not None and last <= first:
            raise InvalidDeclaration("Partitions", "has an end that is not after its start", "Swap or widen them.")
        object.__setattr__(self, "grain", grain)
        object.__setattr__(self, "start", first)
        object.__setattr__(self, "end", last)

    def keys(self) -> list[str]:
        """Return all partition keys.

        Raises:
            InvalidDeclaration: start or end is open.
        """
        if self.start is None or self.end is None:
            raise InvalidDeclaration("Partitions", "are open-ended", "Give start and end, or ask for `overlapping`.")
        return clock.partition_keys(self.start, self.end, self.grain)

    def bounds(self, key: str) -> tuple[datetime, datetime]:
        """Return the interval `[start, end)` of a partition key.

        Raises:
            InvalidDeclaration: it is no key of this grain.
            PartitionOutOfRange: it lies outside start and end.
        """
        low, high = clock.partition_bounds(str(key), self.grain, "This project")
        if (self.start is not None and low < self.start) or (self.end is not None and high > self.end):
            raise PartitionOutOfRange(key, self.grain, *self._ends())
        return low, high

    def __contains__(self, key: object) -> bool:
        """Tell whether something is the key of one of these partitions.

        >>> "2013-01-02" in Partitions("monthly"), "2013-01-01" in Partitions("monthly")
        (False, True)
        """
        try:
            self.bounds(str(key))
        except (InvalidDeclaration, PartitionOutOfRange):
            return False
        return True

    def overlapping(self, start: datetime, end: datetime) -> list[str]:
        """Return the keys of the partitions that overlap `[start, end)`, within the project's range."""
        low = start if self.start is None else max(start, self.start)
        high = end if self.end is None else min(end, self.end)
        return clock.partition_keys(low, high, self.grain)

    def accepted_range(self, now: datetime | None = None) -> tuple[datetime, datetime]:
        """Return the interval `[start, end)` of event times that are taken in.

        A declared start or end is taken at its word, so that a project with an end may hold events that are still to
        come. An open start stands for the partition in which 1678 begins, an open end for the end of the partition
        that holds the moment an hour after now: clocks differ a little, and an event of next year is a mistake.

        Args:
            now: the current time. Without it an open end stands for the year 2262.

        >>> Partitions("monthly", end="2030-01-01").accepted_range()[0].year
        1678
        """
        low = self.start or clock.partition_start(clock.EARLIEST, self.grain)
        if self.end is not None or now is None:
            return low, self.end or clock.LATEST
        newest = clock.partition_start(min(now + clock.SKEW, clock.LATEST), self.grain)
        return low, clock.partition_end(newest, self.grain)

    def divide(self, keys: Iterable[str], now: datetime) -> tuple[list[str], list[str]]:
        """Return those of some partition keys that are taken in, and the project's others, each in order.

        See `accepted_range`; the others are of the past or future of a project with an open start or end.

        >>> Partitions().divide(["2099-01-01", "2024-01-02", "2024-01-01"], clock.moment_of(1_704_240_000_000_000))
        (['2024-01-01', '2024-01-02'], ['2099-01-01'])
        """
        low, high = (clock.partition_key(moment, self.grain) for moment in self.accepted_range(now))
        usual, others = list[str](), list[str]()
        for key in sorted(set(keys)):  # keys sort as their partitions do, and to read them all takes long
            (usual if low <= key < high else others).append(key)
        return usual, [key for key in others if key in self]

    def _ends(self) -> tuple[str, str]:
        first = "the beginning" if self.start is None else clock.partition_key(self.start, self.grain)
        return first, "today" if self.end is None else f"before {clock.partition_key(self.end, self.grain)}"

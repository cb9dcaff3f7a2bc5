"""A cadence: at which instants a windowed view publishes, how long that takes, how late events may be."""

from dataclasses import dataclass

from feature_platform.ground.calendars import require_time_zone
from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration


@dataclass(frozen=True)
class Cadence:
    """When a windowed view publishes its values.

    Instants are the whole multiples of `every` in UTC (weeks begin on Monday). With a time zone they are the first
    instants of its days, 23 to 25 hours apart where clocks change: midnight, the end of the gap where midnight is
    skipped, and the first one where it comes twice. Partitions stay those of UTC, and so does when a run makes them.

    Args:
        every: the distance of two instants, e.g. `1d`; in a time zone a number of local days or weeks, counted from
            Monday 1970-01-05.
        delay: how long after its instant a value is there for readers, offline and online.
        lateness: how long after its partition an event may arrive and still be counted in it.
        tz: a zone of the IANA database, e.g. `America/New_York`. Defaults to UTC.

    Raises:
        InvalidDeclaration: no duration, an unknown zone, or a zone and an `every` that is not of whole days.

    >>> Cadence(every="1d", delay="1h").delay_us // 3_600_000_000
    1
    >>> Cadence(every="1w", tz="America/New_York")
    Cadence(every='1w', delay=None, lateness=None, tz='America/New_York')
    """

    every: str = "1d"
    delay: str | None = None
    lateness: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        for word in ("every", "delay", "lateness"):
            if word == "every" or getattr(self, word) is not None:
                microseconds(getattr(self, word), f"Cadence, {word},")
        if self.tz is None:
            return
        require_time_zone(self.tz, "Cadence, tz,")
        if self.every[-1] not in "dw":
            raise InvalidDeclaration(
                "Cadence, every,",
                f"is {self.every!r} in the time zone {self.tz}, where instants are first instants of days",
                "Write days or weeks, e.g. `1d` or `1w`, or leave out tz.",
            )

    def __repr__(self) -> str:
        """Return its words; without a zone as before there were zones, since it is part of code versions."""
        zone = "" if self.tz is None else f", tz={self.tz!r}"
        return f"Cadence(every={self.every!r}, delay={self.delay!r}, lateness={self.lateness!r}{zone})"

    @property
    def every_us(self) -> int:
        """Return `every` in microseconds; of a day 24 hours, whatever the zone."""
        return microseconds(self.every, "Cadence, every,")

    @property
    def delay_us(self) -> int:
        """Return `delay` in microseconds, 0 when there is none."""
        return microseconds(self.delay, "Cadence, delay,") if self.delay else 0

    @property
    def lateness_us(self) -> int:
        """Return `lateness` in microseconds, 0 when there is none."""
        return microseconds(self.lateness, "Cadence, lateness,") if self.lateness else 0

"""A cadence: at which instants a windowed view publishes, how long that takes, how late events may be."""

from dataclasses import dataclass

from feature_platform.ground.clock import microseconds


@dataclass(frozen=True)
class Cadence:
    """When a windowed view publishes its values.

    Instants are the whole multiples of `every` in UTC (weeks begin on Monday).

    Args:
        every: the distance of two instants, e.g. `1d`.
        delay: how long after its instant a value is there for readers, offline and online.
        lateness: how long after its partition an event may arrive and still be counted in it.

    >>> Cadence(every="1d", delay="1h").delay_us // 3_600_000_000
    1
    """

    every: str = "1d"
    delay: str | None = None
    lateness: str | None = None

    def __post_init__(self) -> None:
        for word in ("every", "delay", "lateness"):
            if word == "every" or getattr(self, word) is not None:
                microseconds(getattr(self, word), f"Cadence, {word},")

    @property
    def every_us(self) -> int:
        """Return `every` in microseconds."""
        return microseconds(self.every, "Cadence, every,")

    @property
    def delay_us(self) -> int:
        """Return `delay` in microseconds, 0 when there is none."""
        return microseconds(self.delay, "Cadence, delay,") if self.delay else 0

    @property
    def lateness_us(self) -> int:
        """Return `lateness` in microseconds, 0 when there is none."""
        return microseconds(self.lateness, "Cadence, lateness,") if self.lateness else 0

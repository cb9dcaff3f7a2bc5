"""Days around which the clocks of a zone change, and its midnights, found by one who walks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Change:
    """Six days of UTC, on the third of which the clocks of a zone change."""

    tz: str
    first: datetime

    @property
    def last(self) -> datetime:
        return self.first + 6 * DAY

    def midnights(self) -> list[datetime]:
        """The first hours of all local days from ten days before the six to ten days after them."""
        return list(self._walk())

    def _walk(self) -> Iterator[datetime]:
        hour, zone = self.first - 10 * DAY, ZoneInfo(self.tz)
        latest = hour.astimezone(zone).date()
        while hour < self.last + 10 * DAY:
            hour += HOUR
            if (day := hour.astimezone(zone).date()) > latest:
                yield hour
                latest = day


def _utc(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=timezone.utc)


CHANGES = {
    "New York, forward": Change("America/New_York", _utc(2024, 3, 8)),
    "New York, back": Change("America/New_York", _utc(2024, 11, 1)),
    "Azores, midnight is skipped, two in one day of UTC": Change("Atlantic/Azores", _utc(2024, 3, 29)),
    "Azores, midnight comes twice, none in one day of UTC": Change("Atlantic/Azores", _utc(2024, 10, 25)),
}

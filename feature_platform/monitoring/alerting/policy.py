"""The policy: how many notifications people get, and when.

Critical alerts always notify at once; everything else respects the budget and the quiet hours.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, time
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from feature_platform.ground.clock import microseconds
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.monitoring.alerting.alert import Alert

WEEK = 7 * 86_400_000_000  # microseconds

_WHOLE = ("budget", "resolve_after", "flapping")
_QUIET = re.compile(r"(\d{2}:\d{2})-(\d{2}:\d{2}) (\S+)")


@dataclass(frozen=True)
class QuietHours:
    """Hours of the day in which only critical alerts notify, on the clock of a time zone; `start <= t < end`.

    Hours over midnight are written as they are, `22:00` to `07:00`. They follow the clock on the wall: where it is put
    back the hour that comes twice is quiet twice, and one that is left out is not there.

    Raises:
        InvalidDeclaration: start and end are the same, or the zone is not known.

    >>> QuietHours(time(22), time(7), "Europe/Stockholm").hold(datetime.fromisoformat("2013-01-01T20:59+00:00"))
    False
    >>> QuietHours(time(22), time(7), "Europe/Stockholm").hold(datetime.fromisoformat("2013-01-01T21:00+00:00"))
    True
    """

    start: time
    end: time
    zone: str

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise InvalidDeclaration("Quiet hours", "start and end at the same time", "Give two different times.")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidDeclaration(
                "Quiet hours", f"name the time zone {self.zone!r:.60}", "Write one such as `Europe/Stockholm` or `UTC`."
            ) from None

    def hold(self, now: datetime) -> bool:
        """Tell whether a moment is within the quiet hours."""
        at = now.astimezone(ZoneInfo(self.zone)).time()
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


@dataclass(frozen=True)
class Policy:
    """The rules for notifications.

    Attributes:
        budget: messages that an owner gets within any seven days; the rest goes into a digest. Criticals count too, but
            are always sent.
        digest: how long a digest collects before it is sent.
        resolve_after: clean evaluations in a row that end an alert.
        together: alerts that began within this time of one another are grouped where lineage joins them.
        flapping: how often an alert begins within `calm` to count as one that comes and goes. That is one notification.
            Then it has reminders like any other, and it is resolved when it stayed away for `calm`.
        calm: see `flapping`.
        remind_critical, remind_warning: how often an alert that is neither acknowledged nor ended has a reminder; a
            warning that only says that values are not as they were has none.
        quiet: hours in which only critical alerts notify; None for none.

    >>> Policy(budget=5).quiet is None
    True
    """

    budget: int = 10
    digest: str = "1d"
    resolve_after: int = 2
    together: str = "36h"
    remind_critical: str = "1d"
    remind_warning: str = "7d"
    quiet: QuietHours | None = field(default=None)
    flapping: int = 3
    calm: str = "1d"

    def __post_init__(self) -> None:
        for name, least in {"budget": 0, "resolve_after": 1, "flapping": 2}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidDeclaration(f"Setting `alerts.{name}`", f"is {value!r:.60}", f"Give {least} or more.")
        for name in ("digest", "together", "calm", "remind_critical", "remind_warning"):
            microseconds(getattr(self, name), f"Setting `alerts.{name}`")

    def length(self, name: str) -> int:
        """Return one of the durations in microseconds."""
        return microseconds(getattr(self, name), f"Setting `alerts.{name}`")


@dataclass(frozen=True)
class Silence:
    """No notifications about an asset until `until` (not included).

    It covers the assets made from it only with `downstream`. A silenced alert inhibits no other.

    Attributes:
        asset: an asset, or a pattern such as `views/*`.
        kind, column: only this kind, only this column; any when None.
    """

    id: str
    asset: str
    until: datetime
    made_at: datetime
    kind: str | None = None
    column: str | None = None
    downstream: bool = False
    by: str = ""
    reason: str = ""

    def covers(self, alert: Alert, ancestors: Collection[str], now: datetime) -> bool:
        """Tell whether it silences an alert whose asset is made from `ancestors`."""
        finding = alert.finding
        if now >= self.until or self.kind not in (None, finding.kind) or self.column not in (None, finding.column):
            return False
        assets = (finding.asset, *ancestors) if self.downstream else (finding.asset,)
        return any(fnmatchcase(each, self.asset) for each in assets)


def policy_of(configured: Mapping[str, object]) -> Policy:
    """Return the policy of the setting `alerts`, a table; its `channels` are left to `channels_of`.

    Raises:
        InvalidDeclaration: a setting is unknown or wrong.

    >>> policy_of({"budget": 3, "quiet": "22:00-07:00 Europe/Stockholm"}).quiet.start
    datetime.time(22, 0)
    """
    known = [each.name for each in fields(Policy)]
    options = {key: value for key, value in configured.items() if key != "channels"}
    if unknown := [key for key in options if key not in known]:
        raise InvalidDeclaration(
            f"Setting `alerts.{unknown[0]}`", "is not known", f"Known: channels, {', '.join(known)}."
        )
    quiet = options.pop("quiet", None)
    for key, value in options.items():
        if not isinstance(value, int if key in _WHOLE else str):
            raise InvalidDeclaration(f"Setting `alerts.{key}`", f"is {value!r:.60}", "See docs/how-to/alerts.md.")
    return Policy(**options, quiet=None if quiet is None else _quiet_hours(quiet))  # type: ignore[arg-type]


def _quiet_hours(text: object) -> QuietHours:
    match = _QUIET.fullmatch(text) if isinstance(text, str) else None
    try:
        start, end = (time.fromisoformat(each) for each in (match[1], match[2])) if match else (None, None)
    except ValueError:
        start = end = None
    if match is None or start is None or end is None:
        raise InvalidDeclaration(
            "Setting `alerts.quiet`", f"is {text!r:.60}", "Write it like `22:00-07:00 Europe/Stockholm`."
        )
    return QuietHours(start, end, match[3])

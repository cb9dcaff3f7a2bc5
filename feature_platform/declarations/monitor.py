"""A monitor: what new data of a source, view or label is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.declarations.naming import describe_value, validate_column_list, validate_kind
from feature_platform.ground.clock import Grain, instant, microseconds, shift_moment
from feature_platform.ground.errors import InvalidDeclaration

_OWNER = "Monitor"
Range = tuple[datetime, datetime]


@dataclass(frozen=True, init=False)
class Monitor:
    """The reference that new partitions are compared with for drift, window by window.

    Args:
        reference: how long the trailing reference is, e.g. `90d`, which ends where the partition begins; or a fixed
            one, from a time up to and without another, e.g. `("2013-01-01", "2013-04-01")` (UTC). A fixed one also
            sees slow drift.
        columns: the columns to watch. When None all features of a view, all outcomes of a label, and all columns of a
            source; of times only the share of missing values is compared.
        rule: when a difference counts.
        every: how long a window is, e.g. `7d`: longer where a day has too few rows to judge. A day when None, an hour
            where partitions are hours. Days are compared with their weekday, shorter windows with their time of day.
        season: the length after which things repeat, e.g. `364d` (whole weeks of a year): the reference then lies
            around the same moment one season ago, instead of right before.

    Raises:
        InvalidDeclaration: says what is wrong and what would do.

    >>> Monitor(reference="90d").reference
    '90d'
    >>> Monitor(reference=("2013-01-01", "2013-04-01")).trailing
    False
    """

    reference: str | tuple[str, str]
    columns: tuple[str, ...] | None
    rule: DriftRule
    every: str | None
    season: str | None

    def __init__(
        self,
        reference: str | tuple[str, str] = "90d",
        columns: Sequence[str] | None = None,
        rule: DriftRule | None = None,
        every: str | None = None,
        season: str | None = None,
    ) -> None:
        if isinstance(reference, tuple):
            _fixed_range(reference)
        else:
            microseconds(reference, f"{_OWNER}, reference,")
        if every is not None:
            microseconds(every, f"{_OWNER}, every,")
        if season is not None:
            _check_season(season, reference)
        if rule is not None:
            validate_kind(_OWNER, "rule", rule, DriftRule, "Give fp.DriftRule(sustained=(2, 3)).")
        values = {
            "reference": reference,
            "columns": None if columns is None else validate_column_list(_OWNER, "columns", columns),
            "rule": rule or DriftRule(),
            "every": every,
            "season": season,
        }
        for word, value in values.items():
            object.__setattr__(self, word, value)

    @property
    def trailing(self) -> bool:
        """Tell whether the reference moves along with the data."""
        return isinstance(self.reference, str)

    @property
    def length_us(self) -> int:
        """Return how long the reference is, in microseconds; 0 for a fixed one."""
        return microseconds(self.reference, _OWNER) if isinstance(self.reference, str) else 0

    def every_us(self, grain: Grain) -> int:
        """Return how long a window is, in microseconds."""
        return microseconds(self.every or ("1h" if grain == "hourly" else "1d"), _OWNER)

    def range_of(self, start: datetime, end: datetime) -> Range:
        """Return the reference `[low, high)` of what happened in `[start, end)`; it never reaches beyond `start`.

        It is empty for what lies before the end of a fixed reference.

        >>> low, high = Monitor(reference="7d").range_of(instant("2013-01-15", ""), instant("2013-01-16", ""))
        >>> low.date().isoformat(), high.date().isoformat()
        ('2013-01-08', '2013-01-15')
        """
        if not isinstance(self.reference, str):
            low, high = _fixed_range(self.reference)
            return low, high if high <= start else low
        length = self.length_us
        if self.season is None:
            return shift_moment(start, -length), start
        back = microseconds(self.season, _OWNER)
        return shift_moment(start, -back - length // 2), min(shift_moment(end, length // 2 - back), start)


def validate_monitor(culprit: str, monitor: object, *, partitioned: bool) -> Monitor | None:
    """Return the monitor of a declaration.

    Raises:
        InvalidDeclaration: it is none, or there are no partitions to compare.
    """
    if monitor is not None and not isinstance(monitor, Monitor):
        raise InvalidDeclaration(culprit, f"has monitor={describe_value(monitor)}", 'Give fp.Monitor(reference="90d").')
    if monitor is not None and not partitioned:
        raise InvalidDeclaration(
            culprit,
            "has a monitor but no partitions",
            "Drift needs a time: name an event_time, or drop the monitor.",
        )
    return monitor


def _fixed_range(reference: tuple[object, ...]) -> Range:
    remedy = 'Give two times, the earlier one first, e.g. ("2013-01-01", "2013-04-01").'
    if len(reference) != 2 or not all(isinstance(moment, str) for moment in reference):
        raise InvalidDeclaration(_OWNER, f"has reference={describe_value(reference)}", remedy)
    start, end = (instant(str(moment), f"{_OWNER}, reference,") for moment in reference)
    if start >= end:
        raise InvalidDeclaration(_OWNER, f"has reference={describe_value(reference)}", remedy)
    return start, end


def _check_season(season: str, reference: str | tuple[str, str]) -> None:
    length = microseconds(season, f"{_OWNER}, season,")
    if not isinstance(reference, str):
        raise InvalidDeclaration(_OWNER, "has a season and a fixed reference", "Drop one of them.")
    if length < microseconds(reference, _OWNER) // 2:
        raise InvalidDeclaration(
            _OWNER,
            f"has season={describe_value(season)} and a reference of {reference}",
            "A season is at least half as long as the reference around it.",
        )

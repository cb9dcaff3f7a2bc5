"""The clock: every piece of time arithmetic in the platform.

One format (UTC, microseconds), half-open intervals, and nothing here reads the current time.
"""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Literal

import polars as pl

from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, NotUtc, WrongColumnType

UTC = pl.Datetime("us", "UTC")
Grain = Literal["hourly", "daily", "weekly", "monthly"]
GRAINS: tuple[Grain, ...] = ("hourly", "daily", "weekly", "monthly")

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_DURATION = re.compile(r"([1-9][0-9]*)([smhdw])")
_KEY_FORMAT = {"hourly": "%Y-%m-%d-%H:%M", "daily": "%Y-%m-%d", "weekly": "%Y-%m-%d", "monthly": "%Y-%m-%d"}
_parse_time = lru_cache(1 << 14)(datetime.strptime)  # a run parses the same keys several times, which takes long
_EVERY = {"hourly": "1h", "daily": "1d", "weekly": "1w", "monthly": "1mo"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MONDAY = 4 * _UNITS["d"]  # 1970-01-05, so that weekly grids begin on Mondays as ISO weeks do
ALWAYS = datetime(1, 1, 1, tzinfo=timezone.utc)  # the event time of facts that hold at all times
NEVER = datetime.max.replace(tzinfo=timezone.utc)  # the last moment that can be written
EARLIEST = datetime(1678, 1, 1, tzinfo=timezone.utc)  # what lies before it, or from LATEST on, is no time of an event
LATEST = datetime(2262, 1, 1, tzinfo=timezone.utc)  # unless a project says so: both are near the ends of nanoseconds
SKEW = timedelta(hours=1)  # how far the clocks of those who write events may be ahead of ours
_MICROSECOND = timedelta(microseconds=1)
_FOREVER = 100_000 * _UNITS["d"]  # longer than any history, short enough to subtract from any real time


# ---------------------------------------------------------------- durations


def microseconds(duration: str, owner: str) -> int:
    """Return the microseconds of a fixed duration such as `90s`, `15m`, `36h`, `7d` or `2w`.

    A day is 24 hours: the platform's clock is UTC, which has no daylight saving.

    Raises:
        InvalidDeclaration: any other text; `owner` is named as the culprit.

    >>> microseconds("36h", "Source `flights`") // 3_600_000_000
    36
    """
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    length = int(match[1]) * _UNITS[match[2]] if match else _FOREVER
    if length >= _FOREVER:
        raise InvalidDeclaration(
            owner,
            f"has the duration {duration!r}",
            "Write a whole number and one of s, m (minutes), h, d, w, e.g. `36h` or `7d`.",
        )
    return length


def length_of(duration: str | timedelta, owner: str) -> int:
    """Return a duration in microseconds, from text as in `microseconds` or a `timedelta` of at least zero.

    Raises:
        InvalidDeclaration: a negative `timedelta`, or text that is no duration.

    >>> length_of(timedelta(minutes=1), "ttl") == length_of("60s", "ttl") == 60_000_000
    True
    """
    if not isinstance(duration, timedelta):
        return microseconds(duration, owner)
    length = duration // timedelta(microseconds=1)
    if not 0 <= length < _FOREVER:
        raise InvalidDeclaration(owner, f"has the duration {duration!r}", "Give a duration of zero or more.")
    return length


# ---------------------------------------------------------------- times


def instant(value: str | datetime, owner: str) -> datetime:
    """Return a moment in UTC from a datetime with a zone or ISO text; text without a zone means UTC.

    >>> instant("2013-03-01", "start").isoformat()
    '2013-03-01T00:00:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime):
        raise InvalidDeclaration(owner, f"is {value!r}", "Write an ISO time such as `2013-03-01` or pass a datetime.")
    if moment.tzinfo is None:
        if not isinstance(value, str):
            raise InvalidDeclaration(owner, f"is {value!r}, a time without a zone", "Add `tzinfo=timezone.utc`.")
        moment = moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise InvalidDeclaration(
            owner, f"is {value!r}, in UTC beyond the years 1 to 9999", "Give a time of the calendar."
        ) from error


_WITH_ZONE: dict[type[pl.DataType], str] = {  # what gives a column a zone, as it is written after the column
    pl.Date: '.cast(pl.Datetime("us", "UTC"))',  # its midnight
    pl.Datetime: '.dt.replace_time_zone("UTC")',
    pl.String: '.str.to_datetime("%Y-%m-%d %H:%M:%S", time_zone="UTC")` or `.str.to_datetime("%Y-%m-%dT%H:%M:%S%z")',
}


def utc(schema: pl.Schema, column: str, owner: str) -> pl.Expr:
    """Return the column as UTC microseconds; times of other zones are converted, those without one refused.

    Finer units are cut to the microsecond, the resolution of the clock.

    Raises:
        MissingColumns: no such column.
        NotUtc: a time without a zone, or text.
        WrongColumnType: not a time at all.
    """
    if column not in schema:
        raise MissingColumns(owner, [column], schema)
    dtype = schema[column]
    if dtype == UTC:
        return pl.col(column)  # as it is, so that filters on it reach the files
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return pl.col(column).dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if dtype == pl.Null:
        return pl.col(column).cast(UTC)
    if isinstance(dtype, (pl.Datetime, pl.Date, pl.String)):
        raise NotUtc(owner, column, dtype, f"State the zone where the data is read, e.g. `{_WITH_ZONE[type(dtype)]}`.")
    raise WrongColumnType(owner, column, dtype, "a time with a zone", "Convert it where the data is read.")


def near_interval(schema: pl.Schema, column: str, start: datetime, end: datetime) -> pl.Expr | None:
    """Return which times of a column lie in `[start, end)`, or a millisecond beside it, compared as they are stored.

    None for a column that `utc` hands on as it is, or refuses. A filter on a converted column does not reach the files.
    """
    dtype = schema.get(column)
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None or dtype == UTC:
        return None
    unit, zone, time = dtype.time_unit, dtype.time_zone, pl.col(column)
    low, high = (
        pl.lit(shift_moment(moment, by), dtype=UTC).dt.cast_time_unit(unit).dt.convert_time_zone(zone)
        for moment, by in ((start, -1000), (end, 1000))
    )
    at_most = pl.lit(value=True) if unit == "ns" and end >= LATEST else time <= high
    return at_most if unit == "ns" and start <= EARLIEST else at_most & (time >= low)


def ticks(schema: pl.Schema, column: str, owner: str) -> pl.Expr:
    """Return the column as whole microseconds since 1970-01-01 UTC; converts and refuses as `utc` does."""
    return utc(schema, column, owner).to_physical().cast(pl.Int64)


def shift_times(column: str | pl.Expr, length: int) -> pl.Expr:
    """Move a time column by a number of microseconds (negative: earlier)."""
    times = pl.col(column) if isinstance(column, str) else column
    return (times.to_physical() + length).cast(UTC)


def shift_moment(moment: datetime, length: int) -> datetime:
    """Move a moment by a number of microseconds, at most to the first or last moment that can be written.

    >>> shift_moment(ALWAYS, -1) == ALWAYS, shift_moment(NEVER, 1) == NEVER
    (True, True)
    """
    try:
        return moment + timedelta(microseconds=length)
    except OverflowError:
        return ALWAYS if length < 0 else NEVER


def microsecond_of(moment: datetime) -> int:
    """Return the microseconds since 1970-01-01 UTC, exact where floating timestamps are not."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(microsecond: int) -> datetime:
    """Return the moment that many microseconds after 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=microsecond)


# ---------------------------------------------------------------- partitions


def partition_start(moment: datetime, grain: Grain) -> datetime:
    """Return the start of the partition that holds a moment; weeks start on Monday."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if grain == "hourly":
        return moment.replace(minute=0, second=0, microsecond=0)
    if grain == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "monthly" else day


_LENGTH = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}


def partition_end(start: datetime, grain: Grain) -> datetime:
    """Return the end (not included) of the partition that begins at `start`."""
    if grain == "monthly":
        return (start + timedelta(days=32)).replace(day=1)
    return start + _LENGTH[grain]


def partition_key(start: datetime, grain: Grain) -> str:
    """Return the Dagster partition key of the partition that begins at `start`.

    >>> partition_key(ALWAYS, "daily")
    '0001-01-01'
    """
    return f"{start.year:04d}{start.strftime(_KEY_FORMAT[grain].removeprefix('%Y'))}"  # %Y writes no leading zeros


def partition_bounds(key: str, grain: Grain, owner: str) -> tuple[datetime, datetime]:
    """Return the half-open interval `[start, end)` of a partition key.

    Raises:
        InvalidDeclaration: the key is not one of this grain, or its partition ends after the year 9999.
    """
    try:
        start = _parse_time(key, _KEY_FORMAT[grain]).replace(tzinfo=timezone.utc)
        end = partition_end(start, grain)
    except (ValueError, OverflowError):
        start = None
    if start is None or partition_start(start, grain) != start or partition_key(start, grain) != key:
        example = partition_key(partition_start(EPOCH, grain), grain)
        raise InvalidDeclaration(owner, f"has the partition key {key!r}", f"A {grain} key looks like `{example}`.")
    return start, end


def partition_keys(start: datetime, end: datetime, grain: Grain) -> list[str]:
    """Return the keys of all partitions that overlap `[start, end)`, in order; none when the interval is empty.

    >>> partition_keys(moment_of(0), moment_of(1), "monthly")
    ['1970-01-01']
    """
    keys, at = [], partition_start(start, grain)
    while at < end and start < end:
        keys.append(partition_key(at, grain))
        at = partition_end(at, grain)
    return keys


def partition_start_of(times: pl.Expr, grain: Grain, closed: Literal["left", "right"] = "left") -> pl.Expr:
    """Return the start of the partition of each time, which is much cheaper to make than its key, `partition_of`."""
    inside = times if closed == "left" else shift_times(times, -1)
    return inside.dt.truncate(_EVERY[grain])


def clip_to_calendar(times: pl.Expr) -> pl.Expr:
    """Return times, those beyond the years 1 to 9999 moved to the nearest end of them.

    >>> pl.select(clip_to_calendar(pl.lit(2**63 - 1).cast(UTC))).item().year
    9999
    """
    return times.clip(ALWAYS, NEVER)


def side_of_interval(times: pl.Expr, start: datetime, end: datetime) -> pl.Expr:
    """Return -1 for a time before `[start, end)`, 1 after it, 0 inside it; null where there is no time.

    >>> times = pl.DataFrame({"t": [0, 1, 2]}).select(pl.col("t").cast(UTC))
    >>> times.select(side_of_interval(pl.col("t"), moment_of(1), moment_of(2)))["t"].to_list()
    [-1, 0, 1]
    """
    physical = times.to_physical()
    return (physical >= microsecond_of(end)).cast(pl.Int8) - (physical < microsecond_of(start)).cast(pl.Int8)


def partition_of(times: pl.Expr, grain: Grain, closed: Literal["left", "right"] = "left") -> pl.Expr:
    """Return the key of the partition of each time; null for a time beyond the years 1 to 9999, which have no key.

    Args:
        closed: `left` for events (`start <= t < end`), `right` for instants of a cadence, which
            belong to the partition that they close (`start < t <= end`).
    """
    written = pl.when(side_of_interval(times, ALWAYS, NEVER) == 0).then(times)
    return partition_start_of(written, grain, closed).dt.strftime(_KEY_FORMAT[grain])


def partitions_back(length: int, grain: Grain) -> int:
    """Return how many earlier partitions a look back of that many microseconds may reach, at most."""
    days = {"daily": 1, "weekly": 7, "monthly": 28}
    shortest = _UNITS["h"] if grain == "hourly" else days[grain] * _UNITS["d"]
    return -(-length // shortest)


def duration_of(duration: str) -> timedelta:
    """Return a duration such as `36h` as a timedelta, for libraries that want one."""
    return timedelta(microseconds=microseconds(duration, "A duration"))


# ---------------------------------------------------------------- windows of a reference


def window_of(times: pl.Expr, every: int) -> pl.Expr:
    """Return the start of the window of each time: half-open windows of one length, whole multiples from a Monday on.

    A time without a zone counts as UTC, a date as its midnight: only which rows share a window depends on it.

    >>> frame = pl.DataFrame({"t": [moment_of(0), moment_of(86_400_000_000 - 1)]})
    >>> frame.select(window_of(pl.col("t"), 86_400_000_000).n_unique()).item()
    1
    """
    whole = times.cast(pl.Datetime("us")).to_physical()
    return (whole - (whole - MONDAY) % every).cast(UTC)


def windows_between(low: datetime, high: datetime, every: int) -> list[datetime]:
    """Return the starts of the windows that lie within `[low, high)` as a whole, in order; see `window_of`.

    >>> len(windows_between(moment_of(0), moment_of(86_400_000_000), 3_600_000_000))
    24
    """
    first, end = microsecond_of(low), microsecond_of(high)
    first += (MONDAY - first) % every
    return [moment_of(start) for start in range(first, end - every + 1, every)]


def season_of(start: datetime, every: int) -> int | None:
    """Return what a window shares with those like it: a day its weekday, a shorter one its time of day, others None.

    >>> season_of(moment_of(0), 86_400_000_000)  # a Thursday
    3
    """
    day = _UNITS["d"]
    if every == day:
        return start.weekday()
    return microsecond_of(start) % day // every if day % every == 0 else None


# ---------------------------------------------------------------- moments as text


_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"


def rfc3339(moment: datetime) -> str:
    """Write a moment as `2013-01-01T00:00:00.000000Z`.

    >>> rfc3339(EPOCH)
    '1970-01-01T00:00:00.000000Z'
    """
    utc_moment = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    return utc_moment.isoformat(timespec="microseconds")[:26] + "Z"


def rfc3339_text(times: pl.Expr) -> pl.Expr:
    """Return a UTC time column as `rfc3339` writes moments; null where the time is."""
    return times.dt.strftime(_RFC3339)

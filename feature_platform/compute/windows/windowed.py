"""Windows: aggregations over `[t - window, t)`, exact at both ends, at the instants of a spine or a cadence.

The event at exactly `t` is not in a window that ends at `t`, so nothing that is being predicted leaks in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from feature_platform.compute.keys.join_keys import has_whole_key, key_names, require_columns, shared_types
from feature_platform.compute.windows.asked import AskedWindows
from feature_platform.compute.windows.ragged import spread
from feature_platform.compute.windows.timeline import NO_KEY, Timeline, Whole, timeline
from feature_platform.compute.windows.versions import values_as_known
from feature_platform.compute.windows.window_values import WindowQuery, check_aggregations
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.cadences import instants
from feature_platform.ground.clock import UTC, microsecond_of, ticks
from feature_platform.ground.working_columns import TICKS
from feature_platform.parts.aggregations import Aggregation

Frame = pl.LazyFrame | pl.DataFrame
_LOWEST = -(2**63)  # what 64 bits hold at least


def window_features(
    spine: Frame,
    events: Frame,
    *,
    on: Sequence[str],
    spine_time: str,
    event_time: str,
    aggregations: Sequence[Aggregation],
    derived: Mapping[str, pl.Expr] | None = None,
    known_at: str | None = None,
    known_until: str | None = None,
    owner: str = "window_features",
) -> pl.LazyFrame:
    """Return each spine row with every aggregation over its windows at its own time `t`.

    A window holds the events of its key with `t - window <= event_time < t`, and with `known_at <= t` where
    that is given; aggregations that look ahead have windows after it, see `Ahead`. A key without events has the
    empty value of each aggregation (0 for counts and sums); a
    null key or time has no value at all. The work is done by the call.

    Args:
        spine: the rows to be answered; they come back untouched, once each, in order.
        events: those without a whole key or a value in every clock are in no window.
        on: the key, on both sides; empty when the windows hold the events of all.
        known_until: the column that says from when on another version of an event counts in its place; null: never.
        derived: further features by name, expressions over those of the aggregations.
        owner: whose windows these are, as errors name it.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
        ColumnCollision: a feature has the name of a spine column or of another feature.

    >>> from datetime import datetime, timezone
    >>> from feature_platform.parts.aggregations import Count, Sum
    >>> day = lambda n: datetime(2013, 3, n, tzinfo=timezone.utc)
    >>> spine = pl.DataFrame({"carrier": ["UA"], "t": [day(3)]})
    >>> events = pl.DataFrame({"carrier": ["UA"] * 2, "at": [day(1), day(2)], "delay": [1.0, 2.0]})
    >>> features = [Count(windows=["1d"]), Sum("delay", windows=["2d"])]
    >>> clocks = {"spine_time": "t", "event_time": "at"}
    >>> found = window_features(spine, events, on=["carrier"], aggregations=features, **clocks)
    >>> found.select("count_1d", "delay_sum_2d").collect().rows()
    [(1, 3.0)]
    """
    left, right = spine.lazy().collect_schema(), events.lazy().collect_schema()
    types, wanted = shared_types(left, right, on, owner), AskedWindows.of(aggregations, derived)
    require_columns(left, [spine_time], f"{owner}: the spine")
    check_aggregations(aggregations, wanted, right, left, owner)
    time = ticks(left, spine_time, f"{owner}: the spine")
    rows = spine.lazy().collect()
    asked = rows.select(time.alias(TICKS), (has_whole_key(types) & time.is_not_null()).alias("whole"))
    line = timeline(
        events,
        types,
        event_time=event_time,
        known_at=known_at,
        known_until=known_until,
        inputs=wanted.reads,
        owner=f"{owner}: the events",
        between=_reach(asked[TICKS], wanted),
        asked=rows,
    )
    codes = np.where(asked["whole"].to_numpy(), line.codes_of(rows, types), NO_KEY)
    values = values_as_known(WindowQuery(line, codes, asked[TICKS].fill_null(0).to_numpy(), owner, on), wanted)
    return rows.hstack(values.select(pl.when(asked["whole"]).then(pl.all()))).lazy()


def published_windows(
    events: Frame,
    *,
    on: Sequence[str],
    event_time: str,
    aggregations: Sequence[Aggregation],
    derived: Mapping[str, pl.Expr] | None = None,
    every: int,
    start: datetime,
    end: datetime,
    known_at: str | None = None,
    known_until: str | None = None,
    tz: str | None = None,
    owner: str = "published_windows",
) -> pl.LazyFrame:
    """Return the rows of a windowed view for the instants `a` of its cadence with `start < a <= end`.

    A row for each key with a (known) event in the longest window at the instant. For each instant also one
    default row, its keys null: the values of every other key, and the proof that the instant was published.
    Without keys there is exactly one row for each instant. The work is done by the call.

    Args:
        events: those of `[start - longest window, end)` decide; others change nothing.
        derived: further features by name, expressions over those of the aggregations.
        every: the cadence in microseconds.
        known_until: as that of `window_features`.
        tz: the zone whose days these are.
        owner: whose windows these are, as errors name it.

    Returns:
        The keys in their own types, `as_of` (UTC) and the features, sorted by key and `as_of`; default
        rows first.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        SumTooLarge: a sum of whole numbers does not fit 64 bits.
        ColumnCollision: a feature has the name of a key or of another feature.

    >>> from datetime import timezone
    >>> from feature_platform.parts.aggregations import Count
    >>> day = lambda n: datetime(2013, 3, n, tzinfo=timezone.utc)
    >>> events = pl.DataFrame({"carrier": ["UA"], "at": [day(1)]})
    >>> rows = published_windows(
    ...     events, on=["carrier"], event_time="at", aggregations=[Count(windows=["1d"])],
    ...     every=86_400_000_000, start=day(1), end=day(3),
    ... )
    >>> [(carrier, as_of.day, count) for carrier, as_of, count in rows.collect().rows()]
    [(None, 2, 0), (None, 3, 0), ('UA', 2, 1)]
    """
    schema = events.lazy().collect_schema()
    types, wanted = shared_types(schema, schema, on, owner), AskedWindows.of(aggregations, derived)
    check_aggregations(
        aggregations, wanted, schema, pl.Schema({name: schema[name] for name in on} | {AS_OF: UTC}), owner
    )
    line = timeline(
        events,
        types,
        event_time=event_time,
        known_at=known_at,
        known_until=known_until,
        inputs=wanted.reads,
        owner=owner,
        between=(microsecond_of(start) - wanted.reach, microsecond_of(end)),
    )
    grid = instants(start, end, every, tz).to_physical().to_numpy()
    codes, places = (
        _one_row_per_instant(grid) if not on else _with_default_rows(grid, *_active_keys(line, grid, wanted.reach))
    )
    as_of = pl.Series(AS_OF, grid[places], dtype=pl.Int64).cast(UTC)
    keys = _keys_in_own_types(line, codes, types, schema)
    return (
        pl.DataFrame([*keys, as_of])
        .hstack(values_as_known(WindowQuery(line, codes, grid[places], owner, on), wanted))
        .lazy()
    )


def _reach(times: pl.Series, asked: AskedWindows) -> tuple[int, int]:
    """Return the half-open interval of all events that windows at these times may hold."""
    first, last = times.min(), times.max()
    return (first - asked.reach, last + asked.ahead_us) if isinstance(first, int) and isinstance(last, int) else (0, 0)


def _one_row_per_instant(grid: Whole) -> tuple[Whole, Whole]:
    """Return one row for each instant, where there are no keys."""
    return np.zeros_like(grid), np.arange(len(grid))


def _with_default_rows(grid: Whole, codes: Whole, places: Whole) -> tuple[Whole, Whole]:
    """Put a row of no key for each instant above those of the keys."""
    return np.append(np.full_like(grid, NO_KEY), codes), np.append(np.arange(len(grid)), places)


def _active_keys(line: Timeline, grid: Whole, length: int) -> tuple[Whole, Whole]:
    """Return keys and places in the grid of all instants with a known event in the window, by key and instant.

    Few instants are tried one by one. Of many, an event is in the windows of one run; the runs of a key are
    merged, so that none is twice.
    """
    if line.known is None and line.keys.height * len(grid) <= len(line.line):
        codes, places = (each.ravel() for each in np.indices((line.keys.height, len(grid))))
        holds = line.first_at(codes, grid[places]) > line.first_at(codes, grid[places] - length)
        return codes[holds], places[holds]
    codes, times = line.codes_and_times()
    visible_from = times if line.known is None else np.maximum(times, _before(line.known))
    first = np.searchsorted(grid, visible_from, side="right")
    after = np.searchsorted(grid, times + length, side="right")
    if line.known is not None:
        order = np.lexsort((first, codes))
        codes, first, after = codes[order], first[order], after[order]
    base = codes * (len(grid) + 1)
    covered = np.append(0, np.maximum.accumulate(base + after))[:-1] - base  # below 0 at the first run of a key
    start = np.maximum(first, covered)
    sizes = np.maximum(after - start, 0)
    return np.repeat(codes, sizes), spread(start, sizes)


def _before(times: Whole) -> Whole:
    """Return the microsecond before each time; the first that 64 bits can hold has none before it, and stays."""
    return times - (times > _LOWEST)


def _keys_in_own_types(
    line: Timeline, codes: Whole, types: Mapping[str, pl.DataType], schema: pl.Schema
) -> list[pl.Series]:
    """Return the keys of codes as the events have them; the key of `NO_KEY` is null."""
    row = pl.Series(codes, dtype=pl.Int64)
    row = row.set(row == NO_KEY, None)
    own = zip(key_names(list(types)), types, strict=True)
    return [line.keys[key].gather(row).cast(schema[name]).alias(name) for key, name in own]

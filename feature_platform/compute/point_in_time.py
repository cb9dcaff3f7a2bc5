"""The point-in-time join: what was known at each row's own time, and nothing later.

Every spine row comes back exactly once, in its order, whatever the other side holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from feature_platform.clock import UTC, instant, length_of, microsecond_of, ticks, within
from feature_platform.compute.keys import (
    OWN,
    ROW,
    TIME,
    key_names,
    keyed,
    present,
    refuse_collisions,
    require,
    shared_types,
)

Frame = pl.LazyFrame | pl.DataFrame

_EVENT, _KNOWN, _SEEN, _RANK = f"{OWN}event", f"{OWN}known", f"{OWN}seen", f"{OWN}rank"
_NEVER = {"backward": -(2**63), "forward": 2**63 - 1}  # a time at which no row can be found in that direction


def point_in_time_join(
    spine: Frame,
    rows: Frame,
    *,
    on: Sequence[str],
    spine_time: str,
    event_time: str,
    known_at: str | None = None,
    ttl: str | timedelta | None = None,
    event_time_as: str | None = None,
) -> pl.LazyFrame:
    """Each spine row with the newest row of its key that was known at its time.

    A row is visible at `t` when `event_time <= t` and `known_at <= t`. Of the visible rows the newest
    `event_time` wins, then the newest `known_at`, then the last in input order; a null value of the winner
    stays null. Rows without an event time, or without `known_at` where it is given, are never visible.

    Args:
        spine: the rows to be answered; they come back untouched, once each, in order.
        rows: what is known; its columns that are neither keys nor clocks are added.
        on: the key, on both sides; empty when one value holds for all. A null part matches nothing.
        spine_time: the time `t`; any zone, compared in UTC. A null matches nothing.
        ttl: the oldest a winner may be, inclusive (`36h`); an older one gives nulls, not its predecessor.
        event_time_as: adds the event time of the winner under this name, in UTC.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a column to be added is in the spine already.

    >>> from datetime import datetime, timezone
    >>> day = lambda n: datetime(2013, 3, n, tzinfo=timezone.utc)
    >>> spine = pl.DataFrame({"plane": ["N1", "N1"], "t": [day(1), day(5)]})
    >>> rows = pl.DataFrame({"plane": ["N1", "N1"], "at": [day(2), day(4)], "delay": [7, 9]})
    >>> joined = point_in_time_join(spine, rows, on=["plane"], spine_time="t", event_time="at")
    >>> joined.collect()["delay"].to_list()
    [None, 9]
    """
    owner = "point_in_time_join"
    schema = rows.lazy().collect_schema()
    require(schema, [event_time, known_at], f"{owner}: the right frame")
    types = shared_types(spine.lazy().collect_schema(), schema, on, owner)
    candidates = _candidates(rows.lazy(), schema, types, event_time, known_at, owner)
    return _as_of(
        spine.lazy(),
        _newest_so_far(candidates, key_names(on)),
        types,
        spine_time=spine_time,
        values=[name for name in schema if name not in {*on, event_time, known_at}],
        limit=None if ttl is None else length_of(ttl, f"{owner}: ttl"),
        event_time_as=event_time_as,
        strategy="backward",
        owner=owner,
    )


def label_join(
    spine: Frame,
    labels: Frame,
    *,
    on: Sequence[str],
    spine_time: str,
    event_time: str,
    known_at: str | None = None,
    known_by: datetime | None = None,
    horizon: str | None = None,
) -> pl.LazyFrame:
    """Each spine row with the first label of its key at or after its time: what came of it.

    Labels of one event time: the newest `known_at` wins, then the last in input order. A label without
    `known_at`, where it is given, is not known yet and is left out.

    Args:
        spine: the rows to be labelled; they come back untouched, once each, in order.
        labels: its columns that are neither keys nor clocks are added.
        on: the key, on both sides; a null part matches nothing.
        known_by: only labels known at this moment or before count; without `known_at`, those that happened.
        horizon: the latest a label may be after the spine time, inclusive (`30d`).

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a column to be added is in the spine already.

    >>> from datetime import datetime, timezone
    >>> day = lambda n: datetime(2013, 3, n, tzinfo=timezone.utc)
    >>> spine = pl.DataFrame({"flight": [1], "t": [day(1)]})
    >>> labels = pl.DataFrame({"flight": [1, 1], "at": [day(4), day(2)], "late": [False, True]})
    >>> label_join(spine, labels, on=["flight"], spine_time="t", event_time="at").collect()["late"].to_list()
    [True]
    """
    owner = "label_join"
    schema = labels.lazy().collect_schema()
    require(schema, [event_time, known_at], f"{owner}: the right frame")
    types = shared_types(spine.lazy().collect_schema(), schema, on, owner)
    candidates = _candidates(labels.lazy(), schema, types, event_time, known_at, owner)
    if known_by is not None:
        candidates = candidates.filter(pl.col(_KNOWN) <= microsecond_of(instant(known_by, f"{owner}: known_by")))
    return _as_of(
        spine.lazy(),
        _one_for_each_time(candidates, key_names(on)),
        types,
        spine_time=spine_time,
        values=[name for name in schema if name not in {*on, event_time, known_at}],
        limit=None if horizon is None else length_of(horizon, f"{owner}: horizon"),
        event_time_as=None,
        strategy="forward",
        owner=owner,
    )


def _candidates(
    rows: pl.LazyFrame,
    schema: pl.Schema,
    types: Mapping[str, pl.DataType],
    event_time: str,
    known_at: str | None,
    owner: str,
) -> pl.LazyFrame:
    """The rows that can be found at all, with key and clocks in the form in which they are compared."""
    clocks = {
        _EVENT: ticks(schema, event_time, f"{owner}: the right frame"),
        _KNOWN: ticks(schema, known_at or event_time, f"{owner}: the right frame"),
    }
    return (
        rows.with_columns(*keyed(types), **clocks)
        .filter(present([*key_names(list(types)), _EVENT, _KNOWN]))
        .with_columns(pl.max_horizontal(_EVENT, _KNOWN).alias(_SEEN))
        .sort(_EVENT, _KNOWN, maintain_order=True)
    )


def _newest_so_far(candidates: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """In order of availability, the rows that beat all rows of their key seen before.

    What wins at `t` is the best row seen by then, so the last of these seen by `t` is the winner.
    """
    best = pl.col(_RANK).cum_max()
    ranked = candidates.with_row_index(_RANK).sort(_SEEN, _RANK)
    return ranked.filter(pl.col(_RANK) == (best.over(keys) if keys else best))


def _one_for_each_time(candidates: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """In order of event time, the one label of each key and time."""
    return (
        candidates.unique([*keys, _EVENT], keep="last", maintain_order=True)
        .with_columns(pl.col(_EVENT).alias(_SEEN))
        .sort(_SEEN)
    )


def _as_of(
    spine: pl.LazyFrame,
    candidates: pl.LazyFrame,
    types: Mapping[str, pl.DataType],
    *,
    spine_time: str,
    values: Sequence[str],
    limit: int | None,
    event_time_as: str | None,
    strategy: Literal["backward", "forward"],
    owner: str,
) -> pl.LazyFrame:
    """The nearest candidate in one direction; sorts the spine itself, as the join needs, and undoes it."""
    schema = spine.collect_schema()
    require(schema, [spine_time], f"{owner}: the spine")
    refuse_collisions(schema, [*values, event_time_as], owner)
    keys, time = key_names(list(types)), ticks(schema, spine_time, f"{owner}: the spine")
    near = pl.lit(value=True) if limit is None else within(_EVENT, TIME, limit) & within(TIME, _EVENT, limit)
    event = [] if event_time_as is None else [pl.col(_EVENT).cast(UTC).alias(event_time_as)]
    return (
        spine.with_row_index(ROW)
        .with_columns(*keyed(types), time.alias(TIME))
        .with_columns(pl.when(present([*keys, TIME])).then(TIME).otherwise(_NEVER[strategy]).alias(TIME))
        .sort(TIME)
        .join_asof(
            candidates.select(*keys, _SEEN, _EVENT, *values),
            left_on=TIME,
            right_on=_SEEN,
            by=keys or None,
            strategy=strategy,
            check_sortedness=not keys,  # Polars cannot check it within keys; both sides are sorted right here
        )
        .sort(ROW)
        .select(*schema, *(pl.when(near).then(column) for column in [*map(pl.col, values), *event]))
    )

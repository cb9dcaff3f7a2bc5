"""The point-in-time join: what was known at each row's own time, and nothing later.

Every spine row comes back exactly once, in its order, whatever the other side holds.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Table, table_of_frame
from feature_platform.compute.joins.row import RowJoin
from feature_platform.compute.keys.join_keys import refuse_collisions, require_columns, shared_types
from feature_platform.ground.clock import ALWAYS, UTC, length_of, microsecond_of, ticks
from feature_platform.ground.working_columns import refuse_working_names

Frame = pl.LazyFrame | pl.DataFrame


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
    """Return each spine row with the newest row of its key that was known at its time.

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
        WrongColumnName: a column has the name of one that the platform adds.

    >>> from datetime import datetime, timezone
    >>> day = lambda n: datetime(2013, 3, n, tzinfo=timezone.utc)
    >>> spine = pl.DataFrame({"plane": ["N1", "N1"], "t": [day(1), day(5)]})
    >>> rows = pl.DataFrame({"plane": ["N1", "N1"], "at": [day(2), day(4)], "delay": [7, 9]})
    >>> joined = point_in_time_join(spine, rows, on=["plane"], spine_time="t", event_time="at")
    >>> joined.collect()["delay"].to_list()
    [None, 9]
    """
    owner = "point_in_time_join"
    schema = spine.lazy().collect_schema()
    refuse_working_names(f"{owner}: the spine", schema)
    refuse_working_names(f"{owner}: the rows", rows.lazy().collect_schema())
    ticks(schema, spine_time, f"{owner}: the spine")
    join = row_join(
        schema,
        table_of_frame(rows),
        on=on,
        event_time=event_time,
        known_at=known_at,
        limit=None if ttl is None else length_of(ttl, f"{owner}: ttl"),
        event_time_as=event_time_as,
        name="rows",
        owner=owner,
    )
    return JoinPlan(spine.lazy(), spine_time, [join], f"{owner}: the spine").lazy()


def row_join(
    spine: pl.Schema,
    table: Table,
    *,
    on: Sequence[str],
    event_time: str | None,
    known_at: str | None = None,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    event_time_as: str | None = None,
    forward: bool = False,
    known_by: int | None = None,
    own_keys: Mapping[str, str] | None = None,
    name: str,
    owner: str,
) -> RowJoin:
    """Return the join with the newest row known or, forward, with the first from the spine's time on; checked.

    Args:
        name: what people call the table.
        event_time: without one the rows hold at all times.
        limit, known_by: in microseconds.
        columns: the names of the values to be added, and of the columns they are in. Defaults to all.
        own_keys: what the table calls the parts of the key, where that is something else.

    Raises:
        MissingColumns, NotUtc, WrongColumnType, ColumnCollision: as `point_in_time_join` does.
    """
    right = f"{owner}: the right frame"
    schema = table[0].rows.collect_schema()
    require_columns(schema, [event_time, known_at], right)
    own = {key: (own_keys or {}).get(key, key) for key in on}
    types = shared_types(spine, schema, on, owner, own)
    if columns is None:
        columns = {name: name for name in schema if name not in {*own.values(), event_time, known_at}}
    refuse_collisions(spine, [*columns, event_time_as], owner)
    always = pl.repeat(microsecond_of(ALWAYS), pl.len(), dtype=pl.Int64)
    return RowJoin(
        name,
        table,
        types,
        {name: schema[column] for name, column in columns.items()} | ({event_time_as: UTC} if event_time_as else {}),
        event=always if event_time is None else ticks(schema, event_time, right),
        known=None if known_at in (None, event_time) else ticks(schema, str(known_at), right),
        columns=columns,
        limit=limit,
        event_time_as=event_time_as,
        forward=forward,
        known_by=known_by,
        own_keys=own,
    )

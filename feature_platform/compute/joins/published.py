"""The snapshot join: the values of each key at the newest published instant of a windowed view.

A key without a row at that instant has the values of the default row, never those of an earlier instant.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Table, table_of_frame
from feature_platform.compute.joins.snapshot import SnapshotJoin
from feature_platform.compute.keys.join_keys import refuse_collisions, shared_types
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.clock import UTC, publication, ticks


def published_join(
    spine: pl.LazyFrame | pl.DataFrame,
    published: pl.LazyFrame | pl.DataFrame,
    *,
    on: Sequence[str],
    spine_time: str,
    every: int,
    delay: int = 0,
    ttl: int | None = None,
    event_time_as: str | None = None,
) -> pl.LazyFrame:
    """Return each spine row with the values of the newest instant `a` that was out: `a + delay <= t`.

    An instant is published when it has its default row (without keys: any row). The value is that of the row
    of `(key, a)`, else of the default row of `a`. It is null where no instant is out yet, where `t - a` is
    more than the TTL, and where the key or the time is null.

    Args:
        spine: the rows to be answered; they come back untouched, once each, in order.
        published: rows as `published_windows` makes them.
        every: the cadence in microseconds; rows of instants that are not of this cadence (left by an earlier
            declaration) are not looked at.
        delay, ttl: in microseconds; exactly `ttl` is still valid.
        event_time_as: adds the instant `a` under this name, in UTC; null where there is no value.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a column to be added is in the spine already.
    """
    owner = "published_join"
    schema = spine.lazy().collect_schema()
    ticks(schema, spine_time, f"{owner}: the spine")
    join = snapshot_join(
        schema,
        table_of_frame(published),
        on=on,
        every=every,
        delay=delay,
        limit=ttl,
        event_time_as=event_time_as,
        name="published rows",
        owner=owner,
    )
    return JoinPlan(spine.lazy(), spine_time, [join], f"{owner}: the spine").lazy()


def snapshot_join(
    spine: pl.Schema,
    table: Table,
    *,
    on: Sequence[str],
    every: int,
    delay: int = 0,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    event_time_as: str | None = None,
    name: str,
    owner: str,
) -> SnapshotJoin:
    """Return the join of a spine with the newest published instants, checked; see `published_join`.

    Args:
        columns: the names of the values to be added, and of the columns they are in. Defaults to all.
    """
    schema = table[0].rows.collect_schema()
    types = shared_types(spine, schema, on, owner)
    as_of = ticks(schema, AS_OF, f"{owner}: the published rows")
    if columns is None:
        columns = {name: name for name in schema if name not in {*on, AS_OF}}
    refuse_collisions(spine, [*columns, event_time_as], owner)
    return SnapshotJoin(
        name,
        table,
        types,
        {name: schema[column] for name, column in columns.items()} | ({event_time_as: UTC} if event_time_as else {}),
        as_of=pl.when(as_of == publication(as_of.cast(UTC), every).to_physical()).then(as_of),
        columns=columns,
        delay=delay,
        limit=limit,
        event_time_as=event_time_as,
    )

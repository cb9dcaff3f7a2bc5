"""The snapshot join: the values of each key at the newest published instant of a windowed view.

A key without a row at that instant has the values of the default row, never those of an earlier instant.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.joins.snapshot import SnapshotJoin
from feature_platform.compute.keys.join_keys import refuse_collisions, shared_types
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.cadences import publication
from feature_platform.ground.clock import UTC, ticks


def snapshot_join(
    spine: pl.Schema,
    table: Table,
    *,
    on: Sequence[str],
    every: int,
    tz: str | None = None,
    delay: int = 0,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    event_time_as: str | None = None,
    own_keys: Mapping[str, str] | None = None,
    name: str,
    owner: str,
) -> SnapshotJoin:
    """Return the join of a spine with the values of the newest instant `a` that was out: `a + delay <= t`; checked.

    An instant is published when it has its default row (without keys: any row). The value is that of the row
    of `(key, a)`, else of the default row of `a`. It is null where no instant is out yet, where `t - a` is
    more than the limit, and where the key or the time is null.

    Args:
        table: rows as `published_windows` makes them.
        every: the cadence in microseconds; rows of instants that are not of this cadence (left by an earlier
            declaration) are not looked at.
        tz: the zone whose days these are.
        delay, limit: in microseconds; exactly `limit` is still valid.
        columns: the names of the values to be added, and of the columns they are in. Defaults to all.
        own_keys: what the table calls the parts of the key, where that is something else.
        event_time_as: adds the instant `a` under this name, in UTC; null where there is no value.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.
        ColumnCollision: a column to be added is in the spine already.
    """
    schema = table[0].rows.collect_schema()
    own = {key: (own_keys or {}).get(key, key) for key in on}
    types = shared_types(spine, schema, on, owner, own)
    as_of = ticks(schema, AS_OF, f"{owner}: the published rows")
    if columns is None:
        columns = {name: name for name in schema if name not in {*own.values(), AS_OF}}
    refuse_collisions(spine, [*columns, event_time_as], owner)
    return SnapshotJoin(
        name,
        table,
        types,
        {name: schema[column] for name, column in columns.items()} | ({event_time_as: UTC} if event_time_as else {}),
        as_of=pl.when(as_of == publication(as_of.cast(UTC), every, tz=tz).to_physical()).then(as_of),
        columns=columns,
        delay=delay,
        limit=limit,
        event_time_as=event_time_as,
        own_keys=own,
    )

"""The snapshot join: what the newest published instant of a windowed view says of each key.

A key without a row at that instant is worth what its default row says, never what it was worth before.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.clock import UTC, offset, publication, ticks, within
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

AS_OF = "as_of"
_OUT, _AS_OF, _FOUND = f"{OWN}out", f"{OWN}as_of", f"{OWN}found"


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
    """Each spine row with the values of the newest instant `a` that was out at its time: `a + delay <= t`.

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
    left, right = spine.lazy().collect_schema(), published.lazy().collect_schema()
    types = shared_types(left, right, on, owner)
    require(left, [spine_time], f"{owner}: the spine")
    features = [name for name in right if name not in {*on, AS_OF}]
    refuse_collisions(left, [*features, event_time_as], owner)
    keys, time = key_names(list(types)), ticks(left, spine_time, f"{owner}: the spine")
    rows = _rows_of_cadence(published.lazy(), right, types, every, owner)
    values = [_value(name, keys) for name in features]
    if event_time_as is not None:
        values.append(pl.col(_AS_OF).cast(UTC).alias(event_time_as))
    answered = present([*on, TIME]) & (pl.lit(value=True) if ttl is None else within(_AS_OF, TIME, ttl))
    at_instant = (
        spine.lazy()
        .with_row_index(ROW)
        .with_columns(*keyed(types), time.alias(TIME))
        .sort(TIME)
        .join_asof(_instants(rows, keys, features, delay), left_on=TIME, right_on=_OUT)
    )
    return (
        _with_rows_of_keys(at_instant, rows, keys, features)
        .sort(ROW)
        .filter(pl.col(ROW) != pl.col(ROW).shift(-1, fill_value=-1))  # once each, were the rows of a key there twice
        .select(*left, *(pl.when(answered).then(value) for value in values))
    )


def _rows_of_cadence(
    published: pl.LazyFrame, schema: pl.Schema, types: Mapping[str, pl.DataType], every: int, owner: str
) -> pl.LazyFrame:
    as_of = ticks(schema, AS_OF, f"{owner}: the published rows")
    return published.with_columns(*keyed(types), as_of.alias(_AS_OF)).filter(
        pl.col(_AS_OF) == publication(pl.col(_AS_OF).cast(UTC), every).to_physical()
    )


def _instants(rows: pl.LazyFrame, keys: Sequence[str], features: Sequence[str], delay: int) -> pl.LazyFrame:
    """The published instants in order, when each was out, and what a key without a row is worth at each."""
    return (
        rows.filter(pl.all_horizontal(pl.lit(value=True), *(pl.col(key).is_null() for key in keys)))
        .unique(_AS_OF, keep="last", maintain_order=True)
        .select(_AS_OF, offset(pl.col(_AS_OF), delay).to_physical().alias(_OUT), *map(_default, features))
        .sort(_OUT)
    )


def _with_rows_of_keys(
    at_instant: pl.LazyFrame, rows: pl.LazyFrame, keys: Sequence[str], features: Sequence[str]
) -> pl.LazyFrame:
    if not keys:
        return at_instant
    own = rows.filter(present(keys)).select(*keys, _AS_OF, *features, pl.lit(value=True).alias(_FOUND))
    return at_instant.join(own, on=[*keys, _AS_OF], how="left")


def _default(feature: str) -> pl.Expr:
    return pl.col(feature).alias(f"{OWN}default_{feature}")


def _value(feature: str, keys: Sequence[str]) -> pl.Expr:
    default = pl.col(f"{OWN}default_{feature}")
    return (pl.when(_FOUND).then(feature).otherwise(default) if keys else default).alias(feature)

"""Stretches of event time in which events may be enriched otherwise than before, because another table changed."""

import polars as pl

from feature_platform.compute.keys.join_keys import key_names, key_parts, none_is_null, shared_types
from feature_platform.declarations.cadence import Cadence
from feature_platform.declarations.enrichment import Enrichment
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.cadences import publication
from feature_platform.ground.clock import ticks, utc
from feature_platform.ground.working_columns import KNOWN_TICKS, OTHER_VALUES, TICKS, UNTIL_TICKS, VALUES

_FIRST, _LAST = -(2**63), 2**63 - 1


def changed_stretches(old: pl.DataFrame, new: pl.DataFrame, by: Enrichment) -> pl.DataFrame:
    """Return the stretches of time in which a key of a dimension may be seen otherwise in a new version of its table.

    A row that came, went or changed decides for events from its own time on, up to the next row of its key that is the
    same in both versions and was known on time: from there on that one wins, whatever becomes known later. Without an
    event time it decides for all events of its key.

    Args:
        old, new: the columns `by.reads` of two versions, in the same types.

    Returns:
        The parts of the key, and each stretch `[TICKS, UNTIL_TICKS)` in microseconds; none lies over another.
    """
    first, second = (_newest_rows(rows, by) for rows in (old, new))
    keys = [name for name in first.columns if name not in (TICKS, KNOWN_TICKS, VALUES)]
    on = [*keys, TICKS, KNOWN_TICKS]
    both = first.join(second.rename({VALUES: OTHER_VALUES}), on=on, how="full", coalesce=True)
    is_same = pl.col(VALUES).eq_missing(pl.col(OTHER_VALUES))
    begun, same = both.filter(~is_same).select(*keys, TICKS), both.filter(is_same)
    if by.event_time is None:
        return begun.unique(maintain_order=True).with_columns(
            pl.lit(_FIRST).alias(TICKS), pl.lit(_LAST).alias(UNTIL_TICKS)
        )
    following = (
        same.filter(pl.col(KNOWN_TICKS) <= pl.col(TICKS))
        .select(*keys, pl.col(TICKS).alias(UNTIL_TICKS))
        .sort(UNTIL_TICKS)
    )
    stretches = begun.sort(TICKS).join_asof(
        following,
        left_on=TICKS,
        right_on=UNTIL_TICKS,
        by=keys,
        strategy="forward",
        check_sortedness=False,
        allow_exact_matches=False,
    )
    ended = stretches.with_columns(pl.col(UNTIL_TICKS).fill_null(_LAST))
    return ended.group_by([*keys, UNTIL_TICKS]).agg(pl.col(TICKS).min()).select(*keys, TICKS, UNTIL_TICKS)


def changed_instants(old: pl.DataFrame, new: pl.DataFrame, by: Enrichment, cadence: Cadence) -> list[pl.DataFrame]:
    """Return the stretches of time in which instants of a windowed view may be seen otherwise in a new version.

    An instant decides for events from its own time on, until the next instant that both versions have was out.

    Args:
        old, new: the columns `by.reads` of two versions, in the same types: of all instants the default rows, and the
            rows of keys of those that may have changed.

    Returns:
        As `changed_stretches`, first of keys whose own rows differ, then, without a key, of instants that came, went or
        have another default row.
    """
    owner, names = f"`{by.asset}`", key_names(list(by.on.values()))
    first, second = (_newest_rows(instants_of(rows.lazy(), cadence, owner), by, of_keys=False) for rows in (old, new))
    both = first.join(
        second.rename({VALUES: OTHER_VALUES}),
        on=[*names, TICKS, KNOWN_TICKS],
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    is_same = pl.col(VALUES).eq_missing(pl.col(OTHER_VALUES))
    is_default = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).is_null() for name in names))
    stays = both.filter(is_default, is_same).select(pl.col(TICKS).alias(UNTIL_TICKS)).sort(UNTIL_TICKS)
    changed = both.filter(~is_same)
    begun = [changed.filter(none_is_null(names)).select(*names, TICKS), changed.filter(is_default).select(TICKS)]
    ended = (
        each.sort(TICKS).join_asof(
            stays, left_on=TICKS, right_on=UNTIL_TICKS, strategy="forward", allow_exact_matches=False
        )
        for each in begun
    )
    return [each.with_columns((pl.col(UNTIL_TICKS) + cadence.delay_us).fill_null(_LAST)).unique() for each in ended]


def instants_of(published: pl.LazyFrame, cadence: Cadence, owner: str) -> pl.LazyFrame:
    """Return the rows of a windowed view's table that are of its cadence; an earlier declaration may have left others.

    Raises:
        MissingColumns, NotUtc: it has no such times.
    """
    instant = utc(published.collect_schema(), AS_OF, owner)
    return published.filter(instant == publication(instant, cadence.every_us, tz=cadence.tz))


def reached_events(
    events: pl.LazyFrame, stretches: pl.DataFrame, by: Enrichment, event_time: str | None, owner: str
) -> pl.LazyFrame:
    """Return the events that lie in a stretch of their key, in no promised order.

    Args:
        stretches: what `changed_stretches` returns.
        event_time: the clock of the events; None where they have none, and see facts without a date.

    Raises:
        MissingColumns, WrongColumnType: the events lack a key, or have it in a type that does not meet.
    """
    schema = events.collect_schema()
    keys = key_names(list(by.on))
    own = dict(zip(by.on, keys, strict=True))
    types = shared_types(schema, stretches.schema, list(by.on), owner, own)
    parts = [pl.col(key).cast(dtype) for key, dtype in zip(keys, types.values(), strict=True)]
    clocks = [pl.col(TICKS), pl.col(UNTIL_TICKS)]
    asked = stretches.lazy().select(*parts, *clocks).sort(TICKS)
    dated = event_time is not None and by.event_time is not None
    at = ticks(schema, str(event_time), owner) if dated else pl.lit(0, pl.Int64)
    met = events.with_columns(*key_parts(types), at.alias(TICKS))
    if keys:  # most keys did not change
        met = met.join(asked, on=keys, how="semi")
    found = met.sort(TICKS).join_asof(asked, on=TICKS, by=keys, check_sortedness=False)
    return found.filter(pl.col(TICKS) < pl.col(UNTIL_TICKS)).drop(*keys, TICKS, UNTIL_TICKS)


def _newest_rows(rows: pl.DataFrame | pl.LazyFrame, by: Enrichment, *, of_keys: bool = True) -> pl.DataFrame:
    """Return of each key, time and time known the row that counts: the last, with its values as one.

    Args:
        of_keys: whether rows without a key are left out.
    """
    names = list(by.on.values())
    schema = rows.collect_schema()
    types = shared_types(schema, schema, names, f"`{by.asset}`")
    keys = key_names(names)
    at = ticks(schema, by.event_time, f"`{by.asset}`") if by.event_time is not None else pl.lit(0, pl.Int64)
    known = at if by.known_at is None or by.cadence else ticks(schema, by.known_at, f"`{by.asset}`")
    values = pl.struct(list(dict.fromkeys(by.columns.values())))
    clocks = {TICKS: at, KNOWN_TICKS: known}
    found = (
        rows.lazy()
        .select(*key_parts(types), **clocks, **{VALUES: values})
        .filter(none_is_null([*(keys if of_keys else ()), *clocks]))
    )
    return found.unique([*keys, *clocks], keep="last", maintain_order=True).collect()

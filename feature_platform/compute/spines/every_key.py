"""A spine of every active key: each key at each instant of a grid, for as long as it had an event not long before.

An event at `e`, known at `k`, makes its key active at the instants `a` with `e < a <= e + active` and `k <= a`: it lies
in the window `[a - active, a)` as features see it. Keys that left are asked until their last event is too old.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.keys.join_keys import has_whole_key, require_columns, shared_types
from feature_platform.compute.windows.ragged import spread
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.ground.clock import ticks
from feature_platform.ground.working_columns import FIRST_INSTANT, PAST_INSTANT, TICKS

ROWS_AT_ONCE = 1_000_000  # rows of a spine that are made at once; one instant may have more
_LOWEST = -(2**63)

_Whole = npt.NDArray[np.int64]


def every_active_key(
    events: pl.LazyFrame,
    *,
    on: Sequence[str],
    event_time: str,
    grid: pl.Series,
    active: int,
    known_at: str | None = None,
    owner: str = "every_active_key",
) -> Iterator[pl.DataFrame]:
    """Yield each active key at each instant once, sorted by instant and key: `event_timestamp`, then the keys.

    Events are read once, as a stream, and only one row of each key and instant is kept of them.

    Args:
        events: those without a whole key (a null or NaN in it), or without a value in a clock, count for nothing.
        grid: the instants (UTC), ascending.
        active: how long an event keeps its key active, in microseconds.
        known_at: the column that says when an event was known; it counts from then on.

    Raises:
        MissingColumns, NotUtc, WrongColumnType: a column is absent or its type cannot be used.

    >>> from feature_platform.ground.clock import UTC
    >>> events = pl.LazyFrame({"key": ["a", "b"], "at": [0, 2]}, schema_overrides={"at": UTC})
    >>> instants = pl.Series([1, 2, 3], dtype=UTC)
    >>> rows = pl.concat(every_active_key(events, on=["key"], event_time="at", grid=instants, active=2))
    >>> rows.select(pl.col("event_timestamp").to_physical(), "key").rows()
    [(1, 'a'), (2, 'a'), (3, 'b')]
    """
    schema = events.collect_schema()
    require_columns(schema, on, owner)
    types = shared_types(schema, schema, on, owner)
    empty = pl.DataFrame(schema={SPINE_TIME: grid.dtype, **{key: schema[key] for key in on}})
    yield empty
    if not len(grid):
        return
    times = grid.to_physical().to_numpy()
    time = ticks(schema, event_time, owner)
    known = time if known_at is None else ticks(schema, known_at, owner)
    runs = (
        events.filter(has_whole_key(types))
        .select(*on, time.alias(TICKS), known.alias(FIRST_INSTANT))
        .filter(
            pl.col(FIRST_INSTANT).is_not_null(),
            pl.col(TICKS) >= max(int(times[0]) - active, _LOWEST),
            pl.col(TICKS) < times[-1],
        )
        .with_columns(_places(times, pl.max_horizontal(TICKS, pl.col(FIRST_INSTANT) - 1)), _past(times, active))
        .filter(pl.col(FIRST_INSTANT) < pl.col(PAST_INSTANT))
        .group_by(*on, FIRST_INSTANT)
        .agg(pl.col(PAST_INSTANT).max())
        .collect(engine="streaming")
        .sort(*on, FIRST_INSTANT)
    )
    keys, first, past = _disjoint(runs, on)
    for low, high in _stretches(first, past, len(times)):
        yield _rows_between(keys, first, past, grid, low, high)


def _places(times: _Whole, visible: pl.Expr) -> pl.Expr:
    """Return the place of the first instant after a time, from which on an event is seen; null where it is null."""
    return _search(times, visible).alias(FIRST_INSTANT)


def _past(times: _Whole, active: int) -> pl.Expr:
    """Return the place past the last instant whose window holds an event."""
    starts = np.where(times < _LOWEST + active, _LOWEST, times - active)
    return _search(starts, pl.col(TICKS)).alias(PAST_INSTANT)


def _search(ascending: _Whole, values: pl.Expr) -> pl.Expr:
    def search(found: pl.Series) -> pl.Series:
        places = np.searchsorted(ascending, found.fill_null(0).to_numpy(), side="right").astype(np.uint32)
        result = pl.Series(found.name, places)
        return result.set(found.is_null(), None) if found.null_count() else result

    return values.map_batches(search, return_dtype=pl.UInt32, is_elementwise=True)


def _disjoint(runs: pl.DataFrame, on: Sequence[str]) -> tuple[pl.DataFrame, _Whole, _Whole]:
    """Return runs of instants `[first, past)` of which no two of a key overlap, from sorted ones that may."""
    first, past = (runs[name].to_numpy().astype(np.int64) for name in (FIRST_INSTANT, PAST_INSTANT))
    keys = runs.select(on)
    if not runs.height:
        return keys, first, past
    new = keys.select(pl.any_horizontal(pl.all().ne_missing(pl.all().shift()))).to_series().to_numpy().copy()
    new[0] = True
    code = np.cumsum(new)
    width = int(past.max()) + 1
    reached = np.maximum.accumulate(past + code * width) - code * width  # by the runs of a key so far
    before = np.where(new, 0, np.roll(reached, 1))
    first = np.maximum(first, before)
    kept = first < past
    return keys.filter(pl.Series(kept)), first[kept], past[kept]


def _stretches(first: _Whole, past: _Whole, count: int) -> Iterator[tuple[int, int]]:
    """Yield neighbouring instants `[low, high)` that have rows, so many that their rows are made at once."""
    rows = np.cumsum(np.bincount(first, minlength=count + 1) - np.bincount(past, minlength=count + 1))[:count]
    low, held = 0, 0
    for place in np.flatnonzero(rows).tolist():
        size = int(rows[place])
        if held and held + size > ROWS_AT_ONCE:
            yield low, place
            low, held = place, 0
        held += size
    if held:
        yield low, count


def _rows_between(
    keys: pl.DataFrame, first: _Whole, past: _Whole, grid: pl.Series, low: int, high: int
) -> pl.DataFrame:
    """Return the rows of the instants `[low, high)`, sorted by instant and key."""
    starts, ends = np.maximum(first, low), np.minimum(past, high)
    some = np.flatnonzero(starts < ends)
    sizes = (ends - starts)[some]
    instants = spread(starts[some], sizes)
    order = np.argsort(instants.astype(np.uint32), kind="stable")  # keys are ascending already
    rows = np.repeat(some, sizes)[order]
    return pl.DataFrame([grid.gather(instants[order]).alias(SPINE_TIME)]).hstack(keys[rows])

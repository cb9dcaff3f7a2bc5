"""Rows that stand for events: a few for each key, of which every lifetime is what it is of all the events.

Sums and counts of a key are one row. First, last and largest values stay the rows they were, at their own times. What
was known only after the moment of the state stays as it is, since it counts from a later moment on.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.windows.lifetimes import Keeping, Lifetimes, Slot
from feature_platform.ground.clock import UTC
from feature_platform.ground.working_columns import KEY_CODE, RANGE

_ORDERED = (Keeping.FIRST, Keeping.LAST)
_RANKED = (Keeping.TOP, Keeping.BOTTOM)
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class EventColumns:
    """The columns by which rows are told apart: the keys, the event time, and when an event was known."""

    keys: Sequence[str]
    event_time: str
    known_at: str | None

    @property
    def names(self) -> list[str]:
        """Return the names of all."""
        return list(dict.fromkeys([*self.keys, self.event_time, *([self.known_at] if self.known_at else [])]))


def fold_rows(rows: pl.DataFrame, lifetimes: Lifetimes, columns: EventColumns, moment: int) -> pl.DataFrame | None:
    """Return rows that stand for all of some rows of events before a moment, in order of key and time.

    Args:
        rows: keys and clocks of events, and their slots; rows that stand for earlier events come first.
        moment: in microseconds since 1970.

    Returns:
        None where there is no such state: an event is not before the moment, or a sum is beyond its type.
    """
    clocks = [columns.event_time, *([columns.known_at] if columns.known_at else [])]
    slots = [slot.name for slot in lifetimes.slots]
    rows = rows.select(*columns.names, *slots).drop_nulls(columns.names)
    if (rows[columns.event_time].to_physical() >= moment).any():
        return None
    rows = rows.sort(*columns.keys, columns.event_time, maintain_order=True)
    known = pl.lit(value=True) if columns.known_at is None else pl.col(columns.known_at).to_physical() <= moment
    marked = rows.with_columns(known.alias(RANGE))
    kept = _keep_rows(marked, lifetimes.slots, columns)
    totals = _add_up(marked.filter(RANGE).drop(RANGE), lifetimes.slots, columns.keys)
    if totals is None:
        return None
    times = {columns.event_time: moment - 1} | ({columns.known_at: moment} if columns.known_at else {})
    totals = totals.with_columns(pl.lit(at, dtype=pl.Int64).cast(UTC).alias(name) for name, at in times.items())
    stand = pl.concat([kept, totals.cast({name: rows.schema[name] for name in clocks})], how="diagonal")
    return stand.select(rows.columns)


def _keep_rows(rows: pl.DataFrame, slots: Sequence[Slot], columns: EventColumns) -> pl.DataFrame:
    """Return the rows that stay: those not yet known with all their slots, others with the values that are kept."""
    stay = [_stays(slot, rows.schema[slot.name], columns.keys) for slot in slots]
    chosen = rows.with_columns(
        pl.when(each).then(slot.name).alias(slot.name) for slot, each in zip(slots, stay, strict=True)
    )
    any_value = pl.any_horizontal(pl.col(slot.name).is_not_null() for slot in slots)
    return chosen.filter(~pl.col(RANGE) | any_value).drop(RANGE)


def _stays(slot: Slot, dtype: pl.DataType, keys: Sequence[str]) -> pl.Expr:
    """Return which values of a slot stay where they are: those of rows that are not known yet, and those it keeps."""
    value, is_known = pl.col(slot.name), pl.col(RANGE)
    counts = is_known & value.is_not_null()
    if slot.keeping in _ORDERED:
        place = counts.cast(pl.Int64).cum_sum(reverse=slot.keeping is Keeping.LAST).over(keys)
    elif slot.keeping in _RANKED:
        among = pl.when(counts).then(value.cast(pl.Int8) if dtype == pl.Boolean else value)
        place = among.rank("ordinal", descending=slot.keeping is Keeping.TOP).over(keys)
    else:
        return ~is_known
    return ~is_known | (counts & (place <= slot.size))


def _add_up(rows: pl.DataFrame, slots: Sequence[Slot], keys: Sequence[str]) -> pl.DataFrame | None:
    """Return one row for each key with its sums and extremes, and more where a true sum needs several floats."""
    whole = [slot.name for slot in slots if slot.keeping is Keeping.TOTAL]
    added = [pl.col(name).cast(pl.Int128).sum() for name in whole]
    ends = [
        pl.col(slot.name).nan_min() if slot.keeping is Keeping.LEAST else pl.col(slot.name).nan_max()
        for slot in slots
        if slot.keeping in (Keeping.LEAST, Keeping.MOST)
    ]
    sums = rows.group_by(keys, maintain_order=True).agg(*added, *ends)
    if any((sums[name].abs() > _LARGEST).any() for name in whole):
        return None
    parts = [sums.cast(dict.fromkeys(whole, pl.Int64))]
    for slot in slots:
        if slot.keeping is Keeping.TRUE_SUM:
            found = _true_sums_of_keys(rows.select(*keys, slot.name), keys, slot.name)
            if found is None:
                return None
            parts.append(found)
    return pl.concat(parts, how="diagonal")


def _true_sums_of_keys(rows: pl.DataFrame, keys: Sequence[str], name: str) -> pl.DataFrame | None:
    """Return a few floats for each key whose true sum is that of its values; None beyond the largest float."""
    rows = rows.drop_nulls(name)
    odd = rows.filter(~pl.col(name).is_finite()).unique(maintain_order=True)
    finite = rows.filter(pl.col(name).is_finite())
    if finite.is_empty():
        return odd
    starts = finite.select(pl.struct(keys).rle_id().alias(KEY_CODE)).to_series().to_numpy()
    edges = np.append(np.flatnonzero(np.diff(starts, prepend=-1)), len(starts))
    values, counts, parts = finite[name].to_numpy(), list[int](), list[float]()
    try:
        for some in _exact_parts(values, edges):
            counts.append(len(some))
            parts.extend(some)
    except OverflowError:
        return None
    owners = finite.select(keys)[np.repeat(edges[:-1], counts)]
    return pl.concat([owners.with_columns(pl.Series(name, parts, dtype=pl.Float64)), odd])


def _exact_parts(values: npt.NDArray[np.float64], edges: npt.NDArray[np.int64]) -> Iterator[list[float]]:
    """Yield for each range of values its rounded sum, what that lost, what that lost, ..."""
    numbers, ends = values.tolist(), edges.tolist()
    for low, high in pairwise(ends):
        left, parts = numbers[low:high], list[float]()
        while part := math.fsum(left):
            parts.append(part)
            left.append(-part)
        yield parts

"""Lifetimes from a state: what the aggregations over all time keep of each event, and how features are made of that.

Each lifetime feature reads columns of its own, its slots. The slots of a few rows can stand for those of many events:
the count of the events in one row instead of a 1 in each. The kernels are the same as for events, so what they make of
the rows that stand for events is what they would have made of the events, to the last bit.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import numpy as np
import polars as pl

from feature_platform.compute.plans.nodes import consists_of, plain_inputs
from feature_platform.compute.plans.several import as_several
from feature_platform.compute.windows.asked import AskedFeature, AskedWindows, add_derived
from feature_platform.compute.windows.window_values import check_aggregations
from feature_platform.compute.windows.windowed import published_windows
from feature_platform.declarations.naming import AS_OF
from feature_platform.ground.clock import UTC
from feature_platform.ground.working_columns import SLOT
from feature_platform.parts.aggregations import (
    Aggregation,
    Any,
    BottomK,
    Count,
    First,
    FirstN,
    Last,
    LastN,
    Max,
    Mean,
    Min,
    Rate,
    Recency,
    Sum,
    TopK,
)
from feature_platform.parts.aggregations.condition import ConditionAggregation
from feature_platform.parts.aggregations.windows import Lifetime

WHOLE_NUMBERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_FLOATS = (pl.Float32, pl.Float64)
_PLAIN = (*WHOLE_NUMBERS, *_FLOATS, pl.Boolean, pl.String, pl.Date, UTC)  # come back from a table as they were
KEY_TYPES = (*WHOLE_NUMBERS, pl.Boolean, pl.String, pl.Date)


class Keeping(Enum):
    """What a slot keeps of many events."""

    TOTAL = "their sum, a whole number"
    TRUE_SUM = "a few floats whose true sum is theirs"
    LEAST = "the smallest"
    MOST = "the largest"
    FIRST = "the first ones, at their own times"
    LAST = "the last ones, at their own times"
    TOP = "the largest ones"
    BOTTOM = "the smallest ones"


@dataclass(frozen=True)
class Slot:
    """One column of what lifetimes keep.

    Attributes:
        value: of an event, an expression over its columns; null where the event does not count.
        keeping: what is kept of the values of many events.
        size: how many values are kept at most.
    """

    name: str
    value: pl.Expr
    keeping: Keeping
    size: int = 1


@dataclass(frozen=True)
class LifetimeFeature:
    """One lifetime feature and the slots it is made of: one, or a sum and a count that it divides by."""

    name: str
    aggregation: Aggregation
    slots: tuple[str, ...]


@dataclass(frozen=True)
class Lifetimes:
    """The aggregations of a view with features over all time, each of which a state can keep.

    Attributes:
        bounded: the aggregations of the other windows.
    """

    declared: tuple[Aggregation, ...]
    bounded: tuple[Aggregation, ...]
    features: tuple[LifetimeFeature, ...]
    slots: tuple[Slot, ...]

    @property
    def bounded_reach(self) -> int:
        """Return how far back the other windows look at most, in microseconds."""
        return max((each.reach for each in self.bounded), default=0)

    def add_slots(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return events with their slots; one event is computed as one of several."""
        names = dict.fromkeys(name for slot in self.slots for name in slot.value.meta.root_names())
        read = as_several(events.select(list(names)) if names else events)
        made = read.with_columns_seq(slot.value.alias(slot.name) for slot in self.slots).head(events.height)
        return events.hstack(made.select(slot.name for slot in self.slots))

    @property
    def aggregations(self) -> list[Aggregation]:
        """Return what is computed: the other windows as they are declared, and lifetimes of slots."""
        made = dict[str, Aggregation]()
        for feature in self.features:
            for slot in feature.slots:
                made.setdefault(slot, _over_slot(feature, slot))
        return [*self.bounded, *made.values()]


def plan_lifetimes(aggregations: Sequence[Aggregation], schema: pl.Schema) -> Lifetimes | None:
    """Return the lifetimes of some aggregations; None where there are none, or a state cannot keep all of them.

    Args:
        schema: the columns of the events.

    >>> from feature_platform.parts.aggregations import Mean
    >>> planned = plan_lifetimes([Mean("x", windows=["7d", "lifetime"])], pl.Schema({"x": pl.Float64()}))
    >>> [(slot.name, slot.keeping.name) for slot in planned.slots] if planned else None
    [('fp_slot_0', 'TRUE_SUM'), ('fp_slot_1', 'TOTAL')]
    >>> plan_lifetimes([Mean("x", windows=["7d"])], pl.Schema({"x": pl.Float64()})) is None
    True
    """
    asked = [each for each in AskedWindows.of(aggregations).features if isinstance(each.window, Lifetime)]
    slots = dict[tuple[bytes, Keeping, int], Slot]()
    features: list[LifetimeFeature] = []
    for feature in asked:
        wanted = _slots_of(feature, schema)
        if wanted is None:
            return None
        names = []
        for value, keeping, size in wanted:
            slot = Slot(f"{SLOT}{len(slots)}", value, keeping, size)
            names.append(slots.setdefault((value.meta.serialize(), keeping, size), slot).name)
        features.append(LifetimeFeature(feature.name, feature.declared, tuple(names)))
    if not features:
        return None
    bounded = tuple(rest for each in aggregations if (rest := _without_lifetimes(each)) is not None)
    return Lifetimes(tuple(aggregations), bounded, tuple(features), tuple(slots.values()))


def published_lifetimes(
    lifetimes: Lifetimes,
    rows: pl.DataFrame,
    schema: pl.Schema,
    *,
    on: Sequence[str],
    event_time: str,
    known_at: str | None,
    derived: Mapping[str, pl.Expr],
    every: int,
    tz: str | None,
    start: datetime,
    end: datetime,
    owner: str,
) -> pl.DataFrame | None:
    """Return what `published_windows` makes of all events, from rows with slots; None where it cannot tell.

    It cannot where the sum of finite values is beyond floats: their mean need not be.

    Args:
        rows: what stands for the earlier events, and then the later ones.
        schema: the columns of events.

    Raises:
        the same as `published_windows`; the name of a feature may be that of a working column.
    """
    asked = AskedWindows.of(lifetimes.declared, derived)
    check_aggregations(
        lifetimes.declared, asked, schema, pl.Schema({name: schema[name] for name in on} | {AS_OF: UTC}), owner
    )
    means = [each for each in lifetimes.features if type(each.aggregation) is Mean]
    odd = [slot for slot in {each.slots[0]: None for each in means} if _has_infinity(rows[slot])]
    windows = published_windows(
        rows,
        on=on,
        event_time=event_time,
        known_at=known_at,
        aggregations=[*lifetimes.aggregations, *(end for slot in odd for end in _ends_of(slot))],
        every=every,
        tz=tz,
        start=start,
        end=end,
        owner=owner,
    ).collect()
    made = {feature.name: _finish(feature, windows) for feature in lifetimes.features}
    if any(_beyond_floats(each, made[each.name], windows) for each in means):
        return None
    features = [made[each.name] if each.name in made else windows[each.name] for each in asked.features]
    values = pl.DataFrame([series.alias(each.name) for series, each in zip(features, asked.features, strict=True)])
    return windows.select(*on, AS_OF).hstack(add_derived(values, derived, owner))


def _has_infinity(values: pl.Series) -> bool:
    return values.dtype.is_float() and values.is_infinite().any()


def _ends_of(slot: str) -> tuple[Aggregation, Aggregation]:
    return Max(slot, windows=["lifetime"]), Min(slot, windows=["lifetime"])


def _beyond_floats(feature: LifetimeFeature, mean: pl.Series, windows: pl.DataFrame) -> bool:
    """Tell whether a mean is infinite although no value of its window is."""
    infinite = mean.is_infinite().fill_null(value=False)
    for each in _ends_of(feature.slots[0]):
        if each.features[0] in windows.columns:
            infinite &= ~windows[each.features[0]].is_infinite().fill_null(value=False)
    return bool(infinite.any())


def _slots_of(feature: AskedFeature, schema: pl.Schema) -> list[tuple[pl.Expr, Keeping, int]] | None:
    """Return the values, and what is kept of them, that a feature is made of; None where it cannot be."""
    kind, declared = type(feature.declared), feature.declared
    counts = declared.event_value
    if kind is Recency:
        there = counts.is_not_null()
        there = there if feature.condition is None else there & feature.condition
        return [(pl.when(there).then(pl.lit(value=True)), Keeping.LAST, 1)]
    value = counts if feature.condition is None else pl.when(feature.condition).then(counts)
    one = pl.when(value.is_not_null()).then(pl.lit(1, dtype=pl.Int64))
    if kind is Count:
        return [(one, Keeping.TOTAL, 1)]
    if isinstance(declared, ConditionAggregation):
        holds = value.cast(pl.Boolean)
        if not consists_of(declared.condition, plain_inputs):
            return None
        if kind is Any:
            return [(holds.cast(pl.Int64), Keeping.TOTAL, 1)]
        ones = pl.when(holds.is_not_null()).then(pl.lit(1, dtype=pl.Int64))
        return [(holds.cast(pl.Int64), Keeping.TOTAL, 1), (ones, Keeping.TOTAL, 1)] if kind is Rate else None
    dtype = schema[str(declared.column)]
    if dtype not in _PLAIN:
        return None
    if kind in (Sum, Mean):
        is_whole = dtype in WHOLE_NUMBERS or dtype == pl.Boolean
        total = (value.cast(pl.Int64), Keeping.TOTAL, 1) if is_whole else (value.cast(pl.Float64), Keeping.TRUE_SUM, 1)
        return [total] if kind is Sum else [total, (one, Keeping.TOTAL, 1)]
    kept = _keeping_of(declared)
    return None if kept is None else [(value, *kept)]


def _keeping_of(aggregation: Aggregation) -> tuple[Keeping, int] | None:
    """Return which values of many an aggregation looks at; None where it may be any number of them."""
    match aggregation:
        case Min() if type(aggregation) is Min:
            return Keeping.LEAST, 1
        case Max() if type(aggregation) is Max:
            return Keeping.MOST, 1
        case First() if type(aggregation) is First:
            return Keeping.FIRST, 1
        case Last() if type(aggregation) is Last:
            return Keeping.LAST, 1
        case FirstN() if type(aggregation) is FirstN and not aggregation.distinct:
            return Keeping.FIRST, aggregation.size
        case LastN() if type(aggregation) is LastN and not aggregation.distinct:
            return Keeping.LAST, aggregation.size
        case TopK() if type(aggregation) is TopK:
            return Keeping.TOP, aggregation.size
        case BottomK() if type(aggregation) is BottomK:
            return Keeping.BOTTOM, aggregation.size
        case _:
            return None


def _without_lifetimes(aggregation: Aggregation) -> Aggregation | None:
    """Return the same aggregation over its other windows; None where it has no others."""
    rest = tuple(each for each in aggregation.windows if not isinstance(aggregation.window(each), Lifetime))
    other = copy.copy(aggregation)
    other.windows = rest
    return other if rest else None


def _over_slot(feature: LifetimeFeature, slot: str) -> Aggregation:
    """Return the aggregation of a slot that gives the feature, or what it is made of."""
    kind = type(feature.aggregation)
    if kind in (Count, Sum, Mean, Rate, Any):
        return Sum(slot, windows=["lifetime"])
    other = copy.copy(feature.aggregation)
    for word in ("name", "where", "by", "categories", "tz"):
        vars(other).pop(word, None)
    other.column, other.windows = slot, ("lifetime",)
    return other


def _finish(feature: LifetimeFeature, windows: pl.DataFrame) -> pl.Series:
    """Return a feature from the aggregations of its slots."""
    first, *counts = (windows[_over_slot(feature, slot).features[0]] for slot in feature.slots)
    if type(feature.aggregation) is Any:
        return first > 0
    if not counts:
        return first
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = first.to_numpy() / counts[0].to_numpy()
    return pl.Series(shares).set(counts[0] == 0, None)

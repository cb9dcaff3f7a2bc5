"""The semantics a second time, in plain Python and as short as they can be said."""

import math
from collections import Counter
from fractions import Fraction


def winner(key, t, rows, ttl=None):
    """Rule 4. Rows are (key, event, known, value); the winner is the last of the best that are visible."""
    if None in key or t is None:
        return None
    visible = [
        (event, known, place, value)
        for place, (other, event, known, value) in enumerate(rows)
        if other == key and event is not None and known is not None and event <= t and known <= t
    ]
    best = max(visible, key=lambda row: row[:3], default=None)
    return None if best is None or (ttl is not None and t - best[0] > ttl) else best


def outcome(key, t, labels, known_by=None, horizon=None):
    """The first label at or after `t`; of one time the newest known, then the last."""
    if None in key or t is None:
        return None
    possible = [
        (event, [-known, -place], value)
        for place, (other, event, known, value) in enumerate(labels)
        if other == key
        and event is not None
        and known is not None
        and event >= t
        and (known_by is None or known <= known_by)
        and (horizon is None or event <= t + horizon)
    ]
    return min(possible, default=None, key=lambda row: row[:2])


def window(key, t, events, length):
    """Rule 5. Values in `[t - length, t)` known by `t`, in order of event time, then of input."""
    inside = [
        (event, place, value)
        for place, (other, event, known, value) in enumerate(events)
        if other == key and event is not None and known is not None and t - length <= event < t and known <= t
    ]
    return [value for _, _, value in sorted(inside, key=lambda row: row[:2])]


def total(values):
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def variance(values):
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def deviation(values):
    """By shares of the largest value, so that no square is too small or too large for a float."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0) or 1.0
    found = variance([value / largest for value in values])
    return None if found is None else math.sqrt(found) * largest


def quantile(values, q):
    if not values or any(map(math.isnan, values)):
        return math.nan if values else None
    place = (len(values) - 1) * q
    low, high = sorted(values)[math.floor(place)], sorted(values)[math.ceil(place)]
    return low if place == math.floor(place) or low == high else low + (high - low) * (place - math.floor(place))


def extreme(values, choose):
    if not values:
        return None
    return math.nan if any(map(math.isnan, values)) else choose(values)


def plain(value):
    """A value that equals what counts as equal to it: NaN is "nan", lists and structs are of plain values."""
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def first_distinct(values):
    return [value for place, value in enumerate(values) if plain(value) not in map(plain, values[:place])]


def last_distinct(values):
    return first_distinct(values[::-1])[::-1]


def frequencies(values):
    """The different values with their counts: most frequent first, of equally frequent ones the one seen last."""
    counts = Counter(map(plain, values))
    newest_first = first_distinct(values[::-1])
    ordered = sorted(newest_first, key=lambda value: -counts[plain(value)])
    return [{"value": value, "count": counts[plain(value)]} for value in ordered]


def rank(value):
    return (math.isnan(value), 0.0 if math.isnan(value) else value)


def shape(values, power, least):
    """The central moment of a power over that of the second to half of it, in fractions."""
    if len(values) < least:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    second, other = (sum((value - mean) ** p for value in exact) / len(exact) for p in (2, power))
    if not second:
        return None
    if power == 4:
        return float(other / second**2) - 3
    return math.copysign(math.sqrt(other**2 / second**3), other)


# By the name of the aggregation: values without nulls to the feature.
AGGREGATES = {  # to Polars NaN is above every number
    "Any": lambda values: any(not value <= 1 for value in values),
    "BottomK": lambda values: sorted(values, key=rank)[:3] or None,
    "Count": len,
    "CountDistinct": lambda values: len(first_distinct(values)),
    "First": lambda values: values[0] if values else None,
    "FirstN": lambda values: values[:3] or None,
    "FirstN distinct": lambda values: first_distinct(values)[:3] or None,
    "Histogram": lambda values: frequencies(values)[:3] or None,
    "Kurtosis": lambda values: shape(values, 4, 4),
    "Last": lambda values: values[-1] if values else None,
    "LastN": lambda values: values[-3:] or None,
    "LastN distinct": lambda values: last_distinct(values)[-3:] or None,
    "Max": lambda values: extreme(values, max),
    "Mean": lambda values: total(values) / len(values) if values else None,
    "Min": lambda values: extreme(values, min),
    "Mode": lambda values: frequencies(values)[0]["value"] if values else None,
    "Quantile": lambda values: quantile(values, 0.3),
    "Rate": lambda values: sum(not value <= 1 for value in values) / len(values) if values else None,
    "Skew": lambda values: shape(values, 3, 3),
    "Std": deviation,
    "Sum": total,
    "TopK": lambda values: sorted(values, key=rank, reverse=True)[:3] or None,
    "Var": variance,
}


def slack(name, values):
    """How far a feature may be from the naive one: 1e-9 of the sum of magnitudes that went into it."""
    size = math.fsum(abs(value) for value in values if math.isfinite(value))
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if name == "Var":
        return 1e-9 * largest**2
    if name in ("Skew", "Kurtosis"):
        return 1e-9 * max(len(values), 1)
    return {"Sum": 1e-9 * size, "Mean": 1e-9 * size, "Std": 1e-5 * largest + 1e-160, "Quantile": 1e-9 * largest}.get(
        name, 0.0
    )


def same(name, found, values):
    """Whether a feature is what the naive definition says of the values (nulls among them)."""
    values = [value for value in values if value is not None]
    wanted = AGGREGATES[name](values)
    if wanted is None or found is None:
        return wanted is found
    if isinstance(wanted, list):
        return plain(wanted) == plain(found)
    if math.isnan(wanted) or math.isinf(wanted):
        return math.isnan(found) if math.isnan(wanted) else found == wanted
    return abs(found - wanted) <= slack(name, values)

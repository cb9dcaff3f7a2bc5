"""The digest of an answer: the same for the same rows in whatever order, float noise aside.

Sums weighted by row number tell rows that were swapped from rows that are in their place.
"""

from collections.abc import Mapping

import polars as pl

from benchmarks.shapes import KEY, ROW, TIME

TOLERANCE = 1e-8  # running sums by hand lose more digits than that of ours or DuckDB's
Digest = dict[str, dict[str, float]]

_WHOLE = "rows"


def digest(answer: pl.LazyFrame) -> Digest:
    """Rows in all; for each feature its nulls and where they are, its sum, weighted sum and sum of sizes."""
    features = [name for name in answer.collect_schema() if name not in (KEY, TIME, ROW)]
    # a multiple of the golden ratio of 2^32 spreads neighbouring numbers
    weight = (pl.col(ROW).cast(pl.Int64) * 2_654_435_761 % 2**32) / 2**32
    columns = [pl.len().alias(_WHOLE)]
    for name in features:
        value = pl.col(name).cast(pl.Float64)
        columns += [
            value.null_count().alias(f"{name}:nulls"),
            weight.filter(value.is_null()).sum().alias(f"{name}:weight_of_nulls"),
            value.sum().alias(f"{name}:sum"),
            (value * weight).sum().alias(f"{name}:weighted"),
            value.abs().sum().alias(f"{name}:size"),
        ]
    found = answer.select(columns).collect(engine="streaming").row(0, named=True)
    kinds = ("nulls", "weight_of_nulls", "sum", "weighted", "size")
    each = {name: {kind: float(found[f"{name}:{kind}"]) for kind in kinds} for name in features}
    return {"": {_WHOLE: float(found[_WHOLE])}, **each}


def differences(one: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]]) -> list[str]:
    """In what two digests differ, over the features that both have; nothing when they agree.

    Sums may differ by `TOLERANCE` of the sum of sizes, everything else not at all.
    """
    shared = sorted(one.keys() & other.keys())
    found = [] if len(shared) > 1 else ["they share no feature"]
    for name in shared:
        allowed = TOLERANCE * max(one[name].get("size", 0.0), other[name].get("size", 0.0), 1.0)
        for kind, value in one[name].items():
            if not abs(value - other[name][kind]) <= allowed:
                found.append(f"{name or 'the answer'}: {kind} {value!r} and {other[name][kind]!r}")
    return found

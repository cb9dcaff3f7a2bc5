"""Comparing two answers to the same question, value by value: the one served, and that of the offline store.

Floats that agree to a relative error of 1e-9 are equal, NaN is equal to NaN, everything else must be the same.
"""

import json
from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.serving.values import texts_of

TOLERANCE = 1e-9
EXAMPLES = 5  # kept of each feature
COMPARED = pl.Schema(
    {
        "feature": pl.String(),
        "compared": pl.Int64(),
        "equal": pl.Int64(),
        "mismatch": pl.Int64(),
        "missing": pl.Int64(),
        "extra": pl.Int64(),
        "ahead": pl.Int64(),
        "largest_relative_error": pl.Float64(),
        "examples": pl.List(pl.String()),
    }
)
_OFFLINE, _ONLINE, _ERROR, _KIND = "offline", "online", "error", "kind"
_KINDS = ("equal", "mismatch", "missing", "extra", "ahead")


def compare_values(
    entities: pl.DataFrame,
    offline: pl.DataFrame,
    online: pl.DataFrame,
    ahead: Mapping[str, Sequence[bool]] | None = None,
) -> pl.DataFrame:
    """Return one row for each feature, with how many values are equal and how many differ in which way.

    Args:
        entities: who was asked about, for the examples; as many rows as the other two.
        offline, online: the features, under the same names; the types are those of offline.
        ahead: for each feature the rows that serving knows newer pushed rows of, which may differ.

    Returns:
        `mismatch` are other values, `missing` those that online lacks, `extra` those that offline lacks, `ahead` those
        that differ and may. `examples` are JSON texts with the entity and both values.

    >>> who = pl.DataFrame({"id": [1, 2, 3]})
    >>> found = compare_values(who, pl.DataFrame({"x": [1.0, 2.0, None]}), pl.DataFrame({"x": [1.0, 2.5, 3.0]}))
    >>> found.select("compared", "equal", "mismatch", "missing", "extra").row(0)
    (3, 1, 1, 0, 1)
    """
    rows = [_feature(entities, offline[name], online[name], (ahead or {}).get(name)) for name in offline.columns]
    return pl.DataFrame(rows, schema=COMPARED, orient="row")


def difference_count(rows: pl.DataFrame) -> int:
    """Count the values that differ and may not."""
    return int(rows.select(pl.sum_horizontal(pl.col("mismatch", "missing", "extra").sum())).item() or 0)


def _feature(
    entities: pl.DataFrame, offline: pl.Series, online: pl.Series, ahead: Sequence[bool] | None
) -> tuple[object, ...]:
    both = pl.DataFrame(
        {
            _OFFLINE: offline,
            _ONLINE: online,
            "same": _same(offline, online),
            _ERROR: _relative_errors(offline, online),
            "ahead": pl.Series([False] * len(offline) if ahead is None else list(ahead), dtype=pl.Boolean),
        }
    )
    close = (pl.col(_ERROR) <= TOLERANCE).fill_null(value=False)
    equal = pl.col("same") | close if offline.dtype.is_float() else pl.col("same")
    by_kind = both.with_columns(
        pl.when(equal)
        .then(pl.lit("equal"))
        .when("ahead")
        .then(pl.lit("ahead"))
        .when(pl.col(_ONLINE).is_null())
        .then(pl.lit("missing"))
        .when(pl.col(_OFFLINE).is_null())
        .then(pl.lit("extra"))
        .otherwise(pl.lit("mismatch"))
        .alias(_KIND)
    )
    counts = [int((by_kind[_KIND] == kind).sum()) for kind in _KINDS]
    shown = (by_kind[_KIND] != "equal").arg_true().head(EXAMPLES)
    error = by_kind.filter(pl.col(_KIND) != "ahead")[_ERROR].max()
    return offline.name, by_kind.height, *counts, error, _examples(entities[shown], offline[shown], online[shown])


def _same(offline: pl.Series, online: pl.Series) -> pl.Series:
    """Tell whether values are the same, as JSON writes them; NaN, null and nested values included."""
    return pl.Series(texts_of(offline), dtype=pl.Binary) == pl.Series(texts_of(online), dtype=pl.Binary)


def _relative_errors(offline: pl.Series, online: pl.Series) -> pl.Series:
    """Compute |a - b| / max(|a|, |b|) of finite numbers; null where one is not finite."""
    if not offline.dtype.is_numeric():
        return pl.Series([None] * len(offline), dtype=pl.Float64)
    a, b = offline.cast(pl.Float64), online.cast(pl.Float64)
    largest = pl.max_horizontal(pl.col("a").abs(), pl.col("b").abs())
    finite = pl.col("a").is_finite() & pl.col("b").is_finite()
    error = pl.when(largest == 0).then(0.0).otherwise((pl.col("a") - pl.col("b")).abs() / largest)
    return pl.DataFrame({"a": a, "b": b}).select(pl.when(finite).then(error)).to_series()


def _examples(entities: pl.DataFrame, offline: pl.Series, online: pl.Series) -> list[str]:
    who = [json.loads(text) for text in entities.select(pl.struct(pl.all()).struct.json_encode()).to_series()]
    expected, served = ([json.loads(text) for text in texts_of(values)] for values in (offline, online))
    return [
        json.dumps({"entity": each, "offline": a, "online": b}, ensure_ascii=False)
        for each, a, b in zip(who, expected, served, strict=True)
    ]

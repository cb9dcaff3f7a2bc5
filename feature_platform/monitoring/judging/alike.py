"""Rows of one key are alike: how many of the rows without a value count as one, by the rows of a window themselves.

Profiles of windows do not have keys. Rows are read only where a change of the share without a value was found
and is small enough to be one key's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_platform.compute.drift.scores import ScoredWindow
from feature_platform.declarations.label import Label
from feature_platform.declarations.view import FeatureView
from feature_platform.monitoring.judging.windows import WindowCounts
from feature_platform.parts.drift.null_rate import NullRate


def with_alike(
    window_counts: WindowCounts, windows: Sequence[ScoredWindow], scores: pl.DataFrame
) -> Sequence[ScoredWindow] | None:
    """Return the windows with how many rows without a value count as one; None when nothing found depends on it.

    Args:
        scores: of these windows, in which that is not known yet.
    """
    asset = window_counts.snapshot.asset
    own = asset.join_keys if isinstance(asset, FeatureView | Label) else ()
    keys = [each for each in own if each in window_counts.snapshot.types]
    drifted = scores.filter("drifted", pl.col("metric") == NullRate.name, pl.col("score") < NullRate.certain)
    columns: dict[datetime, list[str]] = defaultdict(list)
    for start, column in drifted.select("window", "column").iter_rows():
        columns[start].append(column)
    doubtful = [each for each in windows if any(each.rows_of_a_key(name) > 1 for name in columns.get(each.start, ()))]
    if not keys or not doubtful:
        return None
    known = {each.start: _alike(window_counts.rows_of(each.start), keys, columns[each.start]) for each in doubtful}
    return [replace(each, missing_alike=known.get(each.start, {})) for each in windows]


def _alike(rows: pl.LazyFrame, keys: Sequence[str], columns: Sequence[str]) -> Mapping[str, float]:
    """Return for each column how many rows count as one: how much more than by chance keys differ in missing values.

    All rows of a key where the key has none or all of its values, 1 where keys lack values as rows at random do.
    """
    schema = rows.collect_schema()
    lacking = [
        (pl.col(each).is_null() | _is_nan(each, schema)).sum().alias(f"lost {at}") for at, each in enumerate(columns)
    ]
    by_key = rows.group_by(keys).agg(pl.len().alias("all"), *lacking).collect(engine="streaming")
    return {each: design_effect(by_key["all"], by_key[f"lost {at}"]) for at, each in enumerate(columns)}


def _is_nan(column: str, schema: pl.Schema) -> pl.Expr:
    return pl.col(column).is_nan().fill_null(value=False) if schema[column].is_float() else pl.lit(value=False)


def design_effect(rows: pl.Series, lost: pl.Series) -> float:
    """Return the design effect of a share, at least 1.

    It is the variance when keys are drawn at random, divided by the variance when rows are.

    >>> design_effect(pl.Series([7, 7, 7, 7]), pl.Series([7, 0, 0, 0]))
    7.0
    >>> design_effect(pl.Series([8, 8, 8, 8]), pl.Series([2, 2, 2, 2]))
    1.0
    """
    many = float(rows.sum())
    share = float(lost.sum()) / many
    if len(rows) == 1:
        return many
    if not 0 < share < 1:
        return 1.0
    apart = float(((lost - share * rows) ** 2).sum())
    return max(apart / (many * share * (1 - share)), 1.0)

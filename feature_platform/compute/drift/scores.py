"""Drift scores: one row for each column and metric, with its threshold and its status."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_platform.compute.drift.decision import discoveries
from feature_platform.compute.drift.pairs import pair_each
from feature_platform.compute.drift.reference import Reference, Thresholds
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.parts.drift import METRICS, Kind
from feature_platform.parts.drift.base import DistributionPairs, Floats

SCHEMA = pl.Schema(
    {
        "column": pl.String(),
        "metric": pl.String(),
        "score": pl.Float64(),
        "threshold": pl.Float64(),
        "drifted": pl.Boolean(),
        "status": pl.String(),
        "p_value": pl.Float64(),
        "certain": pl.Boolean(),
        "n_reference": pl.Int64(),
        "n_current": pl.Int64(),
        "n_windows": pl.Int64(),
    }
)
DRIFTED, STABLE, INSUFFICIENT, NOT_COMPARED = "drifted", "no drift", "insufficient", "not compared"
_START = pl.Datetime("us", "UTC")
_ANY = datetime(1970, 1, 1, tzinfo=UTC)  # where a window begins that is the only one
_NUMBERS = ("score", "threshold", "p_value", "certain", "n_reference", "n_current", "n_windows")
_AT_ONCE = 256  # windows; a few megabytes for each array of a metric
_CERTAIN = 2.0  # thresholds; a score of so many is certain, when it is also what the metric calls certain


@dataclass(frozen=True, eq=False)
class ScoredWindow:
    """A window whose rows are compared with the reference.

    Attributes:
        start: where it begins.
        season: that of its rows, so that they are compared with their like.
        columns: the profile of each column, over the layouts of the reference.
        keys: of how many different keys its rows are, about; None where each row stands for itself.
        missing_alike: how many rows without a value count as one at least, of columns where its keys say so.
    """

    start: datetime
    season: Hashable
    columns: Mapping[str, ColumnProfile]
    keys: int | None = None
    missing_alike: Mapping[str, float] = field(default_factory=dict)

    def rows_of_a_key(self, column: str) -> float:
        """Return how many rows a key has on average; 1 where each row stands for itself."""
        return max(self.columns[column].rows / self.keys, 1.0) if self.keys else 1.0


def score_columns(
    references: Mapping[str, Reference],
    current: Mapping[str, ColumnProfile],
    rule: DriftRule,
    thresholds: Mapping[str, Thresholds] | None = None,
    season: Hashable = None,
    why_not: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return the scores of the current profiles, in the order of the columns and of the catalogue of metrics.

    `drifted` is null and `status` says why where either side has too few rows or the metric has nothing to compare.

    Args:
        thresholds: when they are known already; defaults to those learnt from the references.
        season: that of the current rows, so that they are compared with their like.
        why_not: why the values of some columns are not compared; they get a row of the metric `values` that says so.
    """
    window = ScoredWindow(_ANY, season, current)
    return score_windows(references, [window], rule, thresholds, why_not).drop("window")


def score_windows(
    references: Mapping[str, Reference],
    windows: Sequence[ScoredWindow],
    rule: DriftRule,
    thresholds: Mapping[str, Thresholds] | None = None,
    why_not: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return what `score_columns` gives for each window, one after another, with the window's start as first column.

    Each window is decided for itself. It costs a fraction of as many calls of `score_columns`, since a metric looks at
    a column of many windows at once.
    """
    learnt = thresholds or {name: reference.thresholds(rule) for name, reference in references.items()}
    parts = [
        _score_batch(references, windows[at : at + _AT_ONCE], rule, learnt, why_not or {})
        for at in range(0, len(windows), _AT_ONCE)
    ]
    return pl.concat([pl.DataFrame(schema={"window": _START} | dict(SCHEMA)), *parts])


def _score_batch(
    references: Mapping[str, Reference],
    windows: Sequence[ScoredWindow],
    rule: DriftRule,
    thresholds: Mapping[str, Thresholds],
    why_not: Mapping[str, str],
) -> pl.DataFrame:
    reasons = {name: reason for name, each in references.items() if (reason := each.why_not)} | dict(why_not)
    rows = [
        row
        for name, each in references.items()
        for row in _score_column(name, each, windows, thresholds[name], reasons, rule)
    ]
    numbers = np.array([row.numbers for row in rows]).reshape(len(rows), len(_NUMBERS), len(windows))
    flat = dict(zip(_NUMBERS, numbers.transpose(1, 2, 0).reshape(len(_NUMBERS), -1), strict=True))
    texts = {
        "column": [row.column for row in rows] * len(windows),
        "metric": [row.metric for row in rows] * len(windows),
        "status": [row.status for row in rows] * len(windows),
    }
    starts = pl.Series("window", [each.start for each in windows for _ in rows], dtype=_START)
    scores = pl.DataFrame(texts | flat, schema_overrides={"status": pl.String()}).with_columns(
        pl.col(_NUMBERS).fill_nan(None), starts
    )
    scores = scores.with_columns(pl.col(name).cast(SCHEMA[name]) for name in _NUMBERS)
    return _decide(scores, len(windows), rule).select("window", *SCHEMA)


@dataclass(frozen=True, eq=False)
class _Row:
    """One column and metric in all windows; `numbers` are those of `_NUMBERS`, `(numbers, windows)`, NaN for none."""

    column: str
    metric: str
    status: str | None
    numbers: Floats


def _score_column(
    name: str,
    reference: Reference,
    windows: Sequence[ScoredWindow],
    thresholds: Thresholds,
    why_not: Mapping[str, str],
    rule: DriftRule,
) -> list[_Row]:
    of_season = {season: reference.for_season(season) for season in {each.season for each in windows}}
    compared = [of_season[each.season] for each in windows]
    current = [each.columns[name] for each in windows]
    pairs = pair_each(compared, current)
    by_key = _by_key(pairs, name, reference, windows, rule)
    values = [[each.values for each in side] for side in (compared, current)]
    whole = [[each.rows for each in side] for side in (compared, current)]
    rows = []
    for metric in METRICS:
        of_all = metric.kinds == frozenset(Kind)
        if metric.applies(reference.layout.kind) and (of_all or name not in why_not):
            score, threshold = metric.score(pairs), thresholds.by_metric[metric.name]
            chance = metric.p_value(pairs)
            if by_key is not pairs:  # so large a score counts however few keys it is of
                chance = np.where(score >= metric.certain, chance, metric.p_value(by_key))
            certain = score >= max(metric.certain, _CERTAIN * threshold)
            sizes = whole if of_all else values
            numbers = _matrix([score, threshold, chance, certain, *sizes, thresholds.windows], len(windows))
            rows.append(_Row(name, metric.name, None, numbers))
    if name in why_not:
        nothing = np.full((len(_NUMBERS), len(windows)), np.nan)
        rows.append(_Row(name, "values", f"{NOT_COMPARED}: {why_not[name]}", nothing))
    return rows


def _by_key(
    pairs: DistributionPairs, name: str, reference: Reference, windows: Sequence[ScoredWindow], rule: DriftRule
) -> DistributionPairs:
    """Return the pairs with how many of their rows count as one, since rows of one key are alike.

    As many as the reference's own windows say that differ by more than the chance of as many rows, and no more than a
    key has; of those without a value no fewer than the keys of the window say.
    """
    rows_of_a_key = np.array([each.rows_of_a_key(name) for each in windows])
    if (rows_of_a_key <= 1).all():
        return pairs
    usual = reference.restlessness(rule)
    missing = np.array([each.missing_alike.get(name, 1.0) for each in windows])
    return replace(
        pairs,
        alike=np.clip(usual.values, 1.0, rows_of_a_key),
        missing_alike=np.maximum(np.clip(usual.missing, 1.0, rows_of_a_key), missing),
    )


def _matrix(numbers: Sequence[npt.ArrayLike], windows: int) -> Floats:
    return np.array([np.broadcast_to(np.asarray(each, dtype=np.float64), windows) for each in numbers])


def _decide(rows: pl.DataFrame, windows: int, rule: DriftRule) -> pl.DataFrame:
    few = pl.min_horizontal("n_reference", "n_current") < rule.least_rows
    rows = rows.with_columns(
        status=pl.when(pl.col("status").is_not_null())
        .then("status")
        .when(few)
        .then(pl.lit(INSUFFICIENT))
        .when(pl.col("score").is_null() & (pl.col("metric") == "new_categories"))
        .then(pl.lit(f"{NOT_COMPARED}: too many categories to tell"))
        .when(pl.col("score").is_null())
        .then(pl.lit(f"{NOT_COMPARED}: beyond what floats hold"))
    )
    tried = rows.select(pl.when(pl.col("status").is_null()).then("p_value").otherwise(None)).to_series()
    of_window = tried.to_numpy().astype(np.float64).reshape(windows, -1)
    significant = pl.Series(np.ravel([discoveries(each, rule.false_discovery) for each in of_window]), dtype=pl.Boolean)
    drifted = pl.when(pl.col("status").is_null()).then((pl.col("score") >= pl.col("threshold")) & significant)
    rows = rows.with_columns(drifted=drifted).with_columns(certain=pl.col("drifted") & pl.col("certain"))
    verdict = pl.when("drifted").then(pl.lit(DRIFTED)).otherwise(pl.lit(STABLE))
    return rows.with_columns(status=pl.coalesce("status", verdict))

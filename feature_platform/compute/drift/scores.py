"""Drift scores: one row for each column and metric, with what the score is held against and what it comes to."""

from collections.abc import Hashable, Mapping

import numpy as np
import polars as pl

from feature_platform.compute.drift.decision import discoveries
from feature_platform.compute.drift.pairs import pair
from feature_platform.compute.drift.reference import Reference, Thresholds
from feature_platform.compute.profiles.profile import ColumnProfile
from feature_platform.declarations.drift_rule import DriftRule
from feature_platform.drift import METRICS, Kind

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
_CERTAIN = 2.0  # thresholds; a score of so many is certain, when it is also what the metric calls certain


def scored(
    references: Mapping[str, Reference],
    current: Mapping[str, ColumnProfile],
    rule: DriftRule,
    thresholds: Mapping[str, Thresholds] | None = None,
    season: Hashable = None,
    why_not: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The scores of the current profiles, in the order of the columns and of the catalogue of metrics.

    `drifted` is null and `status` says why where either side has too few rows or the metric has nothing to compare.

    Args:
        thresholds: when they are known already; learnt from the references when not said.
        season: that of the current rows, so that they are compared with their like.
        why_not: why the values of some columns are not compared; they get a row of the metric `values` that says so.
    """
    rows: list[dict[str, object]] = []
    for name, reference in references.items():
        learnt = thresholds[name] if thresholds else reference.thresholds(rule)
        compared = _compared(reference.for_season(season), current[name], learnt)
        rows += [{"column": name, **each} for each in compared]
        if why_not and name in why_not:
            rows.append({"column": name, "metric": "values", "status": f"{NOT_COMPARED}: {why_not[name]}"})
    return _decided(pl.DataFrame(rows, schema=SCHEMA, orient="row"), rule)


def _compared(reference: ColumnProfile, current: ColumnProfile, learnt: Thresholds) -> list[dict[str, object]]:
    pairs, kind = pair(reference, current), reference.layout.kind
    rows: list[dict[str, object]] = []
    for metric in METRICS:
        if not metric.applies(kind):
            continue
        score = float(metric.score(pairs)[0])
        threshold = learnt.by_metric[metric.name]
        by_values = metric.kinds != frozenset(Kind)
        rows.append(
            {
                "metric": metric.name,
                "score": score,
                "threshold": threshold,
                "p_value": float(metric.p_value(pairs)[0]),
                "certain": score >= max(metric.certain, _CERTAIN * threshold),
                "n_reference": reference.values if by_values else reference.rows,
                "n_current": current.values if by_values else current.rows,
                "n_windows": learnt.windows,
            }
        )
    return rows


def _decided(rows: pl.DataFrame, rule: DriftRule) -> pl.DataFrame:
    few = pl.min_horizontal("n_reference", "n_current") < rule.least_rows
    rows = rows.with_columns(pl.col("score", "p_value").fill_nan(None)).with_columns(
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
    significant = pl.Series(discoveries(tried.to_numpy().astype(np.float64), rule.false_discovery))
    drifted = pl.when(pl.col("status").is_null()).then((pl.col("score") >= pl.col("threshold")) & significant)
    rows = rows.with_columns(drifted=drifted).with_columns(certain=pl.col("drifted") & pl.col("certain"))
    verdict = pl.when("drifted").then(pl.lit(DRIFTED)).otherwise(pl.lit(STABLE))
    return rows.with_columns(status=pl.coalesce("status", verdict))

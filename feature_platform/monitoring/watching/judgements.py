"""Judgements: the rows of monitoring tables as evaluations, one for each partition that was written since.

An alarm is a finding, and what is as usual is clean. Insufficient data is neither, nor is a difference that does not
last: it opens no alert and resolves none.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_platform.declarations.project import Asset
from feature_platform.ground.clock import Grain, partition_key, partition_start
from feature_platform.ground.findings import FindingKind
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.alerting import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.cursor import VersionRange
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, owner_name_of
from feature_platform.offline.names import WHOLE

_NAMES = {"psi": "PSI", "ks": "KS"}
_SHOWN = 4  # scores in one sentence
_FOREIGN = FindingKind.FOREIGN_WRITE  # read from the logs, which show when it ends
Row = Mapping[str, Any]  # of a monitoring table


@dataclass(frozen=True)
class PartitionJudgement:
    """The evaluation of one partition of an asset.

    Attributes:
        version: of the asset's table when it was judged; None when the log does not say.
    """

    asset: Asset
    partition: str
    evaluation: Evaluation
    version: int | None = None


def read_judgements(snapshot: ProjectSnapshot) -> Iterator[PartitionJudgement]:
    """Yield what the monitoring tables say about the partitions that were judged since the cursor."""
    for asset in snapshot.project.assets:
        version_range = snapshot.new_versions(TableKind.MONITORING.of(asset.asset))
        versions = {} if version_range is None else _new_versions(snapshot, version_range)
        if version_range is None or not versions:
            continue
        states = snapshot.store.partition_states(version_range.table, version_range.upto)
        read = {each: states[each].inputs.get(asset.asset) for each in versions}
        rows = _rows(snapshot, version_range, list(versions)).partition_by("partition", as_dict=True)
        for (key,), frame in sorted(rows.items()):
            name = f"{version_range.table}/{version_range.id}/{key}@{versions[str(key)]}"
            grain = snapshot.project.partitions.grain
            yield PartitionJudgement(asset, str(key), evaluation_of(name, asset, frame, grain), read.get(str(key)))


def _new_versions(snapshot: ProjectSnapshot, version_range: VersionRange) -> dict[str, int | None]:
    """Return the partitions that were written since, and by which version; None where the log has forgotten it."""
    states = snapshot.store.partition_states(version_range.table, version_range.upto)
    return {
        key: state.version
        for key, state in states.items()
        if (version_range.after < 0 if state.version is None else state.version > version_range.after)
    }


def _rows(snapshot: ProjectSnapshot, version_range: VersionRange, keys: Sequence[str]) -> pl.DataFrame:
    partitions = None if WHOLE in keys else keys
    rows = snapshot.store.read(version_range.table, version=version_range.upto, partitions=partitions)
    return rows.filter(pl.col("partition").is_in(list(keys))).collect()


def evaluation_of(name: str, asset: Asset, rows: pl.DataFrame, grain: Grain) -> Evaluation:
    """Return the evaluation of a partition by its rows in a monitoring table."""
    places = ("kind", "column", "window", "partition")
    conclusive = rows.filter(pl.col("found").is_not_null() & (pl.col("kind") != _FOREIGN))
    looks = conclusive.group_by(places, maintain_order=True).agg(pl.col("found").any())
    clean = looks.filter(~pl.col("found")).select(places)
    checked = tuple(
        CheckedScope(asset.asset, kind, _when(window, partition, grain), column)
        for kind, column, window, partition in clean.iter_rows()
    )
    alarming = rows.filter(pl.col("alarm").fill_null(value=False))
    groups = alarming.partition_by("kind", "column", "window", maintain_order=True)
    findings = tuple(_finding(asset, group.to_dicts(), grain) for group in groups)
    return Evaluation(name, findings, checked)


def _finding(asset: Asset, rows: Sequence[Row], grain: Grain) -> Finding:
    """Return the finding for all alarming metrics of a column in a window: the one furthest beyond its threshold."""
    first, *_ = ordered = sorted(rows, key=_strength, reverse=True)
    kind, threshold = first["kind"], first["threshold"]
    return Finding(
        asset.asset,
        kind,
        first["severity"] or "warning",
        _evidence(ordered),
        _when(first["window"], first["partition"], grain),
        column=first["column"],
        size=first["score"],
        measure=first["measure"] if first["measure"] not in (None, first["metric"]) else _name(first),
        compared_to=first["compared_to"] or ("" if threshold is None else f"a threshold of {_number(threshold)}"),
        owner=owner_name_of(asset),
        remedy=advice(kind, asset.asset),
    )


def _strength(row: Row) -> float:
    """Return how far a score lies beyond its threshold.

    One without a score comes last, one without a threshold before it.
    """
    score, threshold = row["score"], row["threshold"]
    if score is None or math.isnan(score):
        return -1.0
    if threshold is None or math.isnan(threshold):
        return 0.0
    return float(score) / float(threshold) if threshold > 0 else math.inf


def _evidence(rows: Sequence[Row]) -> str:
    """Return the words of the leading row. A drift without words has all its scores, and how many rows they are of."""
    first = rows[0]
    only_a_score = first["kind"] == FindingKind.DRIFT and first["score"] is not None and not _is_worded(first)
    if first["evidence"] and not only_a_score:
        return str(first["evidence"])
    limit = "" if first["threshold"] is None else f" (threshold {_number(first['threshold'])})"
    scores = [f"{_name(row)} {_number(row['score'])}" for row in rows[:_SHOWN] if row["score"] is not None]
    texts = [", ".join([f"{scores[0]}{limit}", *scores[1:]])] if scores else []
    if first["n_current"] is not None and first["n_reference"] is not None:
        texts.append(f"{first['n_current']:,} rows against {first['n_reference']:,}")
    return "; ".join(texts) or f"{first['kind']} was found"


def _is_worded(row: Row) -> bool:
    """Tell whether the evidence of a drift has words before its score. Earlier releases wrote none."""
    return bool(row["evidence"]) and not str(row["evidence"]).startswith(f"{row['metric']} ")


def _name(row: Row) -> str:
    metric = str(row["metric"] or row["kind"])
    return _NAMES.get(metric, metric.replace("_", " "))


def _number(value: float) -> str:
    """Return a number with two decimals, or with two digits where it is smaller than that."""
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"


def _when(window: datetime | None, partition: str, grain: Grain) -> str:
    """Return the start of a window as text that sorts as partition keys do; the key itself without a window."""
    if window is None:
        return partition
    by_day = grain != "hourly" and window == partition_start(window, "daily")
    return partition_key(window, "daily" if by_day else "hourly")

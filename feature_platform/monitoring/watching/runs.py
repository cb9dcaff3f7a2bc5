"""Runs: the newest run of each asset in table `runs`. Refused and failed ones are findings, good ones end them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from feature_platform.declarations.project import Asset
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.alerting import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.cursor import VersionRange
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, owner_name_of
from feature_platform.offline.runs import RUNS
from feature_platform.pipelines.publishing import ROWS_GONE

_MOST = 5  # failed expectations in one sentence


def check_runs(snapshot: ProjectSnapshot) -> Iterator[Evaluation]:
    """Yield one evaluation for each asset with a run that ended since the cursor, by its newest run."""
    version_range = snapshot.new_versions(RUNS)
    if version_range is None:
        return
    newest = {each.asset: each for each in snapshot.new_commits(version_range) if each.kind == "append"}
    commits = {
        asset: newest[asset.asset]
        for asset in snapshot.project.assets
        if asset.asset in newest
        and not snapshot.has_taken_in_run(asset.asset, version_range, newest[asset.asset].version)
    }
    records = _records(snapshot, version_range, [each.run_id for each in commits.values()]) if commits else {}
    for asset, commit in commits.items():
        record = records.get((commit.run_id, asset.asset))
        if record is not None:
            yield _evaluation(f"{RUNS}/{version_range.id}@{commit.version}", asset, record)


def _records(
    snapshot: ProjectSnapshot, version_range: VersionRange, run_ids: list[str]
) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return the newest record of each run and asset."""
    rows = snapshot.store.read(version_range.table, version=version_range.upto).filter(pl.col("run_id").is_in(run_ids))
    columns = ("run_id", "asset", "outcome", "error", "checks", "started_at")
    return {
        (row["run_id"], row["asset"]): row
        for row in rows.select(columns).sort("started_at").collect().iter_rows(named=True)
    }


def _evaluation(name: str, asset: Asset, record: Mapping[str, Any]) -> Evaluation:
    failed = [each for each in record["checks"] or () if not each["passed"] and each["severity"] == "critical"]
    losses = [each["found"] for each in failed if each["name"] == ROWS_GONE]
    at = record["started_at"]
    gone = [_finding(asset, FindingKind.ROWS_GONE, _join_first(losses), at)] if losses else []
    ran = CheckedScope(asset.asset, FindingKind.RUN, conclusive=True)
    if record["outcome"] == "failed":
        error = record["error"] or "no reason is recorded"
        return Evaluation(
            name, (_finding(asset, FindingKind.RUN, f"run {record['run_id'][:8]} failed: {error}", at), *gone)
        )
    there = () if losses else (CheckedScope(asset.asset, FindingKind.ROWS_GONE, conclusive=True),)
    if record["outcome"] != "refused":
        return Evaluation(
            name, tuple(gone), (ran, CheckedScope(asset.asset, FindingKind.EXPECTATIONS, conclusive=True), *there)
        )
    broken = [each["found"] or each["name"] for each in failed if each["name"] != ROWS_GONE]
    reasons = _join_first(broken) or "a critical expectation failed"
    evidence = f"run {record['run_id'][:8]} was refused: {reasons}"
    return Evaluation(name, (_finding(asset, FindingKind.EXPECTATIONS, evidence, at), *gone), (ran, *there))


def _join_first(sentences: Sequence[str]) -> str:
    """Join the first of some sentences, and say how many more there are."""
    more = f"; and {len(sentences) - _MOST} more" if len(sentences) > _MOST else ""
    return "; ".join(sentences[:_MOST]) + more


def _finding(asset: Asset, kind: FindingKind, evidence: str, at: datetime) -> Finding:
    return Finding(
        asset.asset,
        kind,
        "warning" if kind == FindingKind.RUN else "critical",
        evidence,
        owner=owner_name_of(asset),
        remedy=advice(kind, asset.asset),
        at=at,
    )

"""The record of a run: one row in table `runs`, whether it succeeded or not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from feature_platform.ground.table_names import TableKind
from feature_platform.offline.commits import Commit, CommitStamp
from feature_platform.offline.environment import Environment, Measurement
from feature_platform.offline.opened import OpenedTable
from feature_platform.offline.store import OfflineStore

RUNS = TableKind.RUNS.value
Outcome = Literal["published", "unchanged", "refused", "failed"]

_OPENED = pl.List(pl.Struct({"table": pl.String, "version": pl.Int64}))
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "run_id": pl.String,
    "asset": pl.String,
    "partitions": pl.List(pl.String),
    "code_version": pl.String,
    "outcome": pl.String,
    "error": pl.String,
    "version": pl.Int64,
    "rows_in": pl.Int64,
    "rows_out": pl.Int64,
    "checks": pl.List(pl.Struct({"name": pl.String, "severity": pl.String, "passed": pl.Boolean, "found": pl.String})),
    "inputs_declared": _OPENED,
    "inputs_opened": _OPENED,
    "started_at": pl.Datetime("us", "UTC"),
    "duration_s": pl.Float64,
    "peak_memory_mb": pl.Float64,
    "peak_is_of_block": pl.Boolean,
    "python": pl.String,
    "platform_version": pl.String,
    "lock_hash": pl.String,
    "git_commit": pl.String,
    "git_dirty": pl.Boolean,
    "config": pl.String,
}


@dataclass(frozen=True)
class RunRecord:
    """A run of one asset.

    Attributes:
        outcome: `published` (a new version), `unchanged` (same rows), `refused` (expectations), `failed`.
        version: the version of the asset afterwards, null when nothing is published.
        inputs_declared: table and version, as the declarations say.
        inputs_opened: the tables whose rows were really read through the run's store, and Delta tables of connectors.
            A table that a function opens itself is not among them: declare it as a source.
        checks: name, severity, passed and found of every expectation that was judged.
        config: anything that JSON can hold; goes into the record as JSON.
    """

    run_id: str
    asset: str
    code_version: str
    outcome: Outcome
    environment: Environment
    cost: Measurement
    partitions: tuple[str, ...] = ()
    version: int | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    inputs_declared: Mapping[str, int] = field(default_factory=dict)
    inputs_opened: Iterable[OpenedTable] = ()
    checks: Sequence[Mapping[str, object]] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None


def record_run(store: OfflineStore, record: RunRecord) -> Commit:
    """Append one row to table `runs`; concurrent runs all succeed."""
    frame = pl.DataFrame([_row(record)], schema=_SCHEMA)
    return store.append(RUNS, frame, stamp=CommitStamp(record.run_id, record.asset, record.code_version))


def _row(record: RunRecord) -> dict[str, object]:
    environment, cost = record.environment, record.cost
    return {
        "run_id": record.run_id,
        "asset": record.asset,
        "partitions": list(record.partitions),
        "code_version": record.code_version,
        "outcome": record.outcome,
        "error": record.error,
        "version": record.version,
        "rows_in": record.rows_in,
        "rows_out": record.rows_out,
        "checks": list(record.checks),
        "inputs_declared": [{"table": table, "version": at} for table, at in sorted(record.inputs_declared.items())],
        "inputs_opened": [{"table": opened.table, "version": opened.version} for opened in record.inputs_opened],
        "started_at": cost.started_at,
        "duration_s": cost.duration_s,
        "peak_memory_mb": cost.peak_memory_mb,
        "peak_is_of_block": cost.peak_is_of_block,
        "python": environment.python,
        "platform_version": environment.platform_version,
        "lock_hash": environment.lock_hash,
        "git_commit": environment.git_commit,
        "git_dirty": environment.git_dirty,
        "config": json.dumps(record.config, sort_keys=True, default=str),
    }

"""Training sets: built from pinned versions, so that the same rows can be built again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_platform.compute.features import SPINE_TIME, tables_of
from feature_platform.compute.rows import prepared
from feature_platform.compute.training import spine_of, training_rows
from feature_platform.declarations.code_version import code_version
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.offline import OfflineStore
from feature_platform.publishing import Candidate, Published, Run

UNLABELLED = "rows_without_label"


@dataclass(frozen=True)
class BuiltTrainingSet:
    """A training set as it was built.

    Attributes:
        rows: one row for each spine row, in order: spine, features, label.
        versions: the version of each table that was read; pass it to build the same rows again.
        manifest: name, content hash, columns, rows, versions, code version: what reproduces and describes it.
    """

    rows: pl.LazyFrame
    versions: Mapping[str, int]
    manifest: Mapping[str, object]
    published: Published


def build_training_set(
    training_set: TrainingSet,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
    *,
    run_id: str | None = None,
    config: Mapping[str, object] | None = None,
) -> BuiltTrainingSet:
    """Build a training set and commit it to the offline store.

    Args:
        versions: Delta versions to read by table name (a manifest's `versions`); newest when not said.

    Raises:
        TableNotFound: a view or the label was never materialized. A spine that never was is read as it is
            found, and is not among the pinned versions.
        VersionNotFound: a table does not keep that version any more.
    """
    pinned = {name: (versions or {}).get(name) for name in _tables(training_set, store)}
    pinned_now = {name: store.latest_version(name) if version is None else version for name, version in pinned.items()}
    resolved = {"versions": pinned_now, "root": str(store.root), **(config or {})}
    with Run(store, training_set.asset, run_id=run_id, config=resolved) as run:
        rows = _rows(training_set, store, pinned_now).collect()
        candidate = _candidate(training_set, rows, pinned_now, _outcomes(training_set, store, pinned_now))
        published = run.publish(candidate)
    manifest = _manifest(training_set, published, pinned_now)
    version = published.commit.version if published.commit else None
    return BuiltTrainingSet(store.read(training_set.asset, version=version), pinned_now, manifest, published)


def _tables(training_set: TrainingSet, store: OfflineStore) -> list[str]:
    names = {name for view in training_set.service.views for name in tables_of(view)}
    if training_set.label is not None:
        names.add(training_set.label.asset)
    if store.exists(training_set.spine.asset):
        names.add(training_set.spine.asset)
    return sorted(names)


def _rows(training_set: TrainingSet, store: OfflineStore, pinned: Mapping[str, int]) -> pl.LazyFrame:
    source = training_set.spine
    if source.asset in pinned:
        stored = store.read(source.asset, version=pinned[source.asset])
    else:
        stored = prepared(source, source.connector.scan(source.name))
    tables = {name: store.read(name, version=version) for name, version in pinned.items()}
    labels = None if training_set.label is None else tables[training_set.label.asset]
    return training_rows(training_set, spine_of(source, stored), tables, labels)


def _outcomes(training_set: TrainingSet, store: OfflineStore, pinned: Mapping[str, int]) -> list[str]:
    """The columns that the label adds."""
    label = training_set.label
    if label is None:
        return []
    columns = store.read(label.asset, version=pinned[label.asset]).collect_schema().names()
    return [name for name in columns if name not in {*label.join_keys, label.event_time, label.known_at}]


def _candidate(
    training_set: TrainingSet, rows: pl.DataFrame, pinned: Mapping[str, int], outcomes: list[str]
) -> Candidate:
    notes = {}
    if outcomes:
        notes[UNLABELLED] = rows.select(pl.all_horizontal(pl.col(name).is_null() for name in outcomes).sum()).item()
    return Candidate(
        asset=training_set.asset,
        rows=rows,
        code_version=code_version(training_set),
        inputs=pinned,
        rows_in=rows.height,
        notes=notes,
    )


def _manifest(training_set: TrainingSet, published: Published, pinned: Mapping[str, int]) -> dict[str, object]:
    rows = published.candidate.rows
    commit = published.commit
    return {
        "training_set": training_set.name,
        "service": training_set.service.name,
        "label": training_set.label.name if training_set.label else None,
        "content_hash": commit.hashes[""] if commit else None,
        "version": commit.version if commit else None,
        "code_version": published.candidate.code_version,
        "rows": rows.height,
        "columns": {name: str(dtype) for name, dtype in rows.schema.items()},
        "first": _iso(rows[SPINE_TIME].min()),
        "last": _iso(rows[SPINE_TIME].max()),
        "versions": dict(pinned),
        **published.candidate.notes,
    }


def _iso(moment: object) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else None

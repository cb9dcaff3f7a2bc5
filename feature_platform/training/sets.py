"""Training sets: built from pinned versions, so that the same rows can be built again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from warnings import warn

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME
from feature_platform.compute.joins.explanation import Explanation, explain_join
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.transforms.declared_types import with_arrays
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.code_version import code_of
from feature_platform.declarations.training_set import Stale, TrainingSet, validate_stale
from feature_platform.ground.clock import instant
from feature_platform.ground.errors import LeakageSuspected, TablePinned
from feature_platform.ground.result_table import BriefResult, ResultTable
from feature_platform.offline import OfflineStore
from feature_platform.offline.stretches import read_stretches
from feature_platform.pipelines.candidates.requests import CLIPPED
from feature_platform.pipelines.candidates.shared import Span, profile_spec_of
from feature_platform.pipelines.completeness import IncompleteTable, incomplete_tables, report_incomplete
from feature_platform.pipelines.publishing import Run
from feature_platform.pipelines.results import Candidate, PublishResult
from feature_platform.training.clipping import count_clipped
from feature_platform.training.dividing import count_parts, division_facts, is_divided, training_part
from feature_platform.training.export import STRETCH_ROWS, ExportedRows
from feature_platform.training.fitted import is_fitted, keep_statistics, with_gaps
from feature_platform.training.labelled import NOT_FINAL, count_not_final, label_facts
from feature_platform.training.leakage import Leak, find_leaks
from feature_platform.training.plans import plan_set, rows_of_set, tables_of

UNLABELLED = "rows_without_label"
INCOMPLETE = "tables_stale_or_partly_filled"


@dataclass(frozen=True, repr=False)
class BuiltTrainingSet(ExportedRows, BriefResult):
    """A training set as it was built.

    Attributes:
        rows: one row for each spine row, in order: spine, features, labels; without those whose labels are not final.
        versions: the version of each table that was read; pass it to build the same rows again.
        manifest: name, content hash, columns, rows, versions, code version: all that reproduces and describes it;
            where imputations are fitted, `imputation` is the version of their statistics. `incomplete` has the tables
            that were stale or partly filled, `pinned` those that a rollback holds, by the version they are held at,
            `clipped` the rows in which each clipped request field lay outside its bounds.
            Where labels say when they are final, `rows_not_final` counts the rows without, and `labels` has up to when
            the table of each goes and how many negatives each column has.
        incomplete: those tables, with their partitions.
        stretches: reads its rows some at a time.
        leaks: what seems to tell its labels before their time; see `find_leaks`.
    """

    rows: pl.LazyFrame
    versions: Mapping[str, int]
    manifest: Mapping[str, object]
    published: PublishResult
    incomplete: Sequence[IncompleteTable] = ()
    stretches: Callable[[], Iterator[pl.LazyFrame]] = lambda: iter(())
    leaks: Sequence[Leak] = ()

    def summary(self) -> ResultTable:
        """Return how large it is and which version of which table it was built from."""
        name, rows = self.manifest["training_set"], self.manifest["rows"]
        not_final = self.manifest.get(NOT_FINAL)
        more = f", {not_final} more have no final label" if not_final else ""
        return ResultTable(f"Training set {name}: {rows} rows{more}", ("table", "version"), list(self.versions.items()))


def build_training_set(
    training_set: TrainingSet,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
    *,
    run_id: str | None = None,
    config: Mapping[str, object] | None = None,
    stale: Stale | None = None,
) -> BuiltTrainingSet:
    """Build a training set and commit it to the offline store.

    Args:
        versions: Delta versions to read by table name (a manifest's `versions`); the newest by default.
        stale: what to do when a table is stale or partly filled: "warn", "refuse" or "ignore"; as declared by default.

    Raises:
        IncompleteTablesRefused: a table is stale or partly filled, and such tables are refused; nothing was built.
        TableNotFound: a view, the label or an `fp.Spine` was never materialized. A spine that is a source, and never
            was, is read from where that is, and is not among the pinned versions.
        VersionNotFound: a table does not keep that version any more.
        NoFinalLabel: no row has a final label; nothing was built.
        TablePinned: the training set was rolled back and not released.
    """
    require_kind("fp.build_training_set", training_set, TrainingSet, "a training set")
    stale_rule = training_set.stale if stale is None else validate_stale("build_training_set", stale)
    if (pin := store.pin(training_set.asset)) is not None:
        raise TablePinned(training_set.asset, pin.version)
    pinned = _pin_versions(training_set, store, versions or {})
    resolved = {"versions": pinned, "root": str(store.root), **(config or {})}
    with Run(store, training_set.asset, run_id=run_id, config=resolved) as run:
        plan = plan_set(training_set, run.input_store, pinned)
        explanation = explain_join(plan)
        run.config["execution"] = explanation.facts()
        incomplete = incomplete_tables(training_set, store, versions, asked=_span_of(explanation))
        run.config["incomplete"] = [table.facts() for table in incomplete]
        report_incomplete(f"Training set `{training_set.name}`", incomplete, stale_rule)
        notes = count_not_final(training_set, plan)
        if incomplete:
            notes[INCOMPLETE] = len(incomplete)
        candidate = replace(_candidate(training_set, plan, explanation, pinned), notes=notes)
        published = run.publish(candidate)
        learnt: dict[str, object] = {}
        if is_fitted(training_set.service):
            if is_divided(training_set):
                unfilled = training_part(training_set, plan)
            else:
                unfilled = plan_set(with_gaps(training_set), run.input_store, pinned).lazy()
            learnt["imputation"] = keep_statistics(training_set, unfilled, store, run.stamp(candidate))
    return _describe_set(training_set, store, plan, published, _Reading(pinned, incomplete, learnt))


@dataclass(frozen=True)
class _Reading:
    """What a build has read, and found out on the way."""

    versions: Mapping[str, int]
    incomplete: Sequence[IncompleteTable]
    learnt: Mapping[str, object]


def _describe_set(
    training_set: TrainingSet, store: OfflineStore, plan: JoinPlan, published: PublishResult, read: _Reading
) -> BuiltTrainingSet:
    """Return a training set that was published, with its manifest; warn of what seems to tell its labels."""
    version = store.latest_version(training_set.asset) if published.commit is None else published.commit.version
    typed = partial(with_arrays, types=plan.schema())
    rows = typed(store.read(training_set.asset, version=version))
    stretches = partial(read_stretches, store, training_set.asset, version, STRETCH_ROWS)
    clipped = count_clipped(training_set.service, rows)
    published = _with_clipped(clipped, _with_unlabelled(training_set, plan, published, rows))
    parts = count_parts(training_set, rows)
    labels = [name for join in plan.outcomes if join.table for name in join.added]
    leaks = find_leaks(training_set, store, stretches(), labels, parts)
    if leaks:
        warn(LeakageSuspected(training_set.name, list(map(str, leaks))), stacklevel=3)
    manifest = _manifest(training_set, published, read.versions, rows) | label_facts(training_set, plan, rows)
    manifest |= division_facts(training_set, rows, parts) | dict(read.learnt)
    manifest |= {"incomplete": [table.facts() for table in read.incomplete]}
    manifest |= {"pinned": _rolled_back(store, read.versions)}
    manifest |= {"clipped": clipped} if clipped else {}
    manifest |= {"leaks": list(map(str, leaks))} if leaks else {}
    return BuiltTrainingSet(
        rows, read.versions, manifest, published, read.incomplete, lambda: map(typed, stretches()), leaks
    )


def explain_training_set(
    training_set: TrainingSet, store: OfflineStore, versions: Mapping[str, int] | None = None
) -> Explanation:
    """Explain how `build_training_set` would join, what it would read and about what it would cost.

    Raises:
        TableNotFound, VersionNotFound: as `build_training_set`.
    """
    return explain_join(plan_set(training_set, store, _pin_versions(training_set, store, versions or {})))


def _pin_versions(training_set: TrainingSet, store: OfflineStore, versions: Mapping[str, int]) -> dict[str, int]:
    """Return the version of each table that is read: the one given, or the newest."""
    names = tables_of(training_set, store)
    return {name: versions[name] if name in versions else store.latest_version(name) for name in names}


def _candidate(
    training_set: TrainingSet, plan: JoinPlan, explanation: Explanation, pinned: Mapping[str, int]
) -> Candidate:
    code = code_of(training_set)
    return Candidate(
        asset=training_set.asset,
        rows=rows_of_set(training_set, plan),
        code_version=code.version,
        functions=code.functions,
        inputs=pinned,
        rows_in=explanation.rows,
        execution=str(explanation),
        order_counts=True,
        keys=profile_spec_of(training_set).keys,
        reshapes=True,
    )


def _with_unlabelled(
    training_set: TrainingSet, plan: JoinPlan, published: PublishResult, rows: pl.LazyFrame
) -> PublishResult:
    """Add a count of the rows whose outcome is not known."""
    if not training_set.labels:
        return published
    outcomes = [pl.col(name).is_null() for join in plan.outcomes if join.table for name in join.added]
    unlabelled = rows.select(pl.all_horizontal(pl.lit(value=True), *outcomes).sum()).collect().item()
    notes = {**published.candidate.notes, UNLABELLED: unlabelled}
    return replace(published, candidate=replace(published.candidate, notes=notes))


def _with_clipped(clipped: Mapping[str, int], published: PublishResult) -> PublishResult:
    """Add how many values of request fields were replaced by a bound."""
    if not clipped:
        return published
    notes = {**published.candidate.notes, CLIPPED: sum(clipped.values())}
    return replace(published, candidate=replace(published.candidate, notes=notes))


def _manifest(
    training_set: TrainingSet, published: PublishResult, pinned: Mapping[str, int], rows: pl.LazyFrame
) -> dict[str, object]:
    commit, time = published.commit, pl.col(SPINE_TIME)
    first, last = rows.select(time.min().alias("first"), time.max().alias("last")).collect().row(0)
    return {
        "training_set": training_set.name,
        "service": training_set.service.name,
        "label": training_set.labels[0].name if training_set.labels else None,
        "content_hash": commit.hashes[""] if commit else None,
        "version": commit.version if commit else None,
        "code_version": published.candidate.code_version,
        "rows": sum(published.rows.values()),
        "columns": {name: str(dtype) for name, dtype in published.schema.items()},
        "first": _iso(first),
        "last": _iso(last),
        "versions": dict(pinned),
        **published.candidate.notes,
    }


def _span_of(explanation: Explanation) -> Span | None:
    """Return the first and last moment of the spine."""
    if explanation.span is None:
        return None
    first, last = (instant(text, "The spine") for text in explanation.span)
    return first, last


def _rolled_back(store: OfflineStore, names: Iterable[str]) -> dict[str, int]:
    """Return the tables that a rollback holds, and the version that it restored."""
    pins = {name: store.pin(name) for name in names}
    return {name: pin.version for name, pin in pins.items() if pin is not None}


def _iso(moment: object) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else None

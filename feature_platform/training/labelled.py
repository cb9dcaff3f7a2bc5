"""The labels of a training set: which of its rows have final ones, and what was found in them."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from feature_platform.compute.features.training import LabelTable, known_from
from feature_platform.compute.joins.finality import Coverage, Finality, KnownFrom
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.spine import SpineRows
from feature_platform.declarations.ahead import HAPPENED, columns_of
from feature_platform.declarations.label import Label
from feature_platform.declarations.partitions import Partitions
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import title_of
from feature_platform.ground.clock import moment_of, rfc3339
from feature_platform.ground.errors import NoFinalLabel
from feature_platform.offline import OfflineStore
from feature_platform.parts.aggregations import TimeTo
from feature_platform.pipelines.candidates.trials import try_function
from feature_platform.pipelines.candidates.upstream import Upstream
from feature_platform.pipelines.tables import pieces_of_read
from feature_platform.training.coverage import coverage_of

NOT_FINAL = "rows_not_final"
WATCHED = "rows_watched_so_far"


def label_tables(training_set: TrainingSet, store: OfflineStore, pinned: Mapping[str, int]) -> dict[str, LabelTable]:
    """Return what each label of a training set is read from, by its name.

    Raises:
        NotTheSameInParts, NotRepeatable: what the function of a label over windows makes depends on other rows.
    """
    return {label.name: _label_table(training_set, label, store, pinned) for label in training_set.labels}


def count_not_final(training_set: TrainingSet, plan: JoinPlan) -> dict[str, int]:
    """Return how many rows of the spine have no final label, and how many of these are kept as watched so far.

    Nothing is counted where no label says when it is final.

    Raises:
        NoFinalLabel: no row of the spine has what it needs, and such rows are not kept.
    """
    known = known_from(plan)
    if known is None:
        return {}
    needed = [plan.time, *known.types]
    spine = SpineRows(plan.spine.select(list(dict.fromkeys(needed))).collect(), plan.time, plan.owner)
    final = known.final(spine)
    shown = known.times(spine).is_not_null().to_numpy()
    if len(shown) and training_set.immature != "keep" and not shown.any():
        raise _no_final_label(training_set.name, known, spine)
    if training_set.immature != "watch":
        return {NOT_FINAL: int((~final).sum())}
    return {NOT_FINAL: int((~shown).sum()), WATCHED: int((shown & ~final).sum())}


def label_facts(training_set: TrainingSet, plan: JoinPlan, rows: pl.LazyFrame) -> dict[str, object]:
    """Return for each label that says when it is final up to when its table goes, and its negatives by column."""
    known = known_from(plan)
    if known is None:
        return {}
    of_name = {label.name: label for label in training_set.labels}
    facts = {each.label: _facts_of(of_name[each.label], each, rows) for each in known.labels}
    return {"labels": facts, "immature": training_set.immature}


def _label_table(training_set: TrainingSet, label: Label, store: OfflineStore, pinned: Mapping[str, int]) -> LabelTable:
    rows = pieces_of_read(label.read_from, store, pinned)
    if label.look_ahead is None:
        return LabelTable(rows, Coverage(title_of(label.read_from), ()))
    if not label.has_table and label.partitioned:
        upstream = Upstream(label, store, Partitions(store.grain(label.tables_read[0]) or "daily"), pinned)
        try_function(upstream, rows[0].rows.collect_schema(), max(upstream.rows, default=""))
    return LabelTable(rows, coverage_of(label, store, pinned, training_set.known_by))


def _facts_of(label: Label, finality: Finality, rows: pl.LazyFrame) -> dict[str, object]:
    last = finality.coverage.covered_to
    counted = rows.select(
        pl.col(name).eq(pl.lit(value)).sum().alias(name) for name, value in _negatives_of(label).items()
    )
    return {
        "table": finality.coverage.table,
        "covered_to": None if last is None else rfc3339(moment_of(last)),
        "negatives": counted.collect().to_dicts()[0] if _negatives_of(label) else {},
    }


def _negatives_of(label: Label) -> Mapping[str, object]:
    """Return the value by which each column says that nothing happened, for those that can say it."""
    if label.has_table:
        return label.look_ahead.otherwise if label.look_ahead else {}
    values: dict[str, object] = {}
    for aggregation in label.aggregations:
        for feature in aggregation.features:
            if isinstance(aggregation, TimeTo):
                values |= {name: False for name in columns_of(aggregation, feature) if name.endswith(HAPPENED)}
            elif aggregation.empty is not None:
                values[feature] = aggregation.empty
    return values


def _no_final_label(name: str, known: KnownFrom, spine: SpineRows) -> NoFinalLabel:
    """Return the error for a label that no row has, or else for all labels, which no row has together."""
    for label in known.labels:
        covered = label.ends_of_data(spine)
        if not any(bool(np.any(label.times_known(spine, column, covered)[0])) for column in label.ends):
            return NoFinalLabel(name, [_reach_of(label.coverage)], _needed_by(label, spine))
    return NoFinalLabel(name, [_reach_of(label.coverage) for label in _once_each_table(known.labels)], None)


def _needed_by(label: Finality, spine: SpineRows) -> str | None:
    need, last = label.first_need(spine), label.coverage.covered_to
    return None if need is None or (last is not None and need <= last) else _text_of(need)


def _reach_of(coverage: Coverage) -> tuple[str, str | None]:
    return coverage.table, None if coverage.covered_to is None else _text_of(coverage.covered_to)


def _once_each_table(labels: Sequence[Finality]) -> list[Finality]:
    return list({label.coverage.table: label for label in labels}.values())


def _text_of(moment: int) -> str:
    """Return a moment as text; midnights by their day."""
    return rfc3339(moment_of(moment)).removesuffix("T00:00:00.000000Z")

"""The division of a training set: which rows it keeps, the part of each, its weight, and what fills its gaps.

The order is fixed: spine, features, labels; then `where`, the sample, the split, the weights, and imputation last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from feature_platform.compute.features.training import training_rows
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.keys.buckets import stable_hash
from feature_platform.compute.keys.join_keys import refuse_collisions
from feature_platform.compute.transforms.impute import flag_of, impute
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import LABEL_KNOWN_AT
from feature_platform.declarations.row_wise import is_row_wise
from feature_platform.declarations.split import (
    EMBARGO,
    HELD_OUT,
    PART_COLUMN,
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    WEIGHT_COLUMN,
    Sample,
    Split,
)
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.clock import UTC, length_of, shift_times
from feature_platform.ground.errors import InvalidDeclaration, TransformFailed, UnknownName
from feature_platform.ground.working_columns import MARK
from feature_platform.parts.imputation import Imputation

_HASHES = 2**64


def is_divided(training_set: TrainingSet) -> bool:
    """Tell whether a training set keeps some rows only, waits for labels to be final, or has parts or weights."""
    words = (training_set.where, training_set.sample, training_set.split, training_set.weights)
    return any(each is not None for each in (*words, *(label.look_ahead for label in training_set.labels)))


def divided_rows(training_set: TrainingSet, plan: JoinPlan) -> pl.LazyFrame:
    """Return the rows of a training set that is divided: those of its plan that stay, with part and weight at the end.

    Raises:
        UnknownName: `where`, the sample, the split or the weights name a column that is not there.
        InvalidDeclaration: `where` is no condition of single rows, a label's reach is not known, or no row that trains
            has a value to be weighted.
        ColumnCollision: a column has the name of the part, of the weight or, with a split, of when a label is known.
    """
    rows = unfilled_rows(training_set, plan)
    if training_set.weights is not None:
        column = training_set.weights.column
        weights = class_weights(training_set, rows)
        if not weights:
            culprit, found = f"Training set `{training_set.name}`", "and no row that trains has a value of it"
            remedy = "Let the part `train` have rows: look at the split, `where` and the sample."
            raise InvalidDeclaration(culprit, f"has weights by `{column}`, {found}", remedy)
        values = [value for value in weights if value is not None]
        dtype = rows.collect_schema()[column]
        table = pl.LazyFrame(
            {column: pl.Series(values, dtype=dtype), WEIGHT_COLUMN: [weights[each] for each in values]}
        )
        rows = rows.join(table, on=column, how="left", maintain_order="left")
    if plan.rules:
        rows = _fill_from_training(rows, plan.rules, plan.time)
    added = [name for name in (PART_COLUMN, WEIGHT_COLUMN) if name in rows.collect_schema()]
    return rows.select(*plan.schema(), *added)


def unfilled_rows(training_set: TrainingSet, plan: JoinPlan) -> pl.LazyFrame:
    """Return the rows that stay, with their parts and with their gaps."""
    plan = replace(plan, rules={})
    schema, culprit = plan.schema(), f"Training set `{training_set.name}`"
    refuse_collisions(schema, [PART_COLUMN, WEIGHT_COLUMN], culprit)
    outcomes = {name for join in plan.outcomes for name in join.added}
    known = {name: dtype for name, dtype in schema.items() if name not in outcomes}
    rows = training_rows(training_set, plan)
    if training_set.where is not None:
        _check_condition(training_set.where, known, culprit)
        rows = rows.filter(training_set.where)
    if training_set.sample is not None:
        _require(known, training_set.sample.by, f"{culprit}, sample,")
        rows = keep_sample(rows, training_set.sample, training_set.name)
    if training_set.split is not None:
        _require(known, training_set.split.by, f"{culprit}, split,")
        refuse_collisions(pl.Schema(known), [LABEL_KNOWN_AT], culprit)  # it would decide on the embargo
        part = part_of_rows(training_set.split, plan.time, _reach(training_set, plan), training_set.name)
        rows = rows.with_columns(part.alias(PART_COLUMN))
    if training_set.weights is not None:
        _require(schema, [training_set.weights.column], f"{culprit}, weights,")
    return rows


def keep_sample(rows: pl.LazyFrame, sample: Sample, salt: str) -> pl.LazyFrame:
    """Return the rows of a share of keys; a larger share holds the smaller one."""
    if sample.share >= 1:
        return rows
    chosen = _is_in_share(sample.by, sample.share, f"{salt}/sample").alias(MARK)  # no filter that joins would evaluate
    return rows.with_columns(chosen).filter(MARK).drop(MARK)


def part_of_rows(split: Split, time: str, reach: pl.Expr, salt: str) -> pl.Expr:
    """Return the part of each row; null where it has no moment.

    Args:
        reach: from when on the label of each row is known. A null is a label that is not final: no row before the test
            uses it.
    """
    moment = pl.col(time)
    first = pl.lit(split.train_until, dtype=UTC)
    test = pl.lit(split.test_from, dtype=UTC)
    part = (
        pl.when(moment >= test)
        .then(pl.lit(TEST))
        .when((moment >= first) & (reach <= test))
        .then(pl.lit(VALIDATION))
        .when((moment < first) & (reach <= first))
        .then(pl.lit(TRAIN))
        .when(moment.is_not_null())
        .then(pl.lit(EMBARGO))
    )
    if not split.held_out:
        return part
    hidden = _is_in_share(split.by, split.held_out, f"{salt}/held_out")
    return pl.when(hidden & part.is_in([TRAIN, VALIDATION])).then(pl.lit(HELD_OUT)).otherwise(part)


def class_weights(training_set: TrainingSet, rows: pl.LazyFrame) -> dict[object, float]:
    """Return the weight of each value of the column of weights, counted in the rows that train."""
    if training_set.weights is None:
        return {}
    column = training_set.weights.column
    counted = _training(rows).filter(pl.col(column).is_not_null()).group_by(column).agg(pl.len()).sort(column).collect()
    total, classes = int(counted["len"].sum()), counted.height
    return {value: total / (classes * count) for value, count in counted.iter_rows()}


def training_part(training_set: TrainingSet, plan: JoinPlan) -> pl.LazyFrame:
    """Return the rows from which imputations learn: those that train, with their gaps."""
    return _training(unfilled_rows(training_set, plan))


def count_parts(training_set: TrainingSet, rows: pl.LazyFrame) -> dict[str, int]:
    """Count the rows of each part of a training set as it is stored; nothing without a split."""
    if training_set.split is None:
        return {}
    counts = dict(rows.group_by(PART_COLUMN).len().collect().iter_rows())
    return {part: counts.get(part, 0) for part in PARTS}


def division_facts(training_set: TrainingSet, rows: pl.LazyFrame, parts: Mapping[str, int]) -> dict[str, object]:
    """Return what a manifest says of the division: the rows of each part, and the weights.

    Args:
        rows: the training set as it is stored.
    """
    facts: dict[str, object] = {"parts": dict(parts)} if parts else {}
    if training_set.weights is not None:
        column = training_set.weights.column
        pairs = rows.select(column, WEIGHT_COLUMN).drop_nulls().unique().sort(column).collect().iter_rows()
        facts["weights"] = {"column": column, "of": {str(value): weight for value, weight in pairs}}
    return facts


def _training(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col(PART_COLUMN) == TRAIN) if PART_COLUMN in rows.collect_schema() else rows


def _reach(training_set: TrainingSet, plan: JoinPlan) -> pl.Expr:
    """Return from when on all labels of each row are known; null where that is never."""
    waits = [_waits_for(training_set, label) for label in training_set.labels if label.look_ahead is None]
    known = shift_times(plan.time, max(waits, default=0))
    if not any(LABEL_KNOWN_AT in join.added for join in plan.outcomes):
        return known
    final = pl.col(LABEL_KNOWN_AT)
    return pl.when(final.is_not_null()).then(pl.max_horizontal(final, known))


def _waits_for(training_set: TrainingSet, label: Label) -> int:
    """Return how long after its moment a label is known that does not say when it is final, in microseconds."""
    culprit, horizon = f"Training set `{training_set.name}`", training_set.horizon_of(label)
    if horizon is None:
        raise InvalidDeclaration(
            culprit,
            f"has a split, and the label `{label.name}` may come at any time after its moment",
            'Say how long it is waited for: horizon="14d".',
        )
    if label.known_at not in (None, label.event_time):
        raise InvalidDeclaration(
            culprit,
            f"has a split, and the label `{label.name}` is known at `{label.known_at}`, after it has happened",
            "Split by a label over windows, which says when it is final.",
        )
    return length_of(horizon, f"{culprit}, horizon,")


def _is_in_share(by: Sequence[str], share: float, salt: str) -> pl.Expr:
    def choose(keys: pl.Series) -> pl.Series:
        chosen: pl.Series = stable_hash(keys.struct.unnest(), by, salt) < int(share * _HASHES)
        return chosen.alias(keys.name)

    return pl.struct(by).map_batches(choose, return_dtype=pl.Boolean, is_elementwise=True)


def _fill_from_training(rows: pl.LazyFrame, rules: Mapping[str, Imputation], time: str) -> pl.LazyFrame:
    """Fill the gaps of all rows by what rows that train teach, each by strictly earlier ones."""
    schema = rows.collect_schema()
    filled = impute(pl.LazyFrame(schema=schema), rules, time=time).collect_schema()

    def fill(whole: pl.DataFrame) -> pl.DataFrame:
        teaches = pl.col(PART_COLUMN) == TRAIN if PART_COLUMN in whole.columns else pl.lit(value=True)
        columns: list[pl.Series] = []
        for name, rule in rules.items():
            masked = whole.with_columns(pl.when(teaches).then(name).alias(name))
            learnt = impute(masked, {name: rule}, time=time).collect()[name]
            columns.append(whole[name].cast(learnt.dtype).zip_with(whole[name].is_not_null(), learnt))
        flags = [whole[name].is_null().alias(flag_of(name)) for name, rule in rules.items() if rule.flag]
        return whole.with_columns(*columns, *flags)

    return rows.map_batches(fill, schema=filled, predicate_pushdown=False)


def _check_condition(where: pl.Expr, types: Mapping[str, pl.DataType], culprit: str) -> None:
    _require(types, where.meta.root_names(), f"{culprit}, where,")
    try:
        dtype = pl.DataFrame(schema=types).select(where.alias("where")).schema["where"]  # some mistakes show only so
        single = is_row_wise(where, types)
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        remedy = "Compare columns of one type."
        raise TransformFailed(culprit, "where", f"failed with {type(error).__name__}: {reason}", remedy) from error
    if dtype != pl.Boolean:
        raise InvalidDeclaration(culprit, f"has a `where` of type {dtype}", "Give a condition: pl.col('x') > 0.")
    if not single:
        raise InvalidDeclaration(
            culprit, "has a `where` that looks at several rows", "Write a condition of each row alone."
        )


def _require(known: Mapping[str, pl.DataType], columns: Sequence[str], owner: str) -> None:
    for column in columns:
        if column not in known:
            raise UnknownName(owner, "column", column, known)

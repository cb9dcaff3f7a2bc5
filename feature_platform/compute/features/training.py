"""A training set from frames: the features known at each moment, then the outcomes learnt later."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME, plan_features
from feature_platform.compute.joins.ahead import AheadJoin, ahead_join
from feature_platform.compute.joins.base import Join
from feature_platform.compute.joins.final_rows import FinalRows, final_rows
from feature_platform.compute.joins.finality import Coverage, KnownFrom
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.joins.point_in_time import row_join
from feature_platform.compute.keys.join_keys import refuse_collisions
from feature_platform.declarations.label import Label
from feature_platform.declarations.naming import LABEL_KNOWN_AT
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.union import title_of
from feature_platform.ground.clock import length_of
from feature_platform.ground.errors import ColumnCollision


@dataclass(frozen=True)
class LabelTable:
    """What a label is read from.

    Attributes:
        rows: its own rows; for a label over windows those of its source.
        coverage: of which time they are complete.
    """

    rows: Table
    coverage: Coverage


def plan_training_set(
    training_set: TrainingSet,
    spine: pl.LazyFrame,
    tables: Mapping[str, pl.LazyFrame | Table],
    labels: Mapping[str, LabelTable],
) -> JoinPlan:
    """Plan one row for each row of the spine, in its order: spine, features, labels; nothing is read yet.

    A label that is not known, not final, or lies beyond the horizon, is null. Where labels say when they are final,
    `label_known_at` comes last.

    Args:
        spine: has the join keys, `event_timestamp` and the request fields.
        tables: the rows of each view by asset name; for exact views those of its source.
        labels: what each label is read from, by its name.
    """
    plan = plan_features(training_set.service, spine, tables)
    for label in training_set.labels:
        plan = replace(plan, outcomes=[*plan.outcomes, _label_join(training_set, label, labels[label.name], plan)])
    final = [join.finality for join in plan.outcomes if isinstance(join, (AheadJoin, FinalRows))]
    if not final:
        return plan
    refuse_collisions(plan.schema(), [LABEL_KNOWN_AT], f"Training set `{training_set.name}`")
    return replace(plan, outcomes=[*plan.outcomes, KnownFrom.of(final, any_will_do=training_set.labels_any)])


def training_rows(training_set: TrainingSet, plan: JoinPlan) -> pl.LazyFrame:
    """Return the rows of a training set: those of its plan, without those whose labels are not final."""
    if training_set.immature == "keep" or known_from(plan) is None:
        return plan.lazy()
    return plan.lazy().filter(pl.col(LABEL_KNOWN_AT).is_not_null())


def known_from(plan: JoinPlan) -> KnownFrom | None:
    """Return what tells which rows of a plan have final labels; None where no label says that."""
    return next((join for join in plan.outcomes if isinstance(join, KnownFrom)), None)


def _label_join(training_set: TrainingSet, label: Label, read: LabelTable, plan: JoinPlan) -> Join:
    owner, spine = f"The label `{label.name}`", plan.schema()
    if not label.has_table:
        watch, name = training_set.immature == "watch", title_of(label.read_from)
        return ahead_join(spine, read.rows, label, read.coverage, watch=watch, name=name, owner=owner)
    given = training_set.horizon_of(label)
    horizon = None if given is None else length_of(given, f"{owner}, horizon,")
    if label.look_ahead is not None and horizon is not None:
        return final_rows(spine, read.rows, label, read.coverage, horizon, name=label.asset, owner=owner)
    return row_join(
        spine,
        read.rows,
        on=label.join_keys,
        event_time=label.event_time,
        known_at=label.known_at,
        limit=horizon,
        forward=True,
        name=label.asset,
        owner=owner,
    )


def spine_of(source: Source | Spine, rows: pl.LazyFrame, request: Container[str] = ()) -> pl.LazyFrame:
    """Return the rows of a source or a spine with its event time as `event_timestamp`, which comes first.

    Args:
        request: names of request fields; an event time that is one of them keeps its own name, too.

    Raises:
        ColumnCollision: another column has that name already.
    """
    time = str(source.event_time)
    names = rows.collect_schema().names()
    if time != SPINE_TIME and SPINE_TIME in names:
        raise ColumnCollision(
            f"The spine `{source.name}`", [SPINE_TIME], f"Drop it, or make it the event_time instead of `{time}`."
        )
    others = pl.all() if time in request and time != SPINE_TIME else pl.exclude(time)
    return rows.select(pl.col(time).alias(SPINE_TIME), others)

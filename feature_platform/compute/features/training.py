"""A training set from frames: the features known at each moment, then the outcome learnt later."""

from collections.abc import Container, Mapping
from dataclasses import replace

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME, plan_features
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import Table
from feature_platform.compute.joins.point_in_time import row_join
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.ground.clock import length_of
from feature_platform.ground.errors import ColumnCollision


def plan_training_set(
    training_set: TrainingSet, spine: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame | Table], labels: Table | None
) -> JoinPlan:
    """Plan one row for each row of the spine, in its order: spine, features, label; nothing is read yet.

    A label that is not known, or lies beyond the horizon, is null.

    Args:
        spine: has the join keys, `event_timestamp` and the request fields.
        tables: the rows of each view by asset name; for exact views those of its source.
    """
    plan = plan_features(training_set.service, spine, tables)
    label = training_set.label
    if label is None or labels is None:
        return plan
    owner = f"The label `{label.name}`"
    join = row_join(
        plan.schema(),
        labels,
        on=label.join_keys,
        event_time=label.event_time,
        known_at=label.known_at,
        limit=None if training_set.horizon is None else length_of(training_set.horizon, f"{owner}, horizon,"),
        forward=True,
        name=label.asset,
        owner=owner,
    )
    return replace(plan, outcomes=[join])


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

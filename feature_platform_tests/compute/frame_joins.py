"""The joins of labels and of published instants, each of one spine with one frame, as plans make them."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.compute.joins.pieces import table_of_frame
from feature_platform.compute.joins.point_in_time import row_join
from feature_platform.compute.joins.published import snapshot_join
from feature_platform.ground.clock import length_of, microsecond_of


def label_join(
    spine: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    on: Sequence[str],
    spine_time: str,
    event_time: str,
    known_at: str | None = None,
    known_by: datetime | None = None,
    horizon: str | None = None,
) -> pl.LazyFrame:
    """Return each spine row with the first label of its key at or after its time: its outcome."""
    join = row_join(
        spine.schema,
        table_of_frame(labels),
        on=on,
        event_time=event_time,
        known_at=known_at,
        known_by=None if known_by is None else microsecond_of(known_by),
        limit=None if horizon is None else length_of(horizon, "horizon"),
        forward=True,
        name="labels",
        owner="label_join",
    )
    return JoinPlan(spine.lazy(), spine_time, [join], "label_join: the spine").lazy()


def published_join(
    spine: pl.DataFrame,
    published: pl.DataFrame,
    *,
    on: Sequence[str],
    spine_time: str,
    every: int,
    delay: int = 0,
    ttl: int | None = None,
    event_time_as: str | None = None,
) -> pl.LazyFrame:
    """Return each spine row with the values of the newest instant that was out; lengths are in microseconds."""
    join = snapshot_join(
        spine.schema,
        table_of_frame(published),
        on=on,
        every=every,
        delay=delay,
        limit=ttl,
        event_time_as=event_time_as,
        name="published rows",
        owner="published_join",
    )
    return JoinPlan(spine.lazy(), spine_time, [join], "published_join: the spine").lazy()

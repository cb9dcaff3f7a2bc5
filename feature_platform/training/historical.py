"""Historical features: what was known of each row of a spine at its own moment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from warnings import warn

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME, Selected, plan_features, selections_of
from feature_platform.compute.joins.explanation import Explanation, explain_join
from feature_platform.compute.joins.join_plan import JoinPlan
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.training_set import Stale, validate_stale
from feature_platform.ground.clock import utc
from feature_platform.ground.errors import RequestValuesClipped
from feature_platform.ground.frames import AnyFrame, as_polars
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.candidates.shared import Span
from feature_platform.pipelines.completeness import incomplete_tables, report_incomplete
from feature_platform.pipelines.tables import pieces_of_views


def historical_features(
    wanted: FeatureService | Selected | Sequence[Selected],
    spine: AnyFrame,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
    *,
    stale: Stale = "warn",
) -> pl.LazyFrame:
    """Join features from the offline store to a spine, point-in-time correct.

    Every spine row comes back exactly once, in order, with the features as they were known at its
    `event_timestamp`: nothing that happened or became known later is seen.

    The versions are pinned when this is called; the work is done when the frame is collected, and only for the
    columns that are used. Rows of a result too large for memory come from disk, block by block: collect it with
    `engine="streaming"`, sink it, or give it to `OfflineStore.replace` as it is.

    Args:
        wanted: a feature service, a view, a selection `view["a"]`, or a list of views and selections, on-demand ones
            too.
        spine: a frame of Polars, pandas or Arrow with the join keys, `event_timestamp` (a time with a zone) and the
            request fields of on-demand features.
        versions: Delta versions to read by table name, e.g. `{"views/carrier_delays": 3}`; the newest by default.
        stale: what to do when a table is stale or partly filled, as its log tells: give an `IncompleteTables` warning
            ("warn"), refuse ("refuse") or neither ("ignore"). `incomplete_tables` returns them.

    A value of a request field beyond bounds that clip it is taken as the bound, as in serving; when the frame is
    collected, a `RequestValuesClipped` warning says how many there are.

    Raises:
        InvalidDeclaration: the spine is no frame.
        TableNotFound: a view was never materialized.
        IncompleteTablesRefused: a table is stale or partly filled, and such tables are refused.
        MissingColumns: the spine lacks a join key or `event_timestamp`.
        MissingRequestField: it lacks a request field.
        VersionNotFound: a table does not keep that version.
    """
    stale_rule = validate_stale("historical_features", stale)
    rows = as_polars(spine, "The spine")
    joined = _plan(wanted, rows, store, versions)
    if stale_rule != "ignore":
        asked = _span_of(rows) if isinstance(rows, pl.DataFrame) else None
        incomplete = incomplete_tables(wanted, store, versions, asked=asked)
        report_incomplete("historical_features", incomplete, stale_rule)
    return replace(joined, tell_clipped=_tell_clipped).lazy()


def _tell_clipped(counts: Mapping[str, int]) -> None:
    warn(RequestValuesClipped("historical_features", counts), stacklevel=2)


def explain(
    wanted: FeatureService | Selected | Sequence[Selected],
    spine: AnyFrame,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
) -> Explanation:
    """Explain how `historical_features` would join the same spine, what it would read, and about what it would cost.

    It reads the times of the spine, and only the logs of the tables. Print it, or look at its attributes.

    Raises:
        TableNotFound, MissingColumns, VersionNotFound: as `historical_features`.
    """
    return explain_join(_plan(wanted, as_polars(spine, "The spine"), store, versions))


def _span_of(spine: pl.DataFrame) -> Span | None:
    """Return the first and last moment of a spine."""
    times = spine.lazy().select(utc(spine.schema, SPINE_TIME, "The spine").alias(SPINE_TIME)).collect().to_series()
    first, last = times.min(), times.max()
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def _plan(
    wanted: FeatureService | Selected | Sequence[Selected],
    spine: pl.DataFrame | pl.LazyFrame,
    store: OfflineStore,
    versions: Mapping[str, int] | None,
) -> JoinPlan:
    service = selections_of(wanted)
    return plan_features(service, spine.lazy(), pieces_of_views(service.views, store, versions))

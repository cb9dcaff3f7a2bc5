"""Historical features: what was known of each row of a spine at its own moment."""

from collections.abc import Mapping, Sequence

import polars as pl

from feature_platform.compute.features import Selected, joined_features, selections_of, tables_of
from feature_platform.declarations.service import FeatureService
from feature_platform.offline import OfflineStore


def historical_features(
    wanted: FeatureService | Selected | Sequence[Selected],
    spine: pl.DataFrame | pl.LazyFrame,
    store: OfflineStore,
    versions: Mapping[str, int] | None = None,
) -> pl.LazyFrame:
    """The features of a spine from the offline store, point-in-time correct.

    Every spine row comes back exactly once, in order, with the features as they were known at its
    `event_timestamp`: nothing that happened or became known later is seen.

    Args:
        wanted: a feature service, a view, a selection `view["a"]`, or a list of views and selections.
        spine: has the join keys and `event_timestamp` (a time with a zone).
        versions: Delta versions to read by table name, e.g. `{"views/carrier_delays": 3}`; newest when not said.

    Raises:
        TableNotFound: a view was never materialized.
        MissingColumns: the spine lacks a join key or `event_timestamp`.
        VersionNotFound: a table does not keep that version.
    """
    service = selections_of(wanted)
    pinned = dict(versions or {})
    names = {name for view in service.views for name in tables_of(view)}
    tables = {name: store.read(name, version=pinned.get(name)) for name in sorted(names)}
    return joined_features(service, spine.lazy(), tables)

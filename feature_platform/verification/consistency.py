"""Consistency: real keys asked of the online store and of the offline tables it was published from, value by value.

Both sides are asked about one moment, and offline at the versions that are online: a difference is a fault of serving,
except where online knows pushed rows that no table has yet (`ahead`). Gaps are compared before they are filled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import polars as pl

from feature_platform.compute.joins.pieces import rows_of_table
from feature_platform.compute.keys.samples import combine_keys, make_up_keys, make_up_request, sample_by_hash
from feature_platform.compute.serving.comparison import compare_values, difference_count
from feature_platform.compute.serving.entries import ORIGIN, PUSHED
from feature_platform.compute.serving.keys import decode_keys
from feature_platform.compute.serving.served_rows import ServedRows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.tiles import entity_key
from feature_platform.compute.serving.values import series_of
from feature_platform.compute.transforms.rows import rows_read
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.view import FeatureView, view_of
from feature_platform.declarations.windowing import ViewKind
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import OnlineConflict
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.pipelines.tables import pieces_of_view
from feature_platform.serving import ServedService
from feature_platform.serving.service import CompiledView
from feature_platform.training.historical import historical_features

KEYS = 300
_ONLINE_KEYS = 50_000  # looked at for keys that no table has
_TRIES = 5


@dataclass(frozen=True)
class ConsistencyReport:
    """The result of comparing what is online of a service with offline.

    Attributes:
        at: the moment of the comparison.
        features: one row for each feature, as `compute.compared.compared` gives them.
        versions: the Delta version of each view's table that is online.
    """

    service: str
    at: datetime
    entities: int
    features: pl.DataFrame
    versions: Mapping[str, Mapping[str, int]]

    @property
    def differences(self) -> int:
        """Return how many values differ that may not."""
        return difference_count(self.features)


def check_consistency(
    service: FeatureService,
    store: OfflineStore,
    online: OnlineStore,
    *,
    now: datetime,
    keys: int = KEYS,
    seed: int = 0,
    run_id: str | None = None,
) -> ConsistencyReport:
    """Compare what is online of a service with what offline says, and keep the result in `consistency/<service>`.

    It takes some keys of every entity from the tables, combined by chance with keys of other entities; keys that are
    online and in no table; keys that are nowhere; and keys that are null.

    Args:
        now: the moment of the comparison (UTC), not before the views were published.
        keys: how many keys of each entity.
        seed: other seeds take other keys.

    Raises:
        NotServed: a view was never published.
        OnlineConflict: a view was published again whenever it was asked.
        VersionNotFound: the offline store does not keep the version that is online.
    """
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    for _ in range(_TRIES):
        with online.reader() as reader:
            served = ServedService(raw, reader)
            before = {compiled.view: compiled.table for compiled in served.compiled_views()}
            entities = _choose_entities(raw, store, online, before, keys, seed)
            answer = _ask_online(served, entities, now)
            moved = [
                compiled.table
                for view, (compiled, _) in answer.found.items()
                if compiled.table.versions != before[view].versions
            ]
            if not moved:
                break
    else:
        raise OnlineConflict(moved[0].view, "another version", moved[0].stamp)
    offline = _ask_offline(raw, store, entities, before, now)
    features = compare_values(entities, offline, answer.values.select(offline.columns), answer.ahead)
    versions = {view.name: dict(table.versions) for view, table in before.items()}
    report = ConsistencyReport(service.name, now, entities.height, features, versions)
    _keep(report, store, run_id or uuid4().hex)
    return report


# ---------------------------------------------------------------- entities


def _choose_entities(
    service: FeatureService,
    store: OfflineStore,
    online: OnlineStore,
    tables: Mapping[FeatureView, ServedTable],
    keys: int,
    seed: int,
) -> pl.DataFrame:
    """Choose the entities of a comparison, and make up request fields."""
    sampled: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    types: dict[str, pl.DataType] = {}
    for view, table in tables.items():
        if view.join_keys:
            types = {**{column: table.keys[key] for column, key in view.own_keys.items()}, **types}
            known = _offline_keys(view, store, table)
            newest = sample_by_hash(known, keys, seed)
            strange = _online_keys(online, view, table, seed).join(known.collect(), on=list(view.join_keys), how="anti")
            sampled.setdefault(view.join_keys, []).extend([newest, strange.head(keys)])
    blocks = {names: pl.concat(frames).unique(maintain_order=True) for names, frames in sampled.items()}
    rows = pl.concat([combine_keys(blocks, types, seed), make_up_keys(types)])
    return rows.with_columns(make_up_request(service.request, service.bounded, rows.height))


def _offline_keys(view: FeatureView, store: OfflineStore, table: ServedTable) -> pl.LazyFrame:
    rows = rows_read(view, rows_of_table(pieces_of_view(view, store, table.versions)))
    own = view.own_keys.items()
    return rows.select(pl.col(key).cast(table.keys[key]).alias(column) for column, key in own).drop_nulls().unique()


def _online_keys(online: OnlineStore, view: FeatureView, table: ServedTable, seed: int) -> pl.DataFrame:
    keys = [key for key, _ in zip(online.keys(view.original.name), range(_ONLINE_KEYS), strict=False)]
    if view.kind is ViewKind.EXACT:
        keys = [entity_key(key) for key in keys]
    decoded = decode_keys(table.keys, keys).select(pl.col(key).alias(name) for name, key in view.own_keys.items())
    return sample_by_hash(decoded.lazy(), _ONLINE_KEYS, seed)


# ---------------------------------------------------------------- both answers


@dataclass(frozen=True)
class _OnlineValues:
    """The values that online has.

    Attributes:
        ahead: for each feature the rows that are made from pushed rows.
        found: the rows that were found in each view.
    """

    values: pl.DataFrame
    ahead: Mapping[str, Sequence[bool]]
    found: Mapping[FeatureView, tuple[CompiledView, ServedRows]]


def _ask_online(served: ServedService, entities: pl.DataFrame, now: datetime) -> _OnlineValues:
    seen: dict[FeatureView, tuple[CompiledView, ServedRows]] = {}
    served.watch = seen.update
    answer = served.columns({name: entities[name].to_list() for name in entities.columns}, entities.height, now)
    types = served.types()
    values = pl.DataFrame([series_of(name, types[name], texts) for name, texts in answer.values.items()])
    pushed = {
        view: [row is not None and row[ORIGIN] == PUSHED for row in found.rows] for view, (_, found) in seen.items()
    }
    ahead = {
        feature: [any(each) for each in zip(*(pushed[view] for view in views), strict=True)]
        for feature, views in _views_of(served, types).items()
    }
    return _OnlineValues(values, ahead, seen)


def _views_of(served: ServedService, types: Mapping[str, pl.DataType]) -> Mapping[str, Sequence[FeatureView]]:
    """Map each feature of an answer to the views that it is read from."""
    service, views = served.service, dict[str, Sequence[FeatureView]]()
    for each in map(selection_of, service.selections):
        if isinstance(each, OnDemandSelection):
            views |= {service.column(each, name): tuple(each.needs) for name in each.features}
        else:
            view = view_of(each)
            types_of_view = next(each.types for each in served.compiled_views() if each.view is view)
            views |= {service.column(each, name): (view,) for name in types_of_view}
    return {name: views[name] for name in types}


def _ask_offline(
    service: FeatureService,
    store: OfflineStore,
    entities: pl.DataFrame,
    tables: Mapping[FeatureView, ServedTable],
    now: datetime,
) -> pl.DataFrame:
    """Read the tables, one selection after the other: two views may be online from two versions of one table."""
    spine = entities.with_columns(pl.lit(now, UTC).alias(SPINE_TIME))
    parts = []
    for each in service.selections:
        one = FeatureService(service.name, [each], full_names=service.full_names)
        versions = {name: version for view in one.views for name, version in tables[view].versions.items()}
        values = historical_features(one, spine, store, versions=versions, stale="ignore").collect()
        parts.append(values.drop(spine.columns))
    return pl.concat(parts, how="horizontal")


def _keep(report: ConsistencyReport, store: OfflineStore, run_id: str) -> None:
    name = TableKind.CONSISTENCY.of(report.service)
    rows = report.features.select(
        pl.lit(run_id).alias("run_id"),
        pl.lit(report.at, UTC).alias("at"),
        pl.all(),
        pl.lit(json.dumps(report.versions, sort_keys=True)).alias("versions"),
    )
    store.append(name, rows, stamp=CommitStamp(run_id, name, ""))

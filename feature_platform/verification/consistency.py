"""Consistency: real keys asked of the online store and of the offline tables it was published from, value by value.

Both sides are asked about one moment, and offline at the versions that are online: what differs is a fault of serving,
except where online knows pushed rows that no table has yet (`ahead`). Gaps are compared as gaps: filling them is
another question.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import polars as pl

from feature_platform.compute.features.service import tables_and_clocks_of
from feature_platform.compute.keys.samples import combine_keys, make_up_keys, make_up_request, sample_by_hash
from feature_platform.compute.serving.comparison import compare_values, difference_count
from feature_platform.compute.serving.entries import ORIGIN, PUSHED
from feature_platform.compute.serving.keys import decode_keys
from feature_platform.compute.serving.served_rows import ServedRows
from feature_platform.compute.serving.tables import ServedTable
from feature_platform.compute.serving.tiles import entity_key
from feature_platform.compute.serving.values import series_of
from feature_platform.compute.serving.view_tables import kind_of_view
from feature_platform.compute.transforms.rows import as_events, feature_rows
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.on_demand import OnDemandSelection
from feature_platform.declarations.service import FeatureService, selection_of
from feature_platform.declarations.view import FeatureView, view_of
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import OnlineConflict
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.online.base import OnlineStore
from feature_platform.serving import Served
from feature_platform.serving.service import Held
from feature_platform.training.historical import historical_features

KEYS = 300
_ONLINE_KEYS = 50_000  # looked at for keys that no table has
_TRIES = 5


@dataclass(frozen=True)
class Checked:
    """What came of comparing a service.

    Attributes:
        at: the moment that was asked about.
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
        """How many values differ that may not."""
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
) -> Checked:
    """Compare what is online of a service with what offline says, and keep the result in `consistency/<service>`.

    Asked are keys of the tables, of every entity some, with those of other entities beside them by chance; keys that
    are online and in no table; keys that are nowhere; and keys that are null.

    Args:
        now: the moment to ask about (UTC), not before the views were published.
        keys: how many keys of each entity.
        seed: other seeds ask about other keys.

    Raises:
        NotServed: a view was never published.
        OnlineConflict: a view was published again whenever it was asked.
        VersionNotFound: the offline store does not keep the version that is online.
    """
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    for _ in range(_TRIES):
        with online.reader() as reader:
            served = Served(raw, reader)
            before = {held.view: held.table for held in served.held()}
            asked = _asked(raw, store, online, before, keys, seed)
            told = _online(served, asked, now)
            moved = [
                held.table for view, (held, _) in told.found.items() if held.table.versions != before[view].versions
            ]
            if not moved:
                break
    else:
        raise OnlineConflict(moved[0].view, "another version", moved[0].stamp)
    offline = _offline(raw, store, asked, before, now)
    features = compare_values(asked, offline, told.values.select(offline.columns), told.ahead)
    versions = {view.name: dict(table.versions) for view, table in before.items()}
    checked = Checked(service.name, now, asked.height, features, versions)
    _keep(checked, store, run_id or uuid4().hex)
    return checked


# ---------------------------------------------------------------- who is asked about


def _asked(
    service: FeatureService,
    store: OfflineStore,
    online: OnlineStore,
    tables: Mapping[FeatureView, ServedTable],
    keys: int,
    seed: int,
) -> pl.DataFrame:
    """The entities of a comparison, with made-up request fields."""
    sampled: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    types: dict[str, pl.DataType] = {}
    for view, table in tables.items():
        if view.join_keys:
            types = {**table.keys, **types}
            known = _offline_keys(view, store, table)
            found = sample_by_hash(known, keys, seed)
            strange = _online_keys(online, view, table, seed).join(known.collect(), on=list(table.keys), how="anti")
            sampled.setdefault(view.join_keys, []).extend([found, strange.head(keys)])
    blocks = {names: pl.concat(frames).unique(maintain_order=True) for names, frames in sampled.items()}
    rows = pl.concat([combine_keys(blocks, types, seed), make_up_keys(types)])
    return rows.with_columns(make_up_request(service.request, service.bounded, rows.height))


def _offline_keys(view: FeatureView, store: OfflineStore, table: ServedTable) -> pl.LazyFrame:
    ((name, _),) = tables_and_clocks_of(view).items()
    rows = store.read(name, version=table.versions[name])
    if table.kind == "exact":
        rows = feature_rows(view, as_events(view.source, rows))
    return rows.select(pl.col(key).cast(dtype) for key, dtype in table.keys.items()).drop_nulls().unique()


def _online_keys(online: OnlineStore, view: FeatureView, table: ServedTable, seed: int) -> pl.DataFrame:
    found = [key for key, _ in zip(online.keys(view.name), range(_ONLINE_KEYS), strict=False)]
    if kind_of_view(view) == "exact":
        found = [entity_key(key) for key in found]
    return sample_by_hash(decode_keys(table.keys, found).lazy(), _ONLINE_KEYS, seed)


# ---------------------------------------------------------------- both answers


@dataclass(frozen=True)
class _Told:
    """What online said.

    Attributes:
        ahead: for each feature the rows that are made from pushed rows.
        found: what each view said.
    """

    values: pl.DataFrame
    ahead: Mapping[str, Sequence[bool]]
    found: Mapping[FeatureView, tuple[Held, ServedRows]]


def _online(served: Served, asked: pl.DataFrame, now: datetime) -> _Told:
    seen: dict[FeatureView, tuple[Held, ServedRows]] = {}
    served.watch = seen.update
    answer = served.columns({name: asked[name].to_list() for name in asked.columns}, asked.height, now)
    types = served.types()
    values = pl.DataFrame([series_of(name, types[name], texts) for name, texts in answer.values.items()])
    pushed = {
        view: [row is not None and row[ORIGIN] == PUSHED for row in found.rows] for view, (_, found) in seen.items()
    }
    ahead = {
        feature: [any(each) for each in zip(*(pushed[view] for view in views), strict=True)]
        for feature, views in _views_of(served, types).items()
    }
    return _Told(values, ahead, seen)


def _views_of(served: Served, types: Mapping[str, pl.DataType]) -> Mapping[str, Sequence[FeatureView]]:
    """The views that each feature of an answer is read from."""
    service, found = served.service, dict[str, Sequence[FeatureView]]()
    for each in map(selection_of, service.selections):
        if isinstance(each, OnDemandSelection):
            found |= {service.column(each, name): tuple(each.needs) for name in each.features}
        else:
            view = view_of(each)
            held = next(held for held in served.held() if held.view is view)
            found |= {service.column(each, name): (view,) for name in held.types}
    return {name: found[name] for name in types}


def _offline(
    service: FeatureService,
    store: OfflineStore,
    asked: pl.DataFrame,
    tables: Mapping[FeatureView, ServedTable],
    now: datetime,
) -> pl.DataFrame:
    """What the tables say, one selection after the other: two views may be online from two versions of one table."""
    spine = asked.with_columns(pl.lit(now, UTC).alias(SPINE_TIME))
    parts = []
    for each in service.selections:
        one = FeatureService(service.name, [each], full_names=service.full_names)
        versions = {name: version for view in one.views for name, version in tables[view].versions.items()}
        found = historical_features(one, spine, store, versions=versions, stale="ignore").collect()
        parts.append(found.drop(spine.columns))
    return pl.concat(parts, how="horizontal")


def _keep(checked: Checked, store: OfflineStore, run_id: str) -> None:
    name = f"consistency/{checked.service}"
    rows = checked.features.select(
        pl.lit(run_id).alias("run_id"),
        pl.lit(checked.at, UTC).alias("at"),
        pl.all(),
        pl.lit(json.dumps(checked.versions, sort_keys=True)).alias("versions"),
    )
    store.append(name, rows, stamp=CommitStamp(run_id, name, ""))

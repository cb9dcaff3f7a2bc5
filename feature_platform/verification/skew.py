"""Skew: logged answers of the server against what training would see of the same entities at the same instants.

Every logged request is compared once. A value that differs was served other than it is trained on: late rows and
corrections of a source without a known-at clock show here, and so does every fault of serving.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from uuid import uuid4

import msgspec
import polars as pl

from feature_platform.compute.joins.pieces import rows_of_table
from feature_platform.compute.serving.comparison import COMPARED, compare_values, difference_count
from feature_platform.compute.serving.keys import typed_parts
from feature_platform.compute.serving.served_rows import PRESENT
from feature_platform.compute.serving.values import series_of
from feature_platform.compute.transforms.rows import rows_read
from feature_platform.declarations.naming import SPINE_TIME
from feature_platform.declarations.service import FeatureService
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once
from feature_platform.pipelines.tables import pieces_of_view
from feature_platform.serving.request_values import request_column
from feature_platform.training.historical import historical_features

MOST = 20_000  # requests of one run; where there are more, a sample by id
_WRITER = "requests"


@dataclass(frozen=True)
class SkewReport:
    """The result of comparing the requests that were logged since the last time.

    Attributes:
        requests, entities: how many were compared.
        skipped: how many requests were left out, because one run takes only so many.
        features: one row for each feature, as `compute.compared.compared` gives them; none without requests.
    """

    service: str
    requests: int
    entities: int
    skipped: int
    features: pl.DataFrame

    @property
    def differences(self) -> int:
        """Return how many values differ."""
        return difference_count(self.features)


def measure_skew(
    service: FeatureService, store: OfflineStore, *, now: datetime, most: int = MOST, run_id: str | None = None
) -> SkewReport:
    """Recompute logged answers as of their own instants, and keep the comparison in `skew/<service>`.

    Values are compared as they were before gaps were filled, with the newest versions of the offline tables.

    Args:
        now: the moment of the comparison (UTC), for its record.
        most: how many requests at most; where there are more, a sample by their ids.

    Raises:
        TableNotFound: a view was never materialized.
    """
    name, log = TableKind.SKEW.of(service.name), TableKind.REQUESTS.of(service.name)
    if not store.exists(log):
        return _empty_skew(service)
    done, version = store.appended_upto(name, _WRITER)[_WRITER], store.latest_version(log)
    if version <= done:
        return _empty_skew(service)
    fresh = store.read(log, version=version)
    if done >= 0:
        fresh = fresh.join(store.read(log, version=done).select("request_id"), on="request_id", how="anti")
    taken = fresh.bottom_k(most, by=pl.col("request_id").hash()).collect()
    skipped = fresh.select(pl.len()).collect().item() - taken.height
    asked, served = _read_answers(service, store, taken)
    skew = SkewReport(service.name, taken.height, asked.height, skipped, _compare_values(service, store, asked, served))
    run = run_id or uuid4().hex
    rows = skew.features.select(
        pl.lit(run).alias("run_id"),
        pl.lit(now, UTC).alias("at"),
        pl.lit(skew.requests).cast(pl.Int64).alias("requests"),
        pl.all(),
    )
    store.append(name, rows, stamp=CommitStamp(run, name, ""), once=[Once(_WRITER, done, version)])
    return skew


def _empty_skew(service: FeatureService) -> SkewReport:
    return SkewReport(service.name, 0, 0, 0, pl.DataFrame(schema=COMPARED))


def _compare_values(
    service: FeatureService, store: OfflineStore, asked: pl.DataFrame, served: Mapping[str, Sequence[bytes | None]]
) -> pl.DataFrame:
    """Compare each feature that is declared now and was served then."""
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    offline = historical_features(raw, asked, store, stale="ignore").collect().drop(asked.columns)
    offline = offline.select(name for name in offline.columns if name in served)
    online = pl.DataFrame([series_of(name, dtype, served[name]) for name, dtype in offline.schema.items()])
    return compare_values(asked, offline, online)


def _read_answers(
    service: FeatureService, store: OfflineStore, logged: pl.DataFrame
) -> tuple[pl.DataFrame, Mapping[str, Sequence[bytes | None]]]:
    """Return the logged entities as a spine, and the served JSON texts of each feature, before gaps were filled."""
    types = _key_types(service, store)
    columns: dict[str, list[bytes]] = {name: [] for name in (*types, *service.request)}
    moments: list[datetime] = []
    served: dict[str, list[bytes | None]] = {}
    for row in logged.iter_rows(named=True):
        entities = msgspec.json.decode(row["entities"], type=dict[str, list[msgspec.Raw]])
        values = msgspec.json.decode(row["values"], type=list[list[msgspec.Raw]])
        statuses = msgspec.json.decode(row["statuses"], type=list[list[str]])
        features = msgspec.json.decode(row["features"], type=list[str])
        for name, texts in columns.items():
            texts.extend(map(bytes, entities.get(name) or [msgspec.Raw(b"null")] * len(values)))
        for place, feature in enumerate(features):
            texts_of_feature = served.setdefault(feature, [None] * len(moments))
            texts_of_feature.extend(
                bytes(each[place]) if status[place] == PRESENT else None
                for each, status in zip(values, statuses, strict=True)
            )
        moments.extend([row["at"]] * len(values))
        for texts_of_feature in served.values():
            texts_of_feature.extend([None] * (len(moments) - len(texts_of_feature)))
    keys = {name: msgspec.json.decode(b"[%b]" % b",".join(columns[name])) for name in types}
    log = f"The request log of `{service.name}`"
    sent = {name: msgspec.json.decode(b"[%b]" % b",".join(columns[name])) for name in service.request}
    request = [request_column(log, name, dtype, sent[name]) for name, dtype in service.request.items()]
    time = pl.Series(SPINE_TIME, moments, UTC)
    parts = typed_parts(types, keys, log) if types else []
    return pl.DataFrame(list(chain(parts, request, [time]))), served


def _key_types(service: FeatureService, store: OfflineStore) -> Mapping[str, pl.DataType]:
    """Return the types of all join keys of a service, as its views have them."""
    types: dict[str, pl.DataType] = {}
    for view in service.views:
        schema = _schema(view, store) if view.join_keys else pl.Schema()
        types = {**{column: schema[key] for column, key in view.own_keys.items()}, **types}
    return types


def _schema(view: FeatureView, store: OfflineStore) -> pl.Schema:
    return rows_read(view, rows_of_table(pieces_of_view(view, store)[:1])).collect_schema()

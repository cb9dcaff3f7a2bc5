"""Skew: logged answers of the server against what training would see of the same entities at the same instants.

Every logged request is compared once. A value that differs was served other than it is trained on: late rows and
corrections of a source without a known-at clock show here, and so does every fault of serving.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import msgspec
import polars as pl

from feature_platform.compute.serving.comparison import COMPARED, compare_values, difference_count
from feature_platform.compute.serving.logged_requests import read_asked_rows
from feature_platform.compute.serving.served_rows import PRESENT
from feature_platform.compute.serving.values import series_of
from feature_platform.declarations.service import FeatureService
from feature_platform.ground.clock import UTC
from feature_platform.ground.table_names import TableKind
from feature_platform.offline import CommitStamp, OfflineStore
from feature_platform.offline.commits import Once
from feature_platform.pipelines.tables import key_types
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
        retyped: features of which values were served that are none of their present type. They are not compared.
    """

    service: str
    requests: int
    entities: int
    skipped: int
    features: pl.DataFrame
    retyped: tuple[str, ...] = ()

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
    features, retyped = _compare_values(service, store, asked, served)
    skew = SkewReport(service.name, taken.height, asked.height, skipped, features, retyped)
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
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Compare each feature that is declared now and was served then; return also those of another type then."""
    raw = FeatureService(service.name, service.selections, full_names=service.full_names)
    offline = historical_features(raw, asked, store, stale="ignore").collect().drop(asked.columns)
    known = {name: dtype for name, dtype in offline.schema.items() if name in served}
    read = {name: _read_values(name, dtype, served[name]) for name, dtype in known.items()}
    online = pl.DataFrame([values for values in read.values() if values is not None])
    retyped = tuple(name for name, values in read.items() if values is None)
    return compare_values(asked, offline.select(online.columns), online), retyped


def _read_values(name: str, dtype: pl.DataType, texts: Sequence[bytes | None]) -> pl.Series | None:
    """Return served values in a type; None when one of them cannot be of it."""
    try:
        return series_of(name, dtype, texts)
    except (pl.exceptions.InvalidOperationError, TypeError, ValueError):
        return None


def _read_answers(
    service: FeatureService, store: OfflineStore, logged: pl.DataFrame
) -> tuple[pl.DataFrame, Mapping[str, Sequence[bytes | None]]]:
    """Return the logged entities as a spine, and the served JSON texts of each feature, before gaps were filled."""
    owner = f"The request log of `{service.name}`"
    asked = read_asked_rows(logged, key_types(service, store), service.request, owner)
    served: dict[str, list[bytes | None]] = {}
    height = 0
    for row in logged.select("values", "statuses", "features").iter_rows(named=True):
        values = msgspec.json.decode(row["values"], type=list[list[msgspec.Raw]])
        statuses = msgspec.json.decode(row["statuses"], type=list[list[str]])
        features = msgspec.json.decode(row["features"], type=list[str])
        for place, feature in enumerate(features):
            texts_of_feature = served.setdefault(feature, [None] * height)
            texts_of_feature.extend(
                bytes(each[place]) if status[place] == PRESENT else None
                for each, status in zip(values, statuses, strict=True)
            )
        height += len(values)
        for texts_of_feature in served.values():
            texts_of_feature.extend([None] * (height - len(texts_of_feature)))
    return asked, served

"""The platform, through its public names only."""

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import polars as pl

import feature_platform as fp
from benchmarks.engines.base import Prepared
from benchmarks.place import Place
from benchmarks.shapes import (
    AMOUNT,
    ITEM,
    KEY,
    KNOWN,
    ROW,
    START,
    TIME,
    Events,
    Ingest,
    Join,
    Publish,
    Table,
    Windows,
    Work,
)
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import Commit, CommitStamp
from feature_platform.parts.aggregations import Aggregation

ANSWER = "answers/joined"
USER = fp.Entity("user", join_keys=[KEY])


def prepare(work: Work, place: Place) -> Prepared[pl.DataFrame] | Prepared[Commit] | Prepared[None]:
    """A work, ready to start."""
    match work:
        case Ingest():
            return _ingest(work, place)
        case Join(stored=True):
            return _join_to_delta(work, place)
        case Join() | Windows():
            joined = _joined(work, place)
            return Prepared(lambda: joined().collect(), pl.DataFrame.lazy)
        case Publish():
            return _publish(work, place)


def _ingest(work: Ingest, place: Place) -> Prepared[None]:
    """A table of features becomes a row view; events stay a source, which exact windows read."""
    store, materialize = fp.OfflineStore(place.store), fp.materialize
    source = _source(work.table, place, known=work.known)
    asset = source if isinstance(work.table, Events) else _row_view(source)
    for name in {source.asset, asset.asset}:
        _forget(store, name)

    def run() -> None:
        materialize(asset, store, partitions=fp.Partitions("monthly", start=START))
        if asset is not source:
            _forget(store, source.asset)  # joins read the view; this halves what lies on disk

    return Prepared(run)


def _join_to_delta(work: Join, place: Place) -> Prepared[Commit]:
    joined, results = _joined(work, place), fp.OfflineStore(place.answers)
    stamp = CommitStamp(run_id="benchmark", asset=ANSWER, code_version="1")
    return Prepared(
        lambda: results.replace(ANSWER, joined(), stamp=stamp, ordered=True),
        lambda commit: results.read(ANSWER, version=commit.version),
    )


def _joined(work: Join | Windows, place: Place) -> Callable[[], pl.LazyFrame]:
    """The call that users make; imports are done before it."""
    store, spine, join = fp.OfflineStore(place.store), place.spine(work.spine), fp.historical_features
    views = [_windowed(work, place)] if isinstance(work, Windows) else _row_views(work, place)
    return lambda: join(views, pl.scan_parquet(spine), store)


def _publish(work: Publish, place: Place) -> Prepared[None]:
    """The source is taken in as well, as far as the days need it: a run of the view does so."""
    if work.fresh:
        shutil.rmtree(place.daily_store, ignore_errors=True)
    store, materialize, view = fp.OfflineStore(place.daily_store), fp.materialize, _windowed(work, place)
    first, end = (START + timedelta(days=day) for day in (work.first_day, work.end_day))
    grid = fp.Partitions("daily", start=START)

    def run() -> None:
        materialize(view, store, first, end, partitions=grid)

    return Prepared(run, lambda _: _published(store.read(view.asset), end))


def _published(rows: pl.LazyFrame, instant: datetime) -> pl.LazyFrame:
    """What the keys were worth at one instant; a key is its own row number."""
    of_keys = rows.filter(pl.col("as_of") == instant, pl.col(KEY).is_not_null())
    return of_keys.select(pl.col(KEY).alias(ROW), pl.exclude(KEY, "as_of"))


def _source(table: Table, place: Place, *, known: bool = False) -> fp.Source:
    return fp.Source(
        Ingest(table, known).name,
        fp.sources.Parquet(place.files(table)),
        event_time=TIME,
        known_at=KNOWN if known else None,
        prepare=None if known or not table.known else _without_known_at,
    )


def _without_known_at(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.drop(KNOWN)


def _unchanged(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def _row_views(work: Join, place: Place) -> list[FeatureView]:
    return [_row_view(_source(table, place, known=work.known), f"{work.ttl_days}d") for table in work.tables]


def _row_view(source: fp.Source, ttl: str | None = None) -> FeatureView:
    return fp.feature_view(entity=USER, source=source, ttl=ttl, name=source.name)(_unchanged)


def _windowed(work: Windows | Publish, place: Place) -> FeatureView:
    aggregations = [_aggregation(name, [f"{days}d" for days in work.days]) for name in work.aggregations]
    return fp.feature_view(
        entity=USER,
        source=_source(work.events, place),
        aggregations=aggregations,
        accuracy="exact" if isinstance(work, Windows) else "snapshot",
        name="windows",
    )(_unchanged)


def _aggregation(name: str, windows: list[str]) -> Aggregation:
    match name:
        case "count":
            return fp.Count(windows=windows)
        case "distinct":
            return fp.CountDistinct(ITEM, windows=windows)
        case "median":
            return fp.Quantile(AMOUNT, 0.5, windows=windows)
        case _:
            kinds: Mapping[str, Callable[..., Aggregation]] = {
                "sum": fp.Sum,
                "mean": fp.Mean,
                "std": fp.Std,
                "min": fp.Min,
                "max": fp.Max,
            }
            return kinds[name](AMOUNT, windows=windows)


def _forget(store: fp.OfflineStore, name: str) -> None:
    folder = store.location(name).folder
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)

"""Feast on DuckDB, the faster and the only correct of its local offline stores."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

from benchmarks.engines.base import NotOffered, Prepared, from_arrow
from benchmarks.place import Place
from benchmarks.shapes import KEY, TIME, Join, Table, Work

if TYPE_CHECKING:
    import pyarrow as pa


def prepare(work: Work, place: Place) -> "Prepared[pa.Table]":
    """A work, ready to start: its registry is written, and the spine read, before the clock starts."""
    if not isinstance(work, Join) or work.known or work.stored:
        raise NotOffered("feast", work)
    store = _store(work, place)
    spine = pd.read_parquet(place.spine(work.spine))
    features = [f"{table.name}:{column}" for table in work.tables for column in table.columns]
    return Prepared(lambda: store.get_historical_features(spine, features).to_arrow(), from_arrow)


def _store(work: Join, place: Place) -> FeatureStore:
    folder = place.folder / "feast"
    folder.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store=None,
        entity_key_serialization_version=3,
    )
    store, user = FeatureStore(config=config), Entity(name="user", join_keys=[KEY], value_type=ValueType.INT64)
    store.apply([user, *(_view(table, user, work, place) for table in work.tables)])
    return store


def _view(table: Table, user: Entity, work: Join, place: Place) -> FeatureView:
    """No two rows of a key have one time, so that no column of creation has to break ties."""
    return FeatureView(
        name=table.name,
        entities=[user],
        ttl=timedelta(days=work.ttl_days),
        schema=[Field(name=column, dtype=Float64) for column in table.columns],
        source=FileSource(path=str(place.table(table) / "part-00000.parquet"), timestamp_field=TIME),
    )

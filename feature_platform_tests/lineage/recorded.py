"""A shop whose runs are recorded: published, unchanged, refused and failed ones, for real."""

import json
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.declarations.project import Project, project_of
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.lineage.configuration import LineageSettings
from feature_platform.lineage.records import read_runs_since
from feature_platform.lineage.sending import make_events
from feature_platform.lineage.transports import event_text
from feature_platform.pipelines.materialization import materialize_asset
from feature_platform_tests.assets import table_asset
from feature_platform_tests.shop import at, customer, daily, same, source

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
Event = dict[str, Any]


def fails(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Divide what cannot be divided."""
    return rows.with_columns(pl.col("customer").str.to_integer())


def shop(**words: Any) -> Project:
    """Orders and what is made of them; `broken` fails when it is computed."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=at(0), end=at(10))
    rules = [
        fp.Expect(NOT_NULL, column="customer"),
        fp.Expect(BETWEEN, column="amount", max_value=3, severity="warning"),
    ]
    told = {"owner": "team:shop", "description": "What was ordered.", "expectations": rules}
    module.orders = source(daily(10), **{**told, **words})
    sums = [fp.Sum("amount", windows=["2d"]), fp.Count(windows=["2d"])]
    view = fp.feature_view(
        entity=customer, source=module.orders, aggregations=sums, name="spending", owner="ann@shop.no"
    )
    module.spending = view(same)
    module.broken = fp.feature_view(entity=customer, source=module.orders, name="broken")(fails)
    return project_of(module)


def run(project: Project, store: fp.OfflineStore, *assets: str, days: int = 2, run_id: str | None = None) -> None:
    """Materialize some assets for the first days, whatever comes of it."""
    for name in assets:
        with suppress(FeaturePlatformError):
            asset = table_asset(project, name)
            materialize_asset(asset, store, (at(0), at(days)), project.partitions, run_id=run_id)


def run_all(project: Project, store: fp.OfflineStore) -> None:
    """One run of each outcome."""
    run(project, store, "sources/orders", "views/spending", "views/spending", "views/broken")
    refusing = shop(expectations=[fp.Expect(BETWEEN, column="amount", max_value=3)])
    run(refusing, store, "sources/orders", days=3)


def events(project: Project, store: fp.OfflineStore, **settings: Any) -> list[Event]:
    """The events of all runs, as they go out."""
    records: list[Mapping[str, Any]] = read_runs_since(store, None)
    maker = make_events(project, store, LineageSettings(**settings), records)
    return [json.loads(event_text(event)) for record in records for event in maker.events_of(record)]

"""Declarations over orders of a shop: rows that a test writes out, and views that differ in what it is about."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.declarations.view import FeatureView

FIRST = datetime(2024, 1, 1, tzinfo=timezone.utc)  # a Monday, and the first of a month
customer = fp.Entity("customer", join_keys=["customer"])
Order = tuple[str | None, datetime | None, float | None]


def at(days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
    """A moment that long after the first."""
    return FIRST + timedelta(days=days, hours=hours, minutes=minutes)


def orders(*rows: Order) -> pl.DataFrame:
    """Orders: who, when, how much."""
    schema: dict[str, Any] = {"customer": pl.String, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def daily(days: int = 5) -> pl.DataFrame:
    """Ann and Bob order at noon of every day: Ann 10 a day, Bob 1 more each day."""
    rows = [(name, at(day, 12), amount) for day in range(days) for name, amount in (("ann", 10.0), ("bob", day + 1.0))]
    return orders(*rows)


def source(rows: pl.DataFrame | pl.LazyFrame, **words: Any) -> fp.Source:
    """The orders as a source."""
    connector = words.pop("connector", None) or fp.sources.Frame(rows)
    return fp.Source("orders", connector, **{"event_time": "at", **words})


def same(rows: pl.LazyFrame) -> pl.LazyFrame:
    """What windows aggregate."""
    return rows


def last(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The amount of each order, by another name."""
    return rows.select(pl.exclude("amount"), last_amount="amount")


def spending(
    read: fp.Source | FeatureView,
    *,
    windows: Sequence[str] = ("2d",),
    every: str = "1d",
    delay: str | None = None,
    lateness: str | None = None,
    entity: fp.Entity | None = customer,
    **words: Any,
) -> FeatureView:
    """What customers spend: a windowed view, `amount_sum_<window>` and `count_<window>`."""
    return fp.feature_view(
        entity=entity,
        source=read,
        aggregations=[fp.Sum("amount", windows=windows), fp.Count(windows=windows)],
        cadence=fp.Cadence(every=every, delay=delay, lateness=lateness),
        name="spending",
        **words,
    )(same)


def last_order(read: fp.Source | FeatureView, *, entity: fp.Entity | None = customer, **words: Any) -> FeatureView:
    """The last order of a customer: a row view, `last_amount`."""
    return fp.feature_view(entity=entity, source=read, name="last_order", **words)(last)


def spine(*rows: tuple[str | None, datetime | None]) -> pl.DataFrame:
    """Who is asked about, and when."""
    return pl.DataFrame(rows, schema={"customer": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}, orient="row")


def told(view: FeatureView, asked: pl.DataFrame, store: fp.OfflineStore, **words: Any) -> pl.DataFrame:
    """The historical features of a spine."""
    return fp.historical_features(view, asked, store, **words).collect()


def hashes(store: fp.OfflineStore, table: str) -> Mapping[str, str | None]:
    """The content hash of each partition that has rows."""
    return {key: state.hash for key, state in store.partition_states(table).items() if state.rows}

"""A project as a team would write it, for the command: orders of a shop, read from a file beside the store."""

import os
from pathlib import Path

import polars as pl

import feature_platform as fp

partitions = fp.Partitions("daily", start="2024-01-01", end="2024-01-06")
customer = fp.Entity("customer", join_keys=["customer"])


def with_times(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Orders at an instant."""
    return raw.with_columns(pl.col("at").str.to_datetime("%FT%TZ", time_unit="us", time_zone="UTC"))


orders = fp.Source(
    "orders",
    fp.sources.Csv(Path(os.environ.get("SHOP_ORDERS", "orders.csv"))),
    event_time="at",
    prepare=with_times,
    expectations=[fp.Expect("expect_column_values_to_not_be_null", column="customer")],
)


@fp.feature_view(entity=customer, source=orders, aggregations=[fp.Sum("amount", windows=["2d"])])
def spending(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What customers spend."""
    return orders

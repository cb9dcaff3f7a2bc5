"""A tiny project for tests of the Dagster edge: daily orders of a shop, from a frame that a test may change."""

from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import polars as pl

import feature_platform as fp
from feature_platform.ground.findings import Severity

FIRST = datetime(2024, 3, 1, tzinfo=UTC)


def orders(days: int = 5, **changes: object) -> pl.DataFrame:
    """Two customers, an order each at noon of every day."""
    rows = [
        {"customer": name, "at": FIRST + timedelta(days=day, hours=12), "amount": 10.0 * day + index}
        for day in range(days)
        for index, name in enumerate(["ann", "bob"])
    ]
    return pl.DataFrame(rows).with_columns(**{name: pl.lit(value) for name, value in changes.items()})


def shop(
    frame: pl.DataFrame, *, days: int = 5, lateness: str | None = "2d", severity: Severity = "critical"
) -> ModuleType:
    """A project module over the frame."""
    module: Any = ModuleType("shop")
    module.partitions = fp.Partitions("daily", start=FIRST, end=FIRST + timedelta(days=days))
    rule = fp.Expect("expect_column_values_to_be_between", column="amount", min_value=0, severity=severity)
    module.orders = fp.Source("orders", fp.sources.Frame(frame), event_time="at", expectations=[rule])
    module.customer = fp.Entity("customer", join_keys=["customer"])

    @fp.feature_view(
        entity=module.customer,
        source=module.orders,
        aggregations=[fp.Sum("amount", windows=["2d"]), fp.Count(windows=["2d"])],
        cadence=fp.Cadence(every="1d", lateness=lateness),
    )
    def spending(orders: pl.LazyFrame) -> pl.LazyFrame:
        """What customers spend."""
        return orders

    @fp.feature_view(entity=module.customer, source=module.orders)
    def last_order(orders: pl.LazyFrame) -> pl.LazyFrame:
        """The last order."""
        return orders.select("customer", "at", last_amount="amount")

    module.spending, module.last_order = spending, last_order
    return module

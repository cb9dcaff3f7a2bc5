"""The declarations that are served: feature rows of two widths, rows that tell their generation, windows, a ratio.

The same module is served, published and pushed to; `BENCH_ONLINE` names the folder of the Parquet files it reads.
"""

import os
from pathlib import Path

import polars as pl

import feature_platform as fp
from benchmarks.shapes import AMOUNT, KEY, TIME

FOLDER = Path(os.environ.get("BENCH_ONLINE", "."))
TTL = "3650d"  # applied at each answer; Feast's server applies none

user = fp.Entity("user", join_keys=[KEY])


def _source(name: str) -> fp.Source:
    return fp.Source(name, fp.sources.Parquet(FOLDER / name / "*.parquet"), event_time=TIME)


tens, twenties, marks, orders = map(_source, ("tens", "twenties", "marks", "orders"))


@fp.feature_view(entity=user, source=tens, ttl=TTL)
def ten(tens: pl.LazyFrame) -> pl.LazyFrame:
    """Ten features of each user."""
    return tens


@fp.feature_view(entity=user, source=twenties, ttl=TTL)
def twenty(twenties: pl.LazyFrame) -> pl.LazyFrame:
    """Twenty features of each user."""
    return twenties


@fp.feature_view(entity=user, source=marks)
def marked(marks: pl.LazyFrame) -> pl.LazyFrame:
    """The generation that a row is of, and an echo that only this generation and this user have."""
    return marks


@fp.feature_view(entity=user, source=orders)
def last_order(orders: pl.LazyFrame) -> pl.LazyFrame:
    """The last order."""
    return orders.select(KEY, TIME, last_amount=AMOUNT)


@fp.feature_view(
    entity=user,
    source=orders,
    aggregations=[fp.Count(windows=["1h", "1d", "7d"]), fp.Sum(AMOUNT, windows=["1h", "1d", "7d"])],
    accuracy="exact",
)
def spending(orders: pl.LazyFrame) -> pl.LazyFrame:
    """What was spent up to the moment of asking."""
    return orders


@fp.on_demand(inputs=[ten["f00", "f01"], fp.Request({AMOUNT: pl.Float64})])
def compared(row: fp.Row) -> dict[str, pl.Expr]:
    """The amount of the request beside what is known of the user."""
    return {"above": row[AMOUNT] - row["f00"], "share": row[AMOUNT] / (row["f01"].abs() + 1)}


narrow = fp.FeatureService("narrow", [ten])
wide = fp.FeatureService("wide", [twenty])
generations = fp.FeatureService("generations", [marked])
windows = fp.FeatureService("windows", [spending])
request_time = fp.FeatureService("request_time", [ten["f00", "f01"], compared])

"""A project for the server's tests: a shop with one view of each kind that is served."""

from datetime import date

import polars as pl

import feature_platform as fp
from feature_platform_tests import shop

NOW = shop.at(5, 13)
customer = shop.customer
orders = shop.source(shop.daily(5))
about = {"count_2d": fp.About("How often in two days.", stage="stable", tags=["often"])}
spending = shop.spending(orders, delay="1h", about=about)
last_order = shop.last_order(orders, ttl="30h")
exact = fp.feature_view(
    entity=customer,
    source=orders,
    aggregations=[fp.Sum("amount", windows=["3d"])],
    accuracy="exact",
    name="exact",
)(shop.same)
typed_rows = pl.DataFrame(
    {
        "number": [1, 2, 3],
        "at": [shop.at(1), shop.at(2), shop.at(3)],
        "name": ['a "b"\n', None, "ü"],
        "share": [0.5, float("nan"), float("-inf")],
        "small": pl.Series([0.1, 0.2, None], dtype=pl.Float32),
        "seen": [shop.at(0, 1), None, shop.at(0, 0, 1)],
        "day": [date(1969, 12, 31), date(2024, 1, 1), None],
        "times": [[shop.at(0)], [], None],
        "counts": [[{"value": "a", "count": 2}, {"value": "ü", "count": 1}], None, []],
        "flag": [True, False, None],
        "raw": [b"\x00\xff", b"", None],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC"), "seen": pl.Datetime("us", "UTC")},
).with_columns(pl.col("times").cast(pl.List(pl.Datetime("us", "UTC"))))
typed = fp.feature_view(
    entity=fp.Entity("number", join_keys=["number"]),
    source=fp.Source("typed_rows", fp.sources.Frame(typed_rows), event_time="at"),
    name="typed",
)(shop.same)
planes = fp.Source("planes", fp.sources.Frame(pl.DataFrame({"tail": ["N1"], "seats": [100]})))
plane = fp.feature_view(entity=fp.Entity("plane", join_keys=["tail"]), source=planes, name="plane")(shop.same)
everybody = fp.feature_view(
    entity=None,
    source=orders,
    aggregations=[fp.Count(windows=["2d"])],
    cadence=fp.Cadence(every="1d"),
    name="everybody",
)(shop.same)


@fp.on_demand(inputs=[last_order, fp.Request({"price": pl.Float64})])
def affordable(row: fp.Row) -> dict[str, pl.Expr]:
    """How a price compares with the last order."""
    return {"times_last": row["price"] / row["last_order.last_amount"]}


@fp.on_demand(
    inputs=[
        fp.Request(
            {
                "paid": fp.Field(pl.Float64, between=(0, 1e6)),
                "weight": fp.Field(pl.Float64, between=(0, 100), outside="clip"),
            }
        )
    ]
)
def postage(row: fp.Row) -> dict[str, pl.Expr]:
    """What a parcel costs to send, and its share of what was paid."""
    return {"postage": row["weight"] * 2, "share": row["weight"] * 2 / row["paid"]}


shop_service = fp.FeatureService("shop", [spending, last_order])
exact_service = fp.FeatureService("exactly", [exact])
typed_service = fp.FeatureService("typed", [typed])
parcel_service = fp.FeatureService("parcels", [last_order["last_amount"], postage])
offer_service = fp.FeatureService("offers", [affordable])
VIEWS = (spending, last_order, exact, typed, plane, everybody)

"""What is known of a household that shops, and what it will spend in the four weeks after."""

from datetime import datetime, timezone

import polars as pl

import feature_platform as fp
from feature_platform.examples.retail.data import (
    NEW_YORK,
    end_of_local_day,
    local_midnight,
    mailings,
    retail_file,
    with_purchase_times,
    with_week_starts,
)

partitions = fp.Partitions("monthly", start="2017-01-01", end="2018-01-01")

household = fp.Entity("household", join_keys=["household_id"], description="A household with a loyalty card.")
product = fp.Entity("product", join_keys=["product_id"], description="What has a price tag of its own.")
offer = fp.Entity("offer", join_keys=["product_id", "store_id", "week"], description="A product in a store in a week.")

DEPARTMENTS = ["grocery", "drug_gm", "fuel", "produce", "meat", "meat_pckgd", "deli", "pastry", "nutrition"]
DEPARTMENT_SUMS = [f"sales_value_sum_{name}_28d" for name in (*DEPARTMENTS, "other")]
DAILY = fp.Cadence(every="1d", tz=NEW_YORK, delay="1h", lateness="2d")
PROMOTED_FROM = 41  # from 2 October on; all 53 weeks are 20.9 million rows, and take 5 GB of memory
WARMED_UP = datetime(2017, 4, 3, 4, tzinfo=timezone.utc)  # from here on no window begins before the data does


# ---------------------------------------------------------------- sources


def receipt_lines(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Select what was bought: a row for each product of a basket, at the time of the receipt."""
    discount = pl.col("retail_disc") + pl.col("coupon_disc") + pl.col("coupon_match_disc")
    return with_purchase_times(raw).select(
        *("household_id", "basket_id", "product_id", "store_id", "week", "quantity", "sales_value"),
        discount.alias("discount"),
        "purchased_at",
    )


def baskets(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Add baskets up: a row for each visit to a store."""
    keys = ["basket_id", "household_id", "store_id", "purchased_at"]
    return (
        with_purchase_times(raw)
        .group_by(keys, maintain_order=True)
        .agg(
            pl.col("sales_value").sum().round(2).alias("spent"),
            pl.len().cast(pl.Int64).alias("products"),
            (pl.col("coupon_disc") > 0).any().alias("used_coupon"),
        )
    )


def assortment(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Write departments so that they can be part of a feature's name: `DRUG GM` becomes `drug_gm`."""
    return raw.with_columns(pl.col("department").str.to_lowercase().str.replace_all("[^a-z]+", "_"))


def offers(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Tell where a product was on display or in the mailer since October; of two rows of one week either counts."""
    keys = ["product_id", "store_id", "week", "week_began"]
    flags = [
        (pl.col("display_location") != "0").any().alias("on_display"),
        (pl.col("mailer_location") != "0").any().alias("in_mailer"),
    ]
    recent = raw.filter(pl.col("week") >= PROMOTED_FROM)
    return with_week_starts(recent).group_by(keys, maintain_order=True).agg(flags)


def used_coupons(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Place redemptions at the beginning of their day, and know of them at its end: they have no time of day."""
    day = pl.col("redemption_date")
    return raw.select(
        *("household_id", "coupon_upc", "campaign_id"),
        local_midnight(day).alias("redeemed_on"),
        end_of_local_day(day).alias("known_on"),
    )


transactions = fp.sources.Parquet(retail_file("transactions"))

purchases = fp.Source(
    "purchases",
    transactions,
    event_time="purchased_at",
    prepare=receipt_lines,
    expectations=[
        fp.Expect("expect_table_row_count_to_be_between", min_value=1),
        fp.Expect("expect_column_values_to_not_be_null", column="household_id"),
        fp.Expect("expect_compound_columns_to_be_unique", column_list=["basket_id", "product_id"]),
        fp.Expect("expect_column_values_to_be_between", column="sales_value", min_value=0, max_value=1_000),
        fp.Expect("expect_column_values_to_be_between", column="week", min_value=1, max_value=53),
    ],
    owner="team:stores",
)

visits = fp.Source(
    "visits",
    transactions,
    event_time="purchased_at",
    prepare=baskets,
    expectations=[
        fp.Expect("expect_column_values_to_be_unique", column="basket_id"),
        fp.Expect("expect_column_values_to_be_between", column="spent", min_value=0, max_value=2_000),
    ],
    owner="team:stores",
)

products = fp.Source(
    "products",
    fp.sources.Parquet(retail_file("products")),
    entity=product,
    prepare=assortment,
    expectations=[
        fp.Expect("expect_column_values_to_be_unique", column="product_id"),
        fp.Expect("expect_column_values_to_not_be_null", column="department"),
        fp.Expect("expect_column_values_to_be_in_set", column="brand", value_set=["National", "Private"]),
    ],
    owner="team:assortment",
)

promotions = fp.Source(
    "promotions",
    fp.sources.Parquet(retail_file("promotions")),
    entity=offer,
    event_time="week_began",
    prepare=offers,
    expectations=[
        fp.Expect("expect_compound_columns_to_be_unique", column_list=["product_id", "store_id", "week"]),
    ],
    owner="team:marketing",
)

campaigns = fp.Source(
    "campaigns",
    fp.sources.Call(mailings),
    event_time="started_at",
    partitioned=False,
    expectations=[
        fp.Expect("expect_compound_columns_to_be_unique", column_list=["campaign_id", "household_id"]),
        fp.Expect("expect_column_values_to_not_be_null", column="started_at"),
    ],
    owner="team:marketing",
    description="Campaigns that were mailed to households.",
)

redemptions = fp.Source(
    "redemptions",
    fp.sources.Parquet(retail_file("coupon_redemptions")),
    event_time="redeemed_on",
    known_at="known_on",
    prepare=used_coupons,
    expectations=[fp.Expect("expect_column_values_to_not_be_null", column="household_id")],
    owner="team:marketing",
)

demographics = fp.Source(
    "demographics",
    fp.sources.Parquet(retail_file("demographics")),
    entity=household,
    expectations=[fp.Expect("expect_column_values_to_be_unique", column="household_id")],
    owner="team:marketing",
    description="What 801 of 2,469 households have said of themselves: facts without a date.",
)


# ---------------------------------------------------------------- features


@fp.feature_view(
    entity=household,
    source=purchases,
    enrich=[products["department", "brand"]],
    aggregations=[
        fp.Sum("sales_value", windows=["28d"]),
        fp.Sum("sales_value", windows=["28d"], by="department", categories=DEPARTMENTS),
        fp.Sum("sales_value", windows=["28d"], where=pl.col("brand") == "Private", name="own_brand"),
    ],
    derive={"own_brand_share": fp.ratio("own_brand_sum_28d", "sales_value_sum_28d")},
    cadence=DAILY,
    ttl="3d",
    owner="team:insight",
)
def department_spending(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Measure what a household has spent in each department in the last four weeks."""
    return purchases


@fp.feature_view(
    entity=household,
    source=visits,
    aggregations=[
        fp.Sum("spent", windows=["7d", "28d"]),
        fp.Sum("spent", windows=["7d"], lag="28d"),
        fp.Sum("spent", windows=["28d"], lag="28d"),
        fp.Count(windows=["28d"]),
        fp.Mean("spent", windows=["91d"]),
        fp.Recency(windows=["91d"]),
        fp.LastN("store_id", 5, windows=["91d"]),
        fp.Rate("used_coupon", windows=["91d"]),
    ],
    derive={
        "spent_trend": fp.ratio("spent_sum_28d", "spent_sum_28d_lag_28d"),
        "stores_of_last_5": pl.col("store_id_last_5_91d").list.n_unique(),
    },
    accuracy="exact",
    owner="team:insight",
)
def shopping(visits: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how often, where and for how much a household shops, to the minute."""
    return visits


@fp.feature_view(
    entity=household,
    source=purchases,
    enrich=[promotions["on_display", "in_mailer"]],
    aggregations=[
        fp.Rate("on_display", windows=["28d"]),
        fp.Rate("in_mailer", windows=["28d"]),
    ],
    cadence=DAILY,
    ttl="3d",
    owner="team:marketing",
)
def promoted_purchases(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Measure how much of what a household buys was on display, or in the mailer, in that store and week.

    An offer without a row was not promoted; of purchases before October nothing is known.
    """
    flags = pl.col("on_display", "in_mailer").fill_null(value=False)
    return purchases.with_columns(pl.when(pl.col("week") >= PROMOTED_FROM).then(flags))


@fp.feature_view(
    entity=household,
    source=campaigns,
    aggregations=[fp.Count(windows=["91d"], name="mailings"), fp.Last("campaign_type", windows=["91d"])],
    accuracy="exact",
    owner="team:marketing",
)
def mailed_campaigns(campaigns: pl.LazyFrame) -> pl.LazyFrame:
    """Count the campaigns that were mailed to a household."""
    return campaigns


@fp.feature_view(
    entity=household,
    source=redemptions,
    aggregations=[fp.Count(windows=["91d"], name="coupons"), fp.CountDistinct("campaign_id", windows=["91d"])],
    accuracy="exact",
    owner="team:marketing",
)
def redeemed_coupons(redemptions: pl.LazyFrame) -> pl.LazyFrame:
    """Count the coupons that a household has redeemed, a day after at the latest."""
    return redemptions


@fp.feature_view(entity=household, source=demographics, owner="team:marketing")
def members(demographics: pl.LazyFrame) -> pl.LazyFrame:
    """Give what a household has said of itself."""
    return demographics.select("household_id", "age", "income", "household_size", "kids_count")


# ---------------------------------------------------------------- label, services, training set


@fp.label(
    entity=household,
    source=visits,
    aggregations=[fp.Sum("spent", windows=["28d"]), fp.Count(windows=["28d"])],
    owner="team:insight",
)
def next_month(visits: pl.LazyFrame) -> pl.LazyFrame:
    """Add up what a household spends in the four weeks to come: 0 where it does not come back, which is an answer."""
    return visits


spending_features = fp.FeatureService(
    "spending_v1",
    features=[
        shopping[
            "spent_sum_7d",
            "spent_sum_28d",
            "spent_sum_7d_lag_28d",
            "spent_sum_28d_lag_28d",
            "spent_trend",
            "count_28d",
            "spent_mean_91d",
            "recency_91d",
            "used_coupon_rate_91d",
            "stores_of_last_5",
        ],
        department_spending["sales_value_sum_28d", *DEPARTMENT_SUMS, "own_brand_share"],
        mailed_campaigns["mailings_count_91d"],
        redeemed_coupons["coupons_count_91d"],
        members["income", "household_size"],
    ],
    owner="team:insight",
    description="What a model reads that says who will spend less.",
)

offer_features = fp.FeatureService(
    "offers_v1",
    features=[promoted_purchases, redeemed_coupons, mailed_campaigns],
    owner="team:marketing",
    description="What promotions, coupons and campaigns do for a household.",
)

weekly = fp.Spine.every_key(
    "weekly",
    source=visits,
    entity=household,
    every="7d",
    active="91d",
    tz=NEW_YORK,
    owner="team:insight",
    description="Each household at each Monday's midnight, as long as it came within a quarter of a year.",
)

spending_training = fp.TrainingSet(
    "spending_training",
    service=spending_features,
    spine=weekly,
    label=next_month,
    where=pl.col("event_timestamp") >= WARMED_UP,
    split=fp.Split(validate_from="2017-09-04", test_from="2017-10-16"),
    owner="team:insight",
    description="Households week by week: what was known, and what they spent in the four weeks to come.",
)

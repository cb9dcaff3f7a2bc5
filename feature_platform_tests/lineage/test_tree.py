"""The lineage of a column as a tree: up to sources, down to training sets, read from declarations alone."""

from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.project import Project
from feature_platform.examples.flights import project as flights
from feature_platform.ground.errors import SourceUnreadable, UnknownName
from feature_platform.lineage.tree import LineageTree, lineage_tree
from feature_platform_tests.shop import at, customer, daily, source

UTC = pl.Datetime("us", "UTC")
ORDERS: dict[str, Any] = {
    "customer": pl.String,
    "at": UTC,
    "amount": pl.Float64,
    "product": pl.Int64,
    "test": pl.Boolean,
}
PRODUCTS: dict[str, Any] = {"product": pl.Int64, "since": UTC, "loaded": UTC, "price": pl.Float64}


def without_rows(name: str, schema: dict[str, Any], **words: Any) -> fp.Source:
    """A source whose rows nobody may read."""

    def refuse(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("a row was read")

    frame = pl.LazyFrame(schema=schema).map_batches(refuse, schema=schema)
    return fp.Source(name, fp.sources.Frame(frame), **words)


product = fp.Entity("product", join_keys=["product"])
orders = without_rows("orders", ORDERS, event_time="at")
products = without_rows("products", PRODUCTS, entity=product, event_time="since", known_at="loaded")


@fp.feature_view(
    entity=customer,
    source=orders,
    enrich=[products["price"]],
    aggregations=[fp.Sum("amount", windows=["7d"]), fp.Mean("price", windows=["7d"])],
    derive={"markup": fp.ratio("amount_sum_7d", "price_mean_7d")},
)
def spending(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.filter(~pl.col("test"))


@fp.feature_view(entity=customer, source=spending)
def large(spending: pl.LazyFrame) -> pl.LazyFrame:
    return spending.select("customer", "as_of", "known_at", is_large=pl.col("markup") > 3)


friend = spending.alias("friend", keys={"customer": "friend"})


@fp.on_demand(inputs=[large, friend, fp.Request({"price": pl.Float64})])
def offer(row: fp.Row) -> dict[str, pl.Expr]:
    return {"share": row["price"] / row["amount_sum_7d"], "since": row["large.event_time"]}


@fp.label(entity=customer, source=orders, aggregations=[fp.Sum("amount", windows=["7d"])])
def next_week(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders


model = fp.FeatureService("model", [spending["markup"], friend["markup"], large, offer])
weekly = fp.Spine.every_key("weekly", source=orders, entity=customer)
training = fp.TrainingSet("weeks", service=model, spine=weekly, label=next_week)


def project_with(**names: Any) -> Project:
    module = ModuleType("shop")
    vars(module).update(names)
    return fp.project_of(module)


SHOP = project_with(training=training)


def tree(column: str, store: fp.OfflineStore, *, down: bool = False) -> LineageTree:
    return lineage_tree(SHOP, column, store, down=down)


@pytest.fixture
def store(tmp_path: Path) -> fp.OfflineStore:
    return fp.OfflineStore(tmp_path)


def test_a_derived_feature_of_an_enriched_view_goes_up_to_both_sources(store: fp.OfflineStore) -> None:
    assert str(tree("spending.markup", store)).splitlines() == [
        "views/spending.markup  derived",
        "├─ views/spending.amount_sum_7d  Sum('amount', windows=['7d'])",
        "│  ├─ sources/orders.amount",
        "│  └─ sources/orders.test",
        "└─ views/spending.price_mean_7d  Mean('price', windows=['7d'])",
        "   ├─ sources/orders.test",
        "   ├─ sources/products.price",
        "   ├─ sources/products.product  join key",
        "   ├─ sources/orders.product",
        "   ├─ sources/products.since  event time",
        "   └─ sources/orders.at  event time",
    ]


def test_it_goes_through_on_demand_features_aliases_and_views_over_views(store: fp.OfflineStore) -> None:
    assert str(tree("services/model.share", store)).splitlines()[:6] == [
        "services/model.share",
        "└─ on_demand/offer.share  computed when it is asked",
        "   ├─ request.price  a field of the request",
        "   └─ views/friend.amount_sum_7d  alias, finds customer by friend",
        "      └─ views/spending.amount_sum_7d  Sum('amount', windows=['7d'])",
        "         ├─ sources/orders.amount",
    ]
    assert tree("services/model.friend__markup", store).columns()[1:3] == [
        "views/friend.markup",
        "views/spending.markup",
    ]
    assert tree("large.is_large", store).columns()[:2] == ["views/large.is_large", "views/spending.markup"]
    assert tree("offer.since", store).columns() == [
        "on_demand/offer.since",
        "views/large.as_of",
        "views/spending.as_of",
    ]


def test_training_sets_have_columns_of_their_spine_features_and_labels(store: fp.OfflineStore) -> None:
    assert tree("weeks.amount_sum_next_7d", store).columns() == [
        "training_sets/weeks.amount_sum_next_7d",
        "labels/next_week.amount_sum_next_7d",
        "sources/orders.amount",
    ]
    assert tree("weeks.customer", store).columns()[1:] == ["spines/weekly.customer", "sources/orders.customer"]
    assert tree("weeks.event_timestamp", store).columns()[1:] == ["spines/weekly.event_timestamp", "sources/orders.at"]
    assert tree("training_sets/weeks.is_large", store).columns()[1] == "services/model.is_large"


def test_down_it_goes_to_services_training_sets_and_labels(store: fp.OfflineStore) -> None:
    found = tree("sources/orders.amount", store, down=True)
    assert set(found.columns()) >= {
        "views/spending.amount_sum_7d",
        "views/spending.markup",
        "views/friend.markup",
        "on_demand/offer.share",
        "services/model.friend__markup",
        "training_sets/weeks.share",
        "labels/next_week.amount_sum_next_7d",
        "training_sets/weeks.amount_sum_next_7d",
    }
    assert "views/spending.price_mean_7d" not in found.columns()
    assert [str(each) for each in tree("weeks.share", store, down=True).branches] == []


def test_up_and_down_say_the_same(store: fp.OfflineStore) -> None:
    for column in ("sources/products.price", "sources/orders.test", "sources/orders.at"):
        for name in tree(column, store, down=True).columns():
            assert column in tree(name, store).columns(), name


def test_branches_are_printed_once(store: fp.OfflineStore) -> None:
    lines = str(tree("sources/orders.amount", store, down=True)).splitlines()
    markups = [line.strip("│├└─ ") for line in lines if "views/spending.markup" in line]
    assert markups == ["views/spending.markup  derived"]
    twice = [line for line in str(tree("sources/orders.at", store, down=True)).splitlines() if "as above" in line]
    assert all(line.endswith("branches as above") for line in twice)


def test_what_is_stored_is_taken_where_it_is(tmp_path: Path) -> None:
    store, stored = fp.OfflineStore(tmp_path), source(daily(1))
    view = fp.feature_view(entity=customer, source=stored, name="last")(lambda rows: rows)
    fp.materialize(stored, store, at(), at(1), partitions=fp.Partitions("daily", start=at()))
    gone = fp.Source("orders", fp.sources.Csv(tmp_path / "none.csv"), event_time="at")
    other = fp.feature_view(entity=customer, source=gone, name="last")(lambda rows: rows)
    assert str(lineage_tree(project_with(v=view), "last.amount", store)) == str(
        lineage_tree(project_with(v=other), "last.amount", store)
    )
    with pytest.raises(SourceUnreadable, match=r"none\.csv"):
        lineage_tree(project_with(v=other), "last.amount", fp.OfflineStore(tmp_path / "empty"))


def test_names_that_are_none_say_which_there_are(store: fp.OfflineStore) -> None:
    with pytest.raises(UnknownName, match="has no one table or service `spendings`"):
        tree("spendings.markup", store)
    with pytest.raises(
        UnknownName, match=r"`views/spending` has no column `mark`. It has: as_of, customer, amount_sum_7d, "
    ):
        tree("views/spending.mark", store)
    with pytest.raises(UnknownName, match="has no column ``"):
        tree("views/spending", store)


def test_json_and_notebooks_have_the_same(store: fp.OfflineStore) -> None:
    found = tree("labels/next_week.amount_sum_next_7d", store)
    assert found.facts() == {
        "column": "labels/next_week.amount_sum_next_7d",
        "note": "Sum('amount', windows=['7d'])",
        "branches": [{"column": "sources/orders.amount", "note": "", "branches": [], "repeated": False}],
        "repeated": False,
    }
    assert "labels/next_week" in found._repr_html_()


def test_each_column_that_flights_serve_comes_from_a_source_or_the_request(tmp_path: Path) -> None:
    shop, store = fp.project_of(flights), fp.OfflineStore(tmp_path)
    trained = lineage_tree(shop, "delay_training.turnaround_minutes", store)
    assert trained.columns() == [
        "training_sets/delay_training.turnaround_minutes",
        "services/delay_v1.turnaround_minutes",
        "on_demand/turnaround.turnaround_minutes",
        "request.scheduled_departure",
        "views/plane_last_flight.arrived_at",
        "sources/flights.arrived_at",
    ]
    down = lineage_tree(shop, "sources/planes.seats", store, down=True)
    assert "training_sets/delay_training.seats_sum_1d" in down.columns()

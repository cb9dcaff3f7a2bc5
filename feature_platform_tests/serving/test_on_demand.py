"""On-demand features from the offline store: historical, in training sets, explained, with pinned versions."""

from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.declarations.on_demand import OnDemandView
from feature_platform.declarations.source import Source
from feature_platform.ground.errors import MissingRequestField
from feature_platform_tests.compute.transforms.on_demand_shop import ROWS, SPINES, TTL, drawn_frames, law, naive
from feature_platform_tests.effort import tries
from feature_platform_tests.orders import view
from feature_platform_tests.shop import at, daily, last_order, source, spending, spine

ASKED = spine(("ann", at(3)), ("bob", at(3)), ("eve", at(3)), ("ann", at(9))).with_columns(
    price=pl.Series([5.0, 6.0, 7.0, 8.0])
)


def compared(read: Source) -> OnDemandView:
    """How a price compares with what a customer has paid; the views are not materialized yet."""
    order, spent = last_order(read, ttl="2d"), spending(read)
    return fp.on_demand(inputs=[order, spent["amount_sum_2d"], fp.Request({"price": pl.Float64})], name="compared")(
        lambda row: {
            "dearer": row["price"] - row["last_amount"],
            "share": row["price"] / row["spending.amount_sum_2d"],
            "hours": (row["spending.event_time"] - row["last_order.event_time"]).dt.total_hours(),
        }
    )


def materialized(read: Source, store: fp.OfflineStore) -> OnDemandView:
    made = compared(read)
    for each in made.views:
        fp.materialize(each, store)
    return made


def test_historical_features_join_the_views_behind_on_demand_features(store: fp.OfflineStore) -> None:
    made = materialized(source(daily()), store)
    found = fp.historical_features(made, ASKED, store).collect()
    assert found.columns == [*ASKED.columns, "dearer", "share", "hours"]
    assert found.select("dearer", "share", "hours").rows() == [
        (-5.0, 0.25, 12),
        (3.0, 1.2, 12),
        (None, float("inf"), None),
        (None, 0.4, None),
    ]
    listed = fp.historical_features([made["share"], made.views[0]], ASKED.lazy(), store).collect()
    assert listed.columns == [*ASKED.columns, "share", "last_amount"]


def test_a_pinned_version_of_a_view_that_is_not_listed_is_read(store: fp.OfflineStore) -> None:
    made = materialized(source(daily()), store)
    before = fp.historical_features(made, ASKED, store).collect()
    materialized(source(daily().with_columns(pl.col("amount") * 2)), store)
    assert not fp.historical_features(made, ASKED, store).collect().equals(before)
    pinned = {"views/last_order": 0, "views/spending": 0}
    assert_frame_equal(fp.historical_features(made, ASKED, store, versions=pinned).collect(), before)


def test_an_explanation_says_what_is_computed_on_demand(store: fp.OfflineStore) -> None:
    made = materialized(source(daily()), store)
    found = fp.explain(made["dearer", "hours"], ASKED, store)
    assert [(each.table, each.columns) for each in found.readings] == [
        ("views/last_order", ("customer", "at", "last_amount")),
        ("views/spending", ("customer", "as_of")),
    ]
    read = ("price", "last_order.last_amount", "spending.event_time", "last_order.event_time")
    assert found.on_demand == {"compared": (("dearer", "hours"), read)}
    assert "compared: computed on demand, row by row\n    dearer, hours from price, last_order" in str(found)


def test_a_training_set_holds_on_demand_features_and_pins_what_they_read(store: fp.OfflineStore) -> None:
    made = materialized(source(daily()), store)
    rules = {"dearer": fp.Impute.mean(), "share": fp.Impute.constant(0.0)}
    service = fp.FeatureService("v1", [made["dearer", "share"]], impute=rules)
    built = fp.build_training_set(fp.TrainingSet("buying", service=service, spine=ASKED), store)
    rows = built.rows.collect()
    assert rows.columns == ["event_timestamp", "customer", "price", "dearer", "share"]
    assert rows["dearer"].to_list() == [-5.0, 3.0, None, -1.0]
    assert set(built.versions) >= {"views/last_order", "views/spending"}
    learnt = fp.imputation_statistics(service, store)
    assert learnt.select("feature", "value", "learnt_from").rows() == [("dearer", "-1.0", 2)]
    again = fp.build_training_set(fp.TrainingSet("buying", service=service, spine=ASKED), store, built.versions)
    assert again.manifest["content_hash"] == built.manifest["content_hash"]


def test_gaps_that_nothing_came_before_get_the_fallback_offline_and_online(store: fp.OfflineStore, tmp_path) -> None:
    order = last_order(source(daily()))
    fp.materialize(order, store)
    rules = {"last_amount": fp.Impute.mean(by="customer", fallback=7)}
    service = fp.FeatureService("filled", [order["last_amount"]], impute=rules)
    online = fp.online.Lmdb(tmp_path / "online")
    fp.publish(service, store, online, now=at(9))
    nobody = {"customer": ["nobody"]}

    offline = fp.historical_features(service, spine(("nobody", at(9))), store).collect()
    found = fp.online_features(service, nobody, online, now=at(9))

    assert offline["last_amount"].to_list() == found["last_amount"].to_list() == [7.0]
    assert found["last_amount__status"].to_list() == ["NOT_FOUND"]


def test_an_event_time_of_the_spine_that_is_a_request_field_keeps_its_name(store: fp.OfflineStore) -> None:
    order = last_order(source(daily()))
    fp.materialize(order, store)
    due = fp.on_demand(inputs=[order, fp.Request({"due": pl.Datetime("us", "UTC")})], name="due")(
        lambda row: {"hours": (row["due"] - row["last_order.event_time"]).dt.total_hours()}
    )
    moments = fp.Source("moments", fp.sources.Frame(ASKED.rename({"event_timestamp": "due"})), event_time="due")
    built = fp.build_training_set(
        fp.TrainingSet("t", service=fp.FeatureService("s", [due]), spine=moments), store
    ).rows.collect()
    assert built.columns == ["event_timestamp", "customer", "due", "price", "hours"]
    assert built["due"].equals(built["event_timestamp"])
    assert built["hours"].to_list() == [12, 12, None, 108]


def test_a_spine_without_a_request_field_builds_nothing(store: fp.OfflineStore) -> None:
    made = materialized(source(daily()), store)
    moments = fp.Source("moments", fp.sources.Frame(ASKED.drop("price")), event_time="event_timestamp")
    training = fp.TrainingSet("t", service=fp.FeatureService("s", [made]), spine=moments)
    with pytest.raises(MissingRequestField, match=r"`compared` needs the request field\(s\) `price`"):
        fp.build_training_set(training, store)
    assert not store.exists("training_sets/t")


@settings(derandomize=True, deadline=None, max_examples=tries(10))
@given(ROWS, SPINES)
def test_historical_features_are_what_plain_python_says_of_each_row(rows, moments) -> None:
    events, asked_at = drawn_frames(rows, moments)
    read = fp.Source("orders", fp.sources.Frame(events), event_time="at", known_at="seen_at")
    stored = view(name="last", ttl=f"{TTL}h", source=read)
    made = fp.on_demand(inputs=[stored, fp.Request(law.request)], name="law")(law.function)
    with TemporaryDirectory() as folder:
        store = fp.OfflineStore(folder)
        fp.materialize(stored, store)
        if not store.exists("views/last"):  # there are no events
            return
        found = fp.historical_features(made, asked_at, store).collect()
    assert found.select("waited", "worth").rows() == [naive(events, *row) for row in asked_at.iter_rows()]

"""Why on a service: it walks to views, aliases, inputs of on-demand features, and to what filled a gap."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import InvalidKey, MissingColumns, MissingRequestField, UnknownName
from feature_platform.verification.tracing.reading import read_key
from feature_platform.verification.tracing.traced import Reason
from feature_platform.verification.why import why
from feature_platform_tests.effort import pick_some
from feature_platform_tests.shop import at, customer, daily, source

pytestmark = pytest.mark.usefixtures("unrecorded")

GRID = fp.Partitions("daily", start=at())
orders = source(daily())
friend = fp.Entity("friend", join_keys=["friend"])


@fp.feature_view(entity=customer, source=orders, ttl="2d")
def last(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders


@fp.feature_view(entity=customer, source=orders, aggregations=[fp.Mean("amount", windows=["2d"])])
def means(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders


there = last.alias("there", keys={"customer": "friend"})
asked = fp.Request({"price": fp.Field(pl.Float64, between=(0, 50), outside="clip")})


@fp.on_demand(inputs=[last, there, means, asked])
def compared(row: fp.Row) -> dict[str, pl.Expr]:
    days = (row["last.event_time"] - row["there.event_time"]).dt.total_days()
    return {
        "share": row["price"] / row["amount_mean_2d"],
        "apart": row["last.amount"] - row["there.amount"],
        "days": days,
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> fp.OfflineStore:
    store = fp.OfflineStore(tmp_path_factory.mktemp("store"))
    for view in (last, means):
        fp.materialize(view, store, at(), at(5), partitions=GRID)
    return store


def service(**words: Any) -> fp.FeatureService:
    return fp.FeatureService("offer", [means, last["amount"], there["amount"], compared], **words)


MOMENTS = [at(0, 3), at(0, 13), at(3), at(3, 13), at(6, 11), at(9)]


@pytest.mark.parametrize("column", ["amount_mean_2d", "amount", "there__amount", "share", "apart", "days"])
@pytest.mark.parametrize(("who", "other"), [("ann", "bob"), ("bob", "ann"), ("ann", "eve"), (None, "ann")])
@pytest.mark.filterwarnings("ignore::feature_platform.ground.errors.RequestValuesClipped")
def test_each_column_is_what_the_join_gives(store: fp.OfflineStore, column: str, who: Any, other: Any) -> None:
    for moment in pick_some(MOMENTS):
        key = {"customer": who, "friend": other, "price": 70.0}
        types: Any = {"customer": pl.String, "friend": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}
        spine = pl.DataFrame({**key, "event_timestamp": moment}, schema_overrides=types)
        told = fp.historical_features(service(), spine, store, stale="ignore").collect()
        found = why(service(), column, key, moment, store)
        assert found.value == told[column].item(), str(found)
        assert (found.value is None) == (found.reason is not Reason.PRESENT), str(found)
        assert not found.differs, str(found)


def test_an_on_demand_feature_names_its_inputs_and_each_ones_reason(store: fp.OfflineStore) -> None:
    key = {"customer": "ann", "friend": "eve", "price": 70.0}
    found = why(compared, "apart", key, at(3), store)
    assert (found.value, found.reason) == (None, Reason.NO_ROW)
    assert [(each.feature, each.reason) for each in found.inputs] == [
        ("last.amount", Reason.PRESENT),
        ("there.amount", Reason.NO_ROW),
    ]
    share = why(service(), "share", key, at(3), store)
    assert dict(share.steps) == {
        "computed": "of price, means.amount_mean_2d",
        "request": "price=70.0, taken as 50.0",
    }
    assert share.inputs[0].key == {"customer": "ann"}
    assert "means.amount_mean_2d of customer=ann" in str(share)


def test_a_field_or_key_that_no_column_can_have_is_called_what_it_is(store: fp.OfflineStore) -> None:
    key = {"customer": "ann", "friend": "eve", "price": 70.0}
    with pytest.raises(InvalidKey) as refused:
        why(service(), "share", key | {"price": [1, "a"]}, at(3), store)
    assert str(refused.value) == (
        "On-demand view `compared`: request field `price` is [1, 'a'], which cannot be a value of type Float64. "
        "Give a value of type Float64."
    )
    with pytest.raises(InvalidKey, match=r"join key `customer` is \[1, 'a'\], which cannot be one value"):
        why(service(), "share", key | {"customer": [1, "a"]}, at(3), store)
    with pytest.raises(InvalidKey, match="request field `price` is 'much', which cannot be a value of type Float64"):
        read_key(service(), {"price": "much"}, store, {})


def test_an_alias_is_found_by_its_own_columns(store: fp.OfflineStore) -> None:
    found = why(there, "amount", {"friend": "bob"}, at(3), store)
    assert (found.title, found.rows["customer"].to_list()) == (
        "there.amount of friend=bob at 2024-01-04T00:00Z is 3.0 (present)",
        ["bob"],
    )
    assert " now" not in str(found), "the code is that of the view itself"


def test_a_constant_fills_a_gap(store: fp.OfflineStore) -> None:
    filled = service(impute={"there__amount": fp.Impute.constant(0.5)})
    key = {"customer": "ann", "friend": "eve", "price": 1.0}
    found = why(filled, "there__amount", key, at(3), store)
    assert (found.feature, found.value, found.reason) == ("offer.there__amount", 0.5, Reason.FILLED)
    assert (found.inputs[0].reason, found.inputs[0].value) == (Reason.NO_ROW, None)
    assert why(filled, "there__amount", {**key, "friend": "bob"}, at(3), store).reason is Reason.PRESENT


def build(store: fp.OfflineStore, filled: fp.FeatureService, moments: list[datetime]) -> fp.TrainingSet:
    rows = [{"customer": who, "event_timestamp": moment} for who in ("ann", "bob") for moment in moments]
    training = fp.TrainingSet(
        "offers",
        service=filled,
        spine=pl.DataFrame(rows).with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))),
    )
    fp.build_training_set(training, store, stale="ignore")
    return training


def test_what_a_training_set_learnt_fills_a_gap(store: fp.OfflineStore) -> None:
    rules = {"amount": fp.Impute.mean(by="customer"), "amount_mean_2d": fp.Impute.median(fallback=7.0)}
    filled = fp.FeatureService("filled", [last["amount"], means], impute=rules)
    before = why(filled, "amount", {"customer": "eve"}, at(3), store)
    assert (before.value, before.reason) == (None, Reason.NO_ROW)
    assert before.steps[-1] == (
        "filled",
        f"by the fallback of {rules['amount']!r}: no training set of the service taught it",
    )
    build(store, filled, [at(1), at(2)])
    found = why(filled, "amount", {"customer": "bob"}, at(9), store)
    assert (found.value, found.reason, found.inputs[0].reason) == (1.5, Reason.FILLED, Reason.EXPIRED)
    learnt = "learnt from 2 value(s) up to 2024-01-03T00:00Z for customer=bob: imputation/filled@0"
    assert found.steps == (("filled", f"by {rules['amount']!r}, {learnt}"),)
    unknown = why(filled, "amount", {"customer": "eve"}, at(9), store)
    assert (unknown.value, unknown.reason) == (None, Reason.NO_ROW)
    assert why(filled, "amount_mean_2d", {"customer": "eve"}, at(3), store).value == 5.75


def test_what_is_not_there_is_said(store: fp.OfflineStore) -> None:
    key = {"customer": "ann", "friend": "bob", "price": 1.0}
    with pytest.raises(UnknownName, match="Feature service `offer` has no feature `amounts`"):
        why(service(), "amounts", key, at(1), store)
    with pytest.raises(UnknownName, match="On-demand view `compared` has no feature `shares`"):
        why(compared, "shares", key, at(1), store)
    with pytest.raises(MissingRequestField, match="price"):
        why(compared, "share", {"customer": "ann"}, at(1), store)
    with pytest.raises(MissingColumns, match="friend"):
        why(service(), "there__amount", {"customer": "ann"}, at(1), store)

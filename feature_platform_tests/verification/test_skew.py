"""Skew: what was answered, against what training sees of the same entities at the same instants."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.serving import ServedService
from feature_platform.serving.request_log import LoggedAnswer, RequestLog
from feature_platform.verification.skew import measure_skew
from feature_platform_tests.shop import at, daily, orders
from feature_platform_tests.verification.test_consistency import NOW, counts, published, service

Asked = Mapping[str, Sequence[object]]
WHO: Asked = {"customer": ["ann", "bob", "nobody", None], "limit": [1.0, 50.0, None, 3.0]}


@pytest.fixture
def online(tmp_path: Path) -> fp.online.Lmdb:
    return fp.online.Lmdb(tmp_path / "online")


def ask(
    shop: fp.FeatureService,
    store: fp.OfflineStore,
    online: fp.online.Lmdb,
    *ids: str,
    now: datetime = NOW,
    who: Asked = WHO,
) -> None:
    """Answer requests and log them, as the server does."""
    with online.reader() as reader, RequestLog(store, sample=1.0, flush_seconds=60) as log:
        served = ServedService(shop, reader)
        height = len(next(iter(who.values())))
        for each in ids:
            rows = served.rows(who, height, now)
            stamps = {held.view.name: held.table.stamp for held in served.compiled_views()}
            log.record(LoggedAnswer(each, shop.name, now, json.dumps(who).encode(), list(served.types()), rows, stamps))


def test_what_is_served_is_what_training_sees_gaps_before_they_are_filled(
    store: fp.OfflineStore, online: fp.online.Lmdb
) -> None:
    shop = published(store, online)
    ask(shop, store, online, "a", "b")
    ask(shop, store, online, "c", now=at(5, 20))

    found = measure_skew(shop, store, now=at(6))

    assert (found.requests, found.entities, found.skipped, found.differences) == (3, 12, 0, 0)
    assert counts(found.features, "mismatch") == {}
    assert found.features["compared"].to_list() == [12] * 6
    assert store.read("skew/shop").collect()["at"].unique().to_list() == [at(6)]


def test_every_request_is_taken_once(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    assert measure_skew(shop, store, now=NOW).requests == 0
    assert not store.exists("skew/shop")

    ask(shop, store, online, "a", "b")
    assert [measure_skew(shop, store, now=NOW).requests for _ in range(2)] == [2, 0]
    ask(shop, store, online, "c")
    store.maintain("requests/shop")  # other files, the same rows
    assert [measure_skew(shop, store, now=NOW).requests for _ in range(2)] == [1, 0]
    assert store.read("skew/shop").collect()["requests"].unique().sort().to_list() == [1, 2]


def test_more_requests_than_a_run_takes_are_sampled_and_counted(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    ask(shop, store, online, *(f"r{number}" for number in range(7)))

    found = measure_skew(shop, store, now=NOW, most=3)

    assert (found.requests, found.skipped, found.entities) == (3, 4, 12)


def test_late_rows_that_serving_had_not_seen_show_as_skew(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    ask(shop, store, online, "a")
    late = service(pl.concat([daily(), orders(("ann", at(4, 18), 99.0))]))
    for view in late.views:
        fp.materialize(view, store)

    found = measure_skew(late, store, now=NOW)

    assert counts(found.features, "mismatch")["last_amount"] == (1,)
    (example, *_) = found.features.filter(pl.col("feature") == "last_amount")["examples"][0]
    assert json.loads(example)["entity"]["customer"] == "ann"
    assert (json.loads(example)["offline"], json.loads(example)["online"]) == (99.0, 10.0)


def test_keys_that_came_as_text_are_those_of_their_type(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    rows = daily().with_columns(customer=pl.col("customer").replace_strict({"ann": 1, "bob": 2}, return_dtype=pl.Int32))
    shop = published(store, online, rows)
    ask(shop, store, online, "a", who={"customer": ["1", 2, 3.0], "limit": [1.0, 2.0, 3.0]})

    found = measure_skew(shop, store, now=NOW)

    assert (found.entities, found.differences) == (3, 0)


def test_a_feature_that_is_declared_no_more_is_left_out(store: fp.OfflineStore, online: fp.online.Lmdb) -> None:
    shop = published(store, online)
    ask(shop, store, online, "a")
    fewer = fp.FeatureService("shop", [shop.views[1]])

    assert measure_skew(fewer, store, now=NOW).features["feature"].to_list() == ["last_amount"]


def test_a_feature_that_was_served_in_another_type_is_named_and_not_compared(
    tmp_path: Path, store: fp.OfflineStore, online: fp.online.Lmdb
) -> None:
    """The table was made anew with whole numbers; the log has the numbers of before."""
    ask(published(store, online), store, online, "a")
    anew, shop = fp.OfflineStore(tmp_path / "anew"), service(daily().with_columns(pl.col("amount").cast(pl.Int64)))
    for view in shop.views:
        fp.materialize(view, anew)
    anew.append("requests/shop", store.read("requests/shop").collect(), stamp=fp.CommitStamp("r", "requests/shop", ""))

    found = measure_skew(shop, anew, now=NOW)

    assert found.retyped == ("amount_sum_2d", "last_amount", "amount_max_2d")
    assert found.features["feature"].to_list() == ["count_2d", "amount_mean_1d", "over"]
    assert found.differences == 0

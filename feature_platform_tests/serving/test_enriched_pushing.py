"""Enriched exact views online: which are served in parts, what a push answers, and what waits for a run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.serving.entries import ORIGIN, PUSHED
from feature_platform.compute.serving.parts import histories_of
from feature_platform.compute.serving.served_rows import NotQuick
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.ground.errors import MissingColumns, TooMuchWork
from feature_platform.online import Lmdb
from feature_platform.online.spool import Spool
from feature_platform.serving import online_features
from feature_platform.serving.applying import Target
from feature_platform.serving.catalogue import online_state_of
from feature_platform.serving.publication import parts, publish
from feature_platform.serving.pushing import push
from feature_platform.serving.service import ServedService, WorkBounds
from feature_platform.upkeep.orphans import drop_orphans
from feature_platform.verification.consistency import check_consistency
from feature_platform_tests.shop import at, customer

pytestmark = pytest.mark.usefixtures("unrecorded")

product = fp.Entity("product", join_keys=["id"])
brand = fp.Entity("brand", join_keys=["brand"])
NOW = at(2)
ORDERS: Any = {"customer": pl.String, "product": pl.Int64, "at": UTC, "amount": pl.Float64, "test": pl.Boolean}
ROWS = [("ann", 1, at(1), 2.0, False), ("ann", 2, at(1.5), 3.0, False), ("bob", 1, at(1.5), 4.0, True)]
PRICES = [(1, at(), 10.0, 7), (2, at(), 20.0, None), (1, at(1.25), 11.0, 8)]
Function = Callable[[pl.LazyFrame], pl.LazyFrame]


class Shop:
    """A view of orders with the price of their product, published."""

    def __init__(self, folder: Path, function: Function, **words: Any) -> None:
        frames = [
            pl.DataFrame(ROWS, schema=ORDERS, orient="row"),
            pl.DataFrame(
                PRICES, schema={"id": pl.Int64, "since": UTC, "price": pl.Float64, "brand": pl.Int64}, orient="row"
            ),
            pl.DataFrame({"brand": [7, 8], "country": ["FR", "IT"]}),
        ]
        self.orders = fp.Source("orders", fp.sources.Frame(frames[0]), event_time="at", partitioned=False)
        self.prices = fp.Source(
            "prices", fp.sources.Frame(frames[1]), entity=product, event_time="since", partitioned=False
        )
        self.brands = fp.Source("brands", fp.sources.Frame(frames[2]), entity=brand)
        self.view = self.declare(function, **words)
        self.store, self.online = fp.OfflineStore(folder / "store"), Lmdb(folder / "online", map_size=2**22)
        self.target = Target([self.view], Spool(folder / "spool", map_size=2**22), self.store, self.online)
        fp.materialize(self.view, self.store)
        publish(self.view, self.store, self.online, now=NOW)

    def declare(self, function: Function, **words: Any) -> FeatureView:
        enrich = [self.prices["price", "brand"].alias("of", keys={"id": "product"})]
        given: dict[str, Any] = {
            "entity": customer,
            "source": self.orders,
            "enrich": [*enrich, *([self.brands["country"].alias("made", keys={"brand": "of__brand"})])],
            "aggregations": [fp.Sum("of__price", windows=["1d"]), fp.Last("made__country", windows=["1d"])],
            "accuracy": "exact",
            "name": "spent",
        }
        return fp.feature_view(**{**given, **words})(function)

    def push_order(self, amount: float = 1.0) -> list[str]:
        row = pl.DataFrame([("ann", 1, at(1.75), amount, False)], schema=ORDERS, orient="row")
        return list(push(self.orders, row, self.target, now=NOW))

    def push_price(self, price: float, since: float = 1) -> list[str]:
        schema: Any = {"id": pl.Int64, "since": UTC, "price": pl.Float64, "brand": pl.Int64}
        row = pl.DataFrame([(1, at(since), price, 7)], schema=schema, orient="row")
        return list(push(self.prices, row, self.target, now=NOW))

    def ask(self, view: FeatureView | None = None, moment: Any = NOW) -> tuple[Any, ...]:
        view = view or self.view
        asked = pl.DataFrame({key: ["ann"] for key in view.join_keys})
        answer = online_features(view, asked, self.online, moment)
        return answer.select(pl.exclude("^.*__(status|event_time)$", *view.join_keys)).row(0)

    def agree(self) -> None:
        spine = pl.DataFrame({"customer": ["ann"], "event_timestamp": [NOW]}, schema_overrides={"event_timestamp": UTC})
        stored = fp.historical_features(self.view, spine, self.store).collect()
        assert self.ask() == stored.drop("customer", "event_timestamp").row(0)


def same(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


SERVED_IN_PARTS: dict[str, Function] = {
    "all rows": same,
    "a filter by its own and by an added column": lambda rows: rows.filter(~pl.col("test"), pl.col("of__price") < 15),
    "chosen columns": lambda rows: rows.select("customer", "at", "of__price", "made__country"),
    "several rows of one": lambda rows: rows.with_columns(twice=pl.concat_list("product", "product")).explode("twice"),
}


@pytest.mark.parametrize("name", SERVED_IN_PARTS)
def test_pushed_events_and_rows_of_other_tables_count_at_once(name: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, SERVED_IN_PARTS[name])
    shop.agree()
    if name == "several rows of one":  # explode is not known to work row by row: it waits
        assert (shop.push_order(), shop.push_price(12.0)) == ([], [])
        return
    before = shop.ask()
    assert shop.push_order() == ["spent"]
    one = shop.ask()
    assert one != before
    assert shop.push_price(12.5) == ["spent"]  # late: before the price of day 1.25, and seen by the order of day 1
    assert shop.ask()[0] == one[0] + 2.5
    assert shop.push_price(13.0, since=1.6) == ["spent"]
    assert shop.ask()[0] == one[0] + 4.5
    assert shop.ask()[1] == "FR"


WAITING: dict[str, tuple[Function, dict[str, Any]]] = {
    "a key that the function changes": (lambda rows: rows.with_columns(pl.col("customer").str.to_lowercase()), {}),
    "a key of another table": (
        lambda rows: rows.with_columns(brand=pl.col("of__brand").cast(pl.String)).drop_nulls("brand"),
        {"entity": fp.Entity("made_by", join_keys=["brand"])},
    ),
    "a time that the function changes": (lambda rows: rows.with_columns(pl.col("at").dt.offset_by("1h")), {}),
    "a function that looks at other rows": (lambda rows: rows.unique(["customer", "at"]), {}),
}


@pytest.mark.parametrize("name", WAITING)
def test_a_view_whose_events_are_not_found_by_the_key_of_a_row_waits_for_a_run(name: str, tmp_path: Path) -> None:
    function, words = WAITING[name]
    shop = Shop(tmp_path, function, **words)
    table = shop.online.table("spent")
    assert table is not None
    assert not table.histories
    assert (shop.push_order(), shop.push_price(12.0)) == ([], [])


def test_a_view_that_is_enriched_by_a_key_of_bytes_waits_for_a_run(tmp_path: Path) -> None:
    keyed = pl.DataFrame({"customer": ["ann"], "at": [at(1)], "id": [b"x"]}, schema_overrides={"at": UTC})
    orders = fp.Source("orders", fp.sources.Frame(keyed), event_time="at", partitioned=False)
    priced = pl.DataFrame({"id": [b"x"], "price": [3.0]})
    prices = fp.Source("prices", fp.sources.Frame(priced), entity=product)
    declare = fp.feature_view(
        entity=customer,
        source=orders,
        enrich=[prices["price"]],
        aggregations=[fp.Sum("price", windows=["2d"])],
        accuracy="exact",
        name="by_bytes",
    )
    view, store, online = declare(same), fp.OfflineStore(tmp_path / "store"), Lmdb(tmp_path / "online", map_size=2**22)
    fp.materialize(view, store)
    publish(view, store, online, now=NOW)
    assert online.views() == ["by_bytes"]
    answer = online_features(view, pl.DataFrame({"customer": ["ann"]}), online, NOW)
    assert answer["price_sum_2d"].to_list() == [3.0]


def test_a_key_with_very_many_rows_in_reach_makes_the_view_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, same)
    before = shop.ask()
    monkeypatch.setattr(parts, "LONGEST_HISTORY", 1)
    schema: Any = {"id": pl.Int64, "since": UTC, "price": pl.Float64, "brand": pl.Int64}
    rows = pl.DataFrame([*PRICES, (2, at(3), 1.0, None)], schema=schema, orient="row")
    grown = fp.Source("prices", fp.sources.Frame(rows), entity=product, event_time="since", partitioned=False)
    fp.materialize(grown, shop.store)
    publish(shop.view, shop.store, shop.online, now=NOW)
    table = shop.online.table("spent")
    assert table is not None
    assert (table.histories, shop.ask(), shop.push_order()) == ({}, before, [])
    publish(shop.view, shop.store, shop.online, now=NOW)
    assert histories_of("spent", shop.online.views()) == []


def test_publishing_again_changes_nothing_and_a_changed_table_changes_its_history(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    assert publish(shop.view, shop.store, shop.online, now=NOW)[0].how == "unchanged"
    prices = shop.prices.connector.frame.with_columns(pl.col("price") * 2)  # type: ignore[attr-defined]
    dearer = fp.Source("prices", fp.sources.Frame(prices), entity=product, event_time="since", partitioned=False)
    fp.materialize(dearer, shop.store)
    assert online_state_of(shop.view, shop.store, shop.online).behind == "sources/prices changed"
    assert publish(shop.view, shop.store, shop.online, now=NOW)[0].how != "unchanged"
    assert online_state_of(shop.view, shop.store, shop.online).behind is None
    shop.agree()


def test_rows_that_no_event_in_reach_can_see_are_not_online(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    history = histories_of("spent", shop.online.views())[1]
    later = at(20)
    publish(shop.view, shop.store, Lmdb(tmp_path / "other", map_size=2**22), now=later)
    with Lmdb(tmp_path / "other").reader() as reader:
        _, entries = reader.get(history, list(Lmdb(tmp_path / "other").keys(history)))
    assert sorted(entry[0] for entry in entries if entry) == [1, 1]  # of each product the newest row


def test_rows_that_are_kept_online_only_go_when_no_event_in_reach_can_see_them(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    schema: Any = {"id": pl.Int64, "since": UTC, "price": pl.Float64, "brand": pl.Int64}
    for number in range(4):
        row = pl.DataFrame([(1, at(1.5 + number / 10), 30.0 + number, 7)], schema=schema, orient="row")
        push(shop.prices, row, shop.target, now=NOW, to="online")
    history = histories_of("spent", shop.online.views())[1]
    counts: list[list[int]] = []
    for later in (at(2), at(20)):
        fresh = shop.prices.connector.frame.with_columns(pl.col("price") + len(counts) + 1)  # type: ignore[attr-defined]
        grown = fp.Source("prices", fp.sources.Frame(fresh), entity=product, event_time="since", partitioned=False)
        fp.materialize(grown, shop.store)
        publish(shop.view, shop.store, shop.online, now=later)
        with shop.online.reader() as reader:
            _, entries = reader.get(history, sorted(shop.online.keys(history)))
        counts.append([entry[0] for entry in entries if entry])
    assert counts == [[6, 1], [1, 1]]  # of product 1 two rows of the table and four pushed ones, then the newest


def test_a_row_that_holds_before_all_events_and_is_known_later_hides_the_others_only_then(tmp_path: Path) -> None:
    schema: Any = {"id": pl.Int64, "since": UTC, "loaded": UTC, "price": pl.Float64}
    rows = pl.DataFrame([(1, at(), at(), 10.0), (1, at(1), at(25), 11.0)], schema=schema, orient="row")
    late: Any = {"event_time": "since", "known_at": "loaded", "partitioned": False}
    prices = fp.Source("late", fp.sources.Frame(rows), entity=product, **late)
    events = pl.DataFrame([("ann", 1, at(22)), ("ann", 1, at(26))], schema=["customer", "product", "at"], orient="row")
    orders = fp.Source("few", fp.sources.Frame(events), event_time="at", partitioned=False)
    view = fp.feature_view(
        entity=customer,
        source=orders,
        enrich=[prices["price"].alias("of", keys={"id": "product"})],
        aggregations=[fp.Sum("of__price", windows=["1d"])],
        accuracy="exact",
        name="spent_late",
    )(same)
    store, online = fp.OfflineStore(tmp_path / "store"), Lmdb(tmp_path / "online", map_size=2**22)
    fp.materialize(view, store)
    publish(view, store, online, now=at(20))
    asked = pl.DataFrame({"customer": ["ann"]})
    sums = [online_features(view, asked, online, moment)["of__price_sum_1d"][0] for moment in (at(22.5), at(26.5))]
    assert sums == [10.0, 11.0]


def test_a_view_that_needs_more_than_was_published_is_not_answered_from_nulls(tmp_path: Path) -> None:
    shop = Shop(tmp_path, lambda rows: rows.select("customer", "at", "of__price", "made__country"))
    now = shop.declare(lambda rows: rows.filter(pl.col("amount") > 2))
    with pytest.raises(MissingColumns, match="amount"):
        shop.ask(now)


def test_answers_say_which_entities_see_a_pushed_row_of_another_table(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    shop.push_price(50.0)
    seen: dict[FeatureView, Any] = {}
    with shop.online.reader() as reader:
        served = ServedService(fp.FeatureService("shop_v1", [shop.view]), reader)
        served.watch = seen.update
        served.rows({"customer": ["ann", "bob", "ivy"]}, 3, NOW)
    rows = seen[shop.view][1].rows
    assert [row[ORIGIN] == PUSHED for row in rows] == [True, True, False]


def test_rows_of_other_tables_count_as_work(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    with shop.online.reader() as reader:
        served = ServedService(fp.FeatureService("shop_v1", [shop.view]), reader)
        served.bounds = WorkBounds(events=2)  # of ann: two events, and three rows of their products
        with pytest.raises(TooMuchWork, match="enriched from 3 rows"):
            served.rows({"customer": ["ann"]}, 1, NOW)
        served.bounds = WorkBounds(events=5, at_once=5)
        with pytest.raises(NotQuick):
            served.rows({"customer": ["ann"]}, 1, NOW)


def test_a_push_to_a_member_of_a_union_reaches_its_enriched_view(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    other = fp.Source("others", fp.sources.Frame(shop.orders.connector.frame), event_time="at", partitioned=False)  # type: ignore[attr-defined]
    both = fp.Union("both", {"own": shop.orders, "other": other}, tag="channel")
    view = shop.declare(lambda rows: rows.filter(pl.col("channel") == "other"), source=both, name="other_spent")
    fp.materialize(view, shop.store)
    publish(view, shop.store, shop.online, now=NOW)
    target = replace(shop.target, views=[view])
    assert shop.ask(view) == (20.0 + 10.0, "FR")
    row = pl.DataFrame([("ann", 1, at(1.75), 1.0, False)], schema=ORDERS, orient="row")
    assert list(push(other, row, target, now=NOW)) == ["other_spent"]
    assert list(push(shop.orders, row, target, now=NOW)) == ["other_spent"]
    assert shop.ask(view) == (20.0 + 10.0 + 11.0, "IT")


def test_a_consistency_check_leaves_out_what_pushes_changed_and_finds_nothing_else(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    service = fp.FeatureService("shop_v1", [shop.view])
    assert check_consistency(service, shop.store, shop.online, now=NOW + timedelta(minutes=1)).differences == 0
    shop.push_price(50.0)
    report = check_consistency(service, shop.store, shop.online, now=NOW + timedelta(minutes=1))
    assert report.differences == 0


def test_histories_go_with_their_view(tmp_path: Path) -> None:
    shop = Shop(tmp_path, same)
    project = fp.Project("shop", fp.Partitions(), (shop.orders, shop.prices, shop.brands))
    assert len(histories_of("spent", shop.online.views())) == 2
    drop_orphans(["views/spent"], project, shop.store, shop.online)
    assert shop.online.views() == []

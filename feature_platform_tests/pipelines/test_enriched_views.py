"""Views that are enriched by other tables, from the sources to what is served."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform.pipelines.candidates.changed_inputs import changed_inputs
from feature_platform.pipelines.plan import stale_assets
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, customer, hashes

pytestmark = pytest.mark.usefixtures("unrecorded")

product = fp.Entity("product", join_keys=["id"])
GRID = fp.Partitions("daily", start=at(), end=at(8))
ORDERS: dict[str, Any] = {"customer": pl.String, "product": pl.Int64, "at": UTC}
PRICES: dict[str, Any] = {"id": pl.Int32, "since": UTC, "loaded": UTC, "price": pl.Float64}
KINDS = [
    "row",
    "late row",
    "snapshot",
    "exact",
    "late snapshot",
    "late exact",
]
Rows = list[tuple[Any, ...]]


class Shop:
    """Orders of products, whose prices change; and a view of them, of some kind."""

    def __init__(self, kind: str, orders: Rows, prices: Rows, *, partitioned: bool = True) -> None:
        whole = [row if len(row) == 4 else (row[0], row[1], row[1], row[2]) for row in prices]
        self.orders = pl.DataFrame(orders, schema=ORDERS, orient="row")
        self.prices = pl.DataFrame(whole, schema=PRICES, orient="row")
        self.source = fp.Source("orders", fp.sources.Frame(self.orders), event_time="at")
        known = "loaded" if kind.startswith("late") else None
        words: dict[str, Any] = {"event_time": "since", "known_at": known, "partitioned": partitioned}
        self.dimension = fp.Source("prices", fp.sources.Frame(self.prices), entity=product, **words)
        self.view = self._view(kind)

    def _view(self, kind: str) -> FeatureView:
        words: dict[str, Any] = {}
        if not kind.endswith("row"):
            words = {"aggregations": [fp.Sum("price", windows=["1d"]), fp.Last("price", windows=["2d"])]}
            words["accuracy"] = kind.split()[-1]
        enrich = [self.dimension["price"].alias("of", keys={"id": "product"})]
        declare = fp.feature_view(entity=customer, source=self.source, enrich=enrich, name="spent", **words)
        return declare(lambda rows: rows.with_columns(price="of__price"))

    def materialize(self, store: fp.OfflineStore) -> FeatureView:
        fp.materialize(self.view, store, at(), at(8), partitions=GRID, gone="taken")
        return self.view


def price_at(prices: Rows, product: int | None, moment: datetime, known_by: datetime | None) -> float | None:
    """The definition: the newest price of a product at a moment, of one time the last, among those known by another."""
    rows = [
        (since, loaded, n, price)
        for n, (key, since, loaded, price) in enumerate(prices)
        if key == product and since <= moment and (known_by is None or loaded <= known_by)
    ]
    return max(rows, key=lambda row: row[:3])[3] if rows and product is not None else None


def definition(kind: str, orders: Rows, prices: Rows, who: str, t: datetime) -> Mapping[str, Any]:
    """What a view says of a customer at a moment."""
    end = t.replace(hour=0) if kind.endswith("snapshot") else t
    by = end if kind.startswith("late") else None
    mine = [(when, n, price_at(prices, what, when, by)) for n, (name, what, when) in enumerate(orders) if name == who]
    if kind.endswith("row"):
        rows = sorted(row for row in mine if row[0] <= t)
        return {"price": rows[-1][2] if rows else None}
    inside = {days: sorted(row for row in mine if end - timedelta(days=days) <= row[0] < end) for days in (1, 2)}
    known = [row[2] for row in inside[2] if row[2] is not None]
    return {
        "price_sum_1d": sum(row[2] for row in inside[1] if row[2] is not None),
        "price_last_2d": known[-1] if known else None,
    }


ORDER = st.tuples(
    st.sampled_from(["ann", "ann", "bob"]),
    st.sampled_from([1, 1, 2, None]),
    st.integers(0, 23).map(lambda n: at(hours=6 * n)),
)
PRICE = st.tuples(
    st.sampled_from([1, 1, 2]),
    st.integers(0, 23).map(lambda n: at(hours=6 * n)),
    st.sampled_from([0, 0, 1, 5, 9]),
    st.sampled_from([10.0, 20.0, 30.0, None]),
).map(lambda row: (row[0], row[1], row[1] + timedelta(hours=6 * row[2]), row[3]))
ENDS = [("eve", 9, at()), ("eve", 9, at(7, 18))]  # so that no partition at an end comes or goes
EDGES = [(9, at(), at(), 1.0), (9, at(7), at(7), 1.0)]


def once(rows: Rows) -> Rows:
    """Rows without a second one of the same key and time: which of them is the last is not promised in a table."""
    return list({row[:2]: row for row in rows}.values())


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=tries(24, fewest=2), database=None, phases=[Phase.generate])
@given(
    st.lists(ORDER, min_size=4, max_size=10),
    st.lists(PRICE, min_size=3, max_size=6),
    st.lists(PRICE, max_size=2),
    st.lists(ORDER, max_size=1),
    st.integers(0, 5),
    st.booleans(),
)
def test_a_run_after_any_change_leaves_what_a_run_from_nothing_leaves(kind, orders, prices, more, late, gone, parted):
    orders = [*ENDS, *(row for row in {(who, when): (who, what, when) for who, what, when in orders}.values())]
    prices = once([*EDGES, *prices])
    with TemporaryDirectory() as folder:
        store, fresh = (fp.OfflineStore(Path(folder, name)) for name in ("store", "fresh"))
        Shop(kind, orders, prices, partitioned=parted).materialize(store)
        then = once([row for n, row in enumerate(prices) if n != gone + 2] + more)
        late = [row for row in late if (row[0], row[2]) not in {(who, when) for who, _, when in orders}]
        shop = Shop(kind, orders + late, then, partitioned=parted)
        view = shop.materialize(store)
        shop.materialize(fresh)
        assert hashes(store, view.asset) == hashes(fresh, view.asset)
        assert changed_inputs(view, store, GRID) == {}
        project = fp.Project("shop", GRID, (shop.source, shop.dimension, view))
        assert stale_assets(project, store) == []
        asked = [(who, at(hours=6 * n + 1)) for who in ("ann", "bob", "ivy") for n in range(24)]
        spine = pl.DataFrame(asked, schema={"customer": pl.String, "event_timestamp": UTC}, orient="row")
        found = fp.historical_features(view, spine, store, stale="refuse").collect()
        for row in found.iter_rows(named=True):
            wanted = definition(kind, orders + late, then, row["customer"], row["event_timestamp"])
            if kind.endswith("snapshot") and row["event_timestamp"] < at(1):
                wanted = dict.fromkeys(wanted)  # nothing is published yet
            assert {name: row[name] for name in wanted} == wanted, row


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_served_is_what_is_stored_also_after_the_other_table_changed(kind, tmp_path):
    store, online = fp.OfflineStore(tmp_path / "store"), fp.online.Lmdb(tmp_path / "online")
    orders = [("ann", 1, at(day, 12)) for day in range(8)] + [("bob", 2, at(7, 13))]
    late = (1, at(6), at(7, 20), 9.0)
    for prices in ([(1, at(), 1.0)], [(1, at(), 1.0), late, (1, at(7), 5.0), (2, at(3), 7.0)], [(1, at(7), 5.0)]):
        view = Shop(kind, orders, prices, partitioned=False).materialize(store)
        now = at(8)
        fp.publish(view, store, online, now=now)
        spine = pl.DataFrame({"customer": ["ann", "bob", "ivy"]})
        names = ["price"] if kind.endswith("row") else ["price_sum_1d", "price_last_2d"]
        served = fp.online_features(view, spine, online, now=now).select(names)
        stored = fp.historical_features(view, spine.with_columns(event_timestamp=pl.lit(now, UTC)), store).collect()
        assert served.rows() == stored.select(names).rows()


def test_a_server_answers_with_the_version_of_its_moment(tmp_path):
    store, online = fp.OfflineStore(tmp_path / "store"), fp.online.Lmdb(tmp_path / "online")
    orders = [*ENDS, ("ann", 1, at(4)), ("ann", 1, at(5)), ("bob", 2, at(5))]
    prices = [*EDGES, (1, at(), at(), 1.0), (1, at(1), at(6), 2.0), (1, at(2), at(7), 3.0), (2, at(1), at(7), 9.0)]
    view = Shop("late row", orders, prices).materialize(store)
    fp.publish(view, store, online, now=at(5, 6))
    spine = pl.DataFrame({"customer": ["ann", "bob"]})
    told = []
    for now in (at(5, 6), at(6), at(7), at(8)):
        stored = fp.historical_features(view, spine.with_columns(event_timestamp=pl.lit(now, UTC)), store).collect()
        served = fp.online_features(view, spine, online, now=now)
        assert served["price"].to_list() == stored["price"].to_list()
        told.append(tuple(stored["price"]))
    assert told == [(1.0, None), (2.0, None), (3.0, 9.0), (3.0, 9.0)]


@pytest.mark.parametrize("accuracy", ["exact", "snapshot"])
def test_a_row_view_of_versions_enriches_others_by_what_was_known(accuracy, tmp_path):
    store, online = fp.OfflineStore(tmp_path / "store"), fp.online.Lmdb(tmp_path / "online")
    orders = [*ENDS, ("ann", 1, at(4)), ("bob", 2, at(5))]
    prices = [
        *EDGES,
        (1, at(), at(), 1.0),
        (1, at(1), at(6, 1), 2.0),
        (1, at(2), at(6, 18), 3.0),
        (2, at(1), at(7), 9.0),
    ]
    last = Shop("late row", orders, prices).view
    seen = pl.DataFrame(
        [("ann", at(5, 6)), ("ann", at(6, 6)), ("bob", at(6, 6))], schema=["customer", "at"], orient="row"
    )
    visits = fp.Source("visits", fp.sources.Frame(seen), event_time="at")
    aggregations = [fp.Sum("price", windows=["2d"]), fp.Count(windows=["2d"])]
    words: dict[str, Any] = {"aggregations": aggregations, "accuracy": accuracy, "name": "visited"}
    view = fp.feature_view(entity=customer, source=visits, enrich=[last["price"]], **words)(lambda rows: rows)
    fp.materialize(view, store, at(), at(8), partitions=GRID)
    told = []
    for now in (at(6), at(6, 12), at(7), at(7, 5)):
        asked = pl.DataFrame({"customer": ["ann", "bob"], "event_timestamp": pl.Series([now] * 2, dtype=UTC)})
        stored = fp.historical_features(view, asked, store).collect().select("price_sum_2d", "count_2d")
        fp.publish(view, store, online, now=now)
        served = fp.online_features(view, asked.select("customer"), online, now=now)
        assert served.select(stored.columns).rows() == stored.rows()
        told.append(stored.rows())
    exact = [[(1.0, 1), (0.0, 0)], [(4.0, 2), (0.0, 1)], [(6.0, 2), (9.0, 1)], [(6.0, 2), (9.0, 1)]]
    snapshot = [exact[0], exact[0], exact[2], exact[2]]
    assert told == (exact if accuracy == "exact" else snapshot)


def test_one_changed_row_recomputes_the_days_that_it_reaches_and_no_other(tmp_path):
    store, orders = fp.OfflineStore(tmp_path), [("ann", 1, at(hours=6 * n)) for n in range(32)]
    prices = [(1, at(), 10.0), (1, at(4), 30.0)]
    Shop("row", orders, prices).materialize(store)
    shop = Shop("row", orders, [*prices, (1, at(2), 20.0)])
    fp.materialize(shop.dimension, store, at(), at(8), partitions=GRID)
    reached = ["2024-01-03", "2024-01-04"]
    assert changed_inputs(shop.view, store, GRID) == dict.fromkeys(reached, "sources/prices")
    version = store.latest_version("views/spent")
    shop.materialize(store)
    assert store.changed_since("views/spent", version) == set(reached)
    project = fp.Project("shop", GRID, (shop.source, shop.dimension, shop.view))
    assert stale_assets(project, store) == []


def test_a_row_for_a_product_that_nobody_ordered_changes_nothing(tmp_path):
    store, orders = fp.OfflineStore(tmp_path), [("ann", 1, at(day)) for day in range(8)]
    Shop("snapshot", orders, [(1, at(), 10.0)]).materialize(store)
    shop = Shop("snapshot", orders, [(1, at(), 10.0), (2, at(), 20.0)])
    fp.materialize(shop.dimension, store, at(), at(8), partitions=GRID)
    assert changed_inputs(shop.view, store, GRID) == {}


def test_a_table_may_enrich_its_own_events(tmp_path):
    store = fp.OfflineStore(tmp_path)

    def declare(first: float) -> FeatureView:
        rows = [("a", "a", at(1), first), ("c", "b", at(2), 2.0), ("b", "a", at(6), 3.0)]
        schema: dict[str, Any] = {"who": pl.String, "customer": pl.String, "at": UTC, "amount": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        person = fp.Entity("person", join_keys=["who"])
        paid = fp.Source("paid", fp.sources.Frame(frame), entity=person, event_time="at")
        enrich = [paid["amount"].alias("theirs", keys={"who": "customer"})]
        return fp.feature_view(entity=customer, source=paid, enrich=enrich, name="pairs")(lambda events: events)

    fp.materialize(declare(1.0), store, at(), at(8), partitions=GRID)
    view = declare(9.0)
    fp.materialize(view.source, store, at(), at(8), partitions=GRID)
    assert set(changed_inputs(view, store, GRID)) == {"2024-01-02", "2024-01-07"}
    fp.materialize(view, store, at(), at(8), partitions=GRID)
    rows = store.read(view.asset).sort("at").collect()
    assert rows["theirs__amount"].to_list() == [9.0, None, 9.0]


def test_each_commit_names_the_versions_of_both_tables(tmp_path):
    store = fp.OfflineStore(tmp_path)
    view = Shop("row", [("ann", 1, at(day)) for day in range(8)], [(1, at(), 10.0)]).materialize(store)
    assert store.partition_states(view.asset)["2024-01-05"].inputs.keys() == {"sources/orders", "sources/prices"}
    service = fp.FeatureService("service", [view])
    spine = pl.DataFrame({"customer": ["ann"], "event_timestamp": [at(3)]})
    built = fp.build_training_set(fp.TrainingSet("set", service=service, spine=spine), store)
    assert built.rows.collect()["price"].to_list() == [10.0]


def test_a_training_set_of_an_exact_view_pins_the_table_that_enriches_its_events(tmp_path):
    store, orders = fp.OfflineStore(tmp_path), [("ann", 1, at(day)) for day in range(8)]
    view = Shop("exact", orders, [(1, at(), 10.0)]).materialize(store)
    spine = pl.DataFrame({"customer": ["ann"], "event_timestamp": [at(3)]})
    training_set = fp.TrainingSet("set", service=fp.FeatureService("service", [view]), spine=spine)
    built = fp.build_training_set(training_set, store)
    Shop("exact", orders, [(1, at(), 50.0)]).materialize(store)
    again = fp.build_training_set(training_set, store, built.versions)
    assert {"sources/orders", "sources/prices"} <= built.versions.keys()
    assert again.rows.collect()["price_sum_1d"].to_list() == [10.0]
    assert fp.build_training_set(training_set, store).rows.collect()["price_sum_1d"].to_list() == [50.0]


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_function_of_several_rows_is_refused_where_events_may_have_versions(partitioned, tmp_path):
    shop = Shop("late exact", [("ann", 1, at(day)) for day in range(8)], [(1, at(), 10.0)])
    orders = fp.Source("orders", fp.sources.Frame(shop.orders), event_time="at", partitioned=partitioned)
    view = replace(shop.view, source=orders, transform=lambda rows: rows.unique(["customer", "at"]))
    with pytest.raises(fp.errors.InvalidDeclaration, match="has a function that Polars does not show to work"):
        fp.materialize(view, fp.OfflineStore(tmp_path), at(), at(8), partitions=GRID)


def test_values_at_takes_a_frame_of_each_table():
    spine = pl.DataFrame({"customer": ["ann", "ann"], "event_timestamp": [at(3), at(4)]})
    for kind, wanted in {
        "row": [30.0, 30.0],
        "late row": [10.0, 10.0],
        "exact": [10.0, 30.0],
        "late snapshot": [10.0, 10.0],
    }.items():
        shop = Shop(kind, [("ann", 1, at(day)) for day in range(8)], [(1, at(), 10.0), (1, at(3), at(4, 1), 30.0)])
        frames = {"orders": shop.orders, "prices": shop.prices}
        found = fp.testing.values_at(shop.view, frames, spine).collect()
        assert found["price" if kind.endswith("row") else "price_sum_1d"].to_list() == wanted
        with pytest.raises(fp.errors.UnknownName, match="prices"):
            fp.testing.values_at(shop.view, {"orders": shop.orders}, spine)

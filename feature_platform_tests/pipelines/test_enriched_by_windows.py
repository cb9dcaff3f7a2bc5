"""Views that windows of another view enrich, from the sources to what is served."""

from collections.abc import Mapping
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
CLICKS: dict[str, Any] = {"id": pl.Int32, "at": UTC}
KINDS = ["row", "late row", "exact", "late snapshot"]
Rows = list[tuple[Any, ...]]


class Shop:
    """Orders of products, how often each product was clicked on a day, and a view of orders that have that."""

    def __init__(self, kind: str, orders: Rows, clicks: Rows) -> None:
        self.orders = pl.DataFrame(orders, schema=ORDERS, orient="row")
        self.clicks = pl.DataFrame(clicks, schema=CLICKS, orient="row")
        source = fp.Source("orders", fp.sources.Frame(self.orders), event_time="at")
        self.popularity = fp.feature_view(
            entity=product,
            source=fp.Source("clicks", fp.sources.Frame(self.clicks), event_time="at"),
            aggregations=[fp.Count(windows=["1d"])],
            cadence=fp.Cadence(every="1d", delay="12h" if kind.startswith("late") else None),
            ttl="3d",
            name="popularity",
        )(lambda rows: rows)
        words: dict[str, Any] = {}
        if not kind.endswith("row"):
            words = {"aggregations": [fp.Sum("clicks", windows=["2d"]), fp.Last("clicks", windows=["2d"])]}
            words["accuracy"] = kind.split()[-1]
        enrich = [self.popularity.alias("of", keys={"id": "product"})["count_1d"]]
        declare = fp.feature_view(entity=customer, source=source, enrich=enrich, name="spent", **words)
        self.view: FeatureView = declare(lambda rows: rows.with_columns(clicks="of__count_1d"))

    @property
    def project(self) -> fp.Project:
        return fp.Project("shop", GRID, (self.view.source, self.popularity.source, self.popularity, self.view))

    def materialize(self, store: fp.OfflineStore, end: float = 8) -> FeatureView:
        fp.materialize(self.view, store, at(), at(end), partitions=GRID, gone="taken")
        return self.view


def clicks_at(clicks: Rows, product: int | None, e: datetime, t: datetime | None) -> int | None:
    """The definition: the clicks on the day before the newest midnight up to an event that was out at a moment."""
    days = [at(n) for n in range(1, 9) if at(n) <= e and (t is None or at(n, 12) <= t)]
    if product is None or not days or e - days[-1] > timedelta(days=3):
        return None
    return sum(key == product and days[-1] - timedelta(days=1) <= when < days[-1] for key, when in clicks)


def definition(kind: str, orders: Rows, clicks: Rows, who: str, t: datetime) -> Mapping[str, Any]:
    """What a view says of a customer at a moment."""
    end = t.replace(hour=0) if kind.endswith("snapshot") else t
    by = end if kind.startswith("late") else None
    mine = sorted(
        (when, n, clicks_at(clicks, what, when, by)) for n, (name, what, when) in enumerate(orders) if name == who
    )
    if kind.endswith("row"):
        rows = [row for row in mine if row[0] <= t]
        return {"clicks": rows[-1][2] if rows else None}
    if end < at(1) and kind.endswith("snapshot"):
        return {"clicks_sum_2d": None, "clicks_last_2d": None}
    known = [row[2] for row in mine if end - timedelta(days=2) <= row[0] < end and row[2] is not None]
    return {"clicks_sum_2d": sum(known), "clicks_last_2d": known[-1] if known else None}


WHEN = st.integers(0, 23).map(lambda n: at(hours=8 * n))
ORDER = st.tuples(st.sampled_from(["ann", "ann", "bob"]), st.sampled_from([1, 1, 2, None]), WHEN)
CLICK = st.tuples(st.sampled_from([1, 1, 2]), WHEN)
ENDS = [("eve", 9, at()), ("eve", 9, at(7, 18))]  # so that no partition at an end comes or goes
EDGES = [(9, at()), (9, at(7))]


@pytest.mark.parametrize("kind", KINDS)
@settings(derandomize=True, deadline=None, max_examples=tries(12, fewest=2), database=None, phases=[Phase.generate])
@given(
    st.lists(ORDER, min_size=4, max_size=9),
    st.lists(CLICK, min_size=4, max_size=9),
    st.lists(CLICK, max_size=2),
    st.integers(0, 5),
)
def test_a_run_after_any_change_leaves_what_a_run_from_nothing_leaves(kind, orders, clicks, more, gone):
    orders = [*ENDS, *{(who, when): (who, what, when) for who, what, when in orders}.values()]
    before, then = [*EDGES, *clicks], [*EDGES, *clicks[:gone], *clicks[gone + 1 :], *more]
    with TemporaryDirectory() as folder:
        store, fresh = (fp.OfflineStore(Path(folder, name)) for name in ("store", "fresh"))
        Shop(kind, orders, before).materialize(store)
        shop = Shop(kind, orders, then)
        view = shop.materialize(store)
        shop.materialize(fresh)
        for asset in (shop.popularity.asset, view.asset):
            assert hashes(store, asset) == hashes(fresh, asset)
        assert changed_inputs(view, store, GRID) == {}
        assert stale_assets(shop.project, store) == []
        asked = [(who, at(hours=6 * n + 1)) for who in ("ann", "bob", "ivy") for n in range(31)]
        spine = pl.DataFrame(asked, schema={"customer": pl.String, "event_timestamp": UTC}, orient="row")
        found = fp.historical_features(view, spine, store, stale="refuse").collect()
        for row in found.iter_rows(named=True):
            wanted = definition(kind, orders, then, row["customer"], row["event_timestamp"])
            assert {name: row[name] for name in wanted} == wanted, row


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_served_is_what_is_stored_and_what_a_test_is_told(kind, tmp_path):
    store, online, now = fp.OfflineStore(tmp_path / "store"), fp.online.Lmdb(tmp_path / "online"), at(8)
    orders = [("ann", 1, at(day, 6)) for day in range(8)] + [("bob", 2, at(7, 13))]
    spine = pl.DataFrame({"customer": ["ann", "bob", "ivy"]})
    asked = spine.with_columns(event_timestamp=pl.lit(now, UTC))
    for clicks in ([*EDGES, (1, at(3, 5))], [*EDGES, (1, at(3, 5)), (1, at(6, 1)), (1, at(6, 2)), (2, at(5, 7))]):
        shop = Shop(kind, orders, clicks)
        view = shop.materialize(store)
        fp.publish(view, store, online, now=now)
        wanted = definition(kind, orders, clicks, "ann", now)
        served = fp.online_features(view, spine, online, now=now).select(list(wanted))
        stored = fp.historical_features(view, asked, store).collect().select(list(wanted))
        frames = {"orders": shop.orders, "popularity": store.read("views/popularity").collect()}
        told = fp.testing.values_at(view, frames, asked).collect().select(list(wanted))
        assert served.rows() == stored.rows() == told.rows()
        assert stored.row(0, named=True) == wanted


def test_a_late_click_recomputes_the_days_that_see_its_instant_and_no_other(tmp_path):
    store, orders = fp.OfflineStore(tmp_path), [("ann", 1, at(hours=6 * n)) for n in range(32)]
    Shop("row", orders, EDGES).materialize(store)
    shop = Shop("row", orders, [*EDGES, (1, at(3, 5))])
    fp.materialize(shop.popularity, store, at(), at(8), partitions=GRID)
    assert changed_inputs(shop.view, store, GRID) == {"2024-01-05": "views/popularity"}
    version = store.latest_version("views/spent")
    shop.materialize(store)
    assert store.changed_since("views/spent", version) == {"2024-01-05"}
    other = Shop("row", orders, [*EDGES, (1, at(3, 5)), (3, at(3, 5))])
    fp.materialize(other.popularity, store, at(), at(8), partitions=GRID)
    assert changed_inputs(other.view, store, GRID) == {}  # nobody ordered it


def test_days_that_come_two_by_two_are_what_a_run_of_all_makes(tmp_path):
    orders = [("ann", 1, at(hours=6 * n)) for n in range(32)]
    clicks = [*EDGES, *((1, at(day, day)) for day in range(7))]
    store, fresh = fp.OfflineStore(tmp_path / "store"), fp.OfflineStore(tmp_path / "fresh")
    shop = Shop("late snapshot", orders, clicks)
    for day in range(0, 8, 2):
        fp.materialize(shop.view, store, at(day), at(day + 2), partitions=GRID)
    shop.materialize(fresh)
    assert hashes(store, "views/spent") == hashes(fresh, "views/spent")
    assert stale_assets(shop.project, store) == []


def test_why_names_the_instant_that_an_event_sees_or_that_there_is_none(tmp_path):
    store = fp.OfflineStore(tmp_path)
    shop = Shop("snapshot", [("ann", 1, at(3, 6)), ("bob", 1, at(0, 6)), *ENDS], [*EDGES, (1, at(2, 5))])
    view = shop.materialize(store)
    found = fp.why(view, "clicks_sum_2d", {"customer": "ann"}, at(4, 1), store)
    assert (found.value, found.agrees) == (1, True)
    seen = found.dimensions["views/popularity"]
    assert seen.select("id", "as_of", "count_1d").rows() == [(1, at(3), 1)]
    missing = fp.why(view, "clicks_last_2d", {"customer": "bob"}, at(1, 1), store)
    assert missing.reason.value == "no dimension row"


def test_members_of_a_union_are_enriched_as_one_source_and_make_windows_that_enrich(tmp_path):
    orders = [("ann", 1, at(day, 6 * (day % 3))) for day in range(8)] + [("bob", 2, at(day, 7)) for day in range(8)]
    sold = pl.DataFrame([*orders, *ENDS], schema=ORDERS, orient="row")
    answers = []
    for number, parts in enumerate(([sold], [sold[::2], sold[1::2]])):
        members = {
            f"part{place}": fp.Source(f"orders{place}", fp.sources.Frame(part), event_time="at")
            for place, part in enumerate(parts)
        }
        read = fp.Union("orders", members) if len(parts) > 1 else members["part0"]
        words: dict[str, Any] = {"source": read, "name": "popularity", "cadence": fp.Cadence(delay="12h")}
        sales = fp.Entity("sales", join_keys=["product"])
        popularity = fp.feature_view(entity=sales, aggregations=[fp.Count(windows=["2d"])], **words)(lambda rows: rows)
        spent = fp.feature_view(entity=customer, source=read, enrich=[popularity["count_2d"]], name="spent")(
            lambda rows: rows
        )
        store = fp.OfflineStore(tmp_path / str(number))
        fp.materialize(spent, store, at(), at(8), partitions=GRID)
        asked = [(who, at(hours=6 * n + 1)) for who in ("ann", "bob", "eve") for n in range(31)]
        spine = pl.DataFrame(asked, schema={"customer": pl.String, "event_timestamp": UTC}, orient="row")
        answers.append(fp.historical_features(spent["count_2d"], spine, store, stale="refuse").collect())
    assert answers[0].equals(answers[1])
    assert answers[0]["count_2d"].n_unique() > 2

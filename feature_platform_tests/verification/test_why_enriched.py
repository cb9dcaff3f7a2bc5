"""Why over enriched views: the value is the join's, and the rows of the other table are those that the events see."""

import copy
import dataclasses
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.verification.tracing.traced import Reason, TracedValue
from feature_platform.verification.why import why
from feature_platform_tests.compute import naive
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, customer, spine

pytestmark = pytest.mark.usefixtures("unrecorded")

UTC = pl.Datetime("us", "UTC")
EVENT: dict[str, Any] = {"customer": pl.String, "at": UTC, "known": UTC, "product": pl.Int64, "amount": pl.Float64}
PRICE: dict[str, Any] = {"product": pl.Int32, "since": UTC, "loaded": UTC, "price": pl.Float64}
HALF_DAYS = st.integers(0, 9)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]), HALF_DAYS, st.integers(0, 3), st.sampled_from([1, 2, None]), st.just(1.0)
    ),
    min_size=3,
    max_size=10,
)
PRICES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3]), HALF_DAYS, st.integers(0, 8), st.sampled_from([None, 1.5, 2.0, float("nan")])
    ),
    min_size=1,
    max_size=6,
)
MOMENTS = st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.integers(0, 13))
ASKED = st.lists(MOMENTS, min_size=tries(6), max_size=tries(8))
GRID = fp.Partitions("daily", start=at())
product = fp.Entity("product", join_keys=["product"])
AGGREGATIONS = [fp.Sum("price", windows=["2d"]), fp.Last("price", windows=["lifetime"]), fp.Count(windows=["36h"])]


def frame(rows: list[tuple[Any, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    made = [(first, at(half / 2), at((half + late) / 2), *rest) for first, half, late, *rest in rows]
    return pl.DataFrame(made, schema=schema, orient="row")


def views(events: list[Any], prices: list[Any], *, clock: bool, keeps: bool, dated: bool) -> list[FeatureView]:
    known: dict[str, Any] = {"known_at": "known"} if clock else {}
    orders = fp.Source("orders", fp.sources.Frame(frame(events, EVENT)), event_time="at", **known)
    words: dict[str, Any] = {"event_time": "since", "known_at": "loaded" if clock else None, "partitioned": False}
    if not dated:
        words = {}
    products = fp.Source("products", fp.sources.Frame(frame(prices, PRICE)), entity=product, **words)

    def function(rows: pl.LazyFrame) -> pl.LazyFrame:
        return (
            rows
            if keeps
            else rows.select(
                "customer",
                "price",
                *(n for n in ("at", "known", "known_at", "known_until") if n in rows.collect_schema()),
            )
        )

    more: dict[str, Any] = {"entity": customer, "source": orders, "enrich": [products["price"]]}
    windows: dict[str, Any] = {"aggregations": AGGREGATIONS, **more}
    made = [
        fp.feature_view(name="daily", **windows)(function),
        fp.feature_view(name="exact", accuracy="exact", **windows)(function),
    ]
    return [*made, fp.feature_view(name="last", **more)(function)]


@pytest.mark.parametrize(("clock", "dated"), [(False, True), (True, True), (False, False)])
@settings(derandomize=True, deadline=None, max_examples=tries(8, fewest=1), database=None, phases=[Phase.generate])
@given(events=EVENTS, prices=PRICES, corrected=PRICES, keeps=st.booleans(), asked=ASKED)
def test_values_of_enriched_views_are_the_joins(
    tmp_path_factory: Any, clock, dated, events, prices, corrected, keeps, asked
) -> None:
    store, fixed = fp.OfflineStore(tmp_path_factory.mktemp("store")), copy.copy(prices)
    fixed[: len(corrected) // 2] = corrected[: len(corrected) // 2]
    made: list[FeatureView] = []
    for rows in (prices, fixed):
        made = views(events, rows, clock=clock, keeps=keeps, dated=dated)
        for view in made:
            fp.materialize(view, store, at(), at(6), partitions=GRID, gone="taken", changed="taken")
    moments = [(who, at(half / 2)) for who, half in asked]
    for view in made:
        told = fp.historical_features(view, spine(*moments), store, stale="ignore").collect()
        for feature in view.declared_features or ("price",):
            for place, (who, moment) in enumerate(moments):
                found = why(view, feature, {"customer": who}, moment, store)
                said = str(found)
                assert naive.plain(found.value) == naive.plain(told[feature].to_list()[place]), said
                assert (found.value is None) == (found.reason is not Reason.PRESENT), said
                assert found.agrees is not False, said
                assert_seen(found, fixed)
                if found.rows.width:
                    assert naive.plain(found.again) == naive.plain(by_definition(feature, found)), said
                if found.reason is Reason.NO_DIMENSION_ROW:
                    assert all(rows.is_empty() for rows in found.dimensions.values()), said


def by_definition(feature: str, found: TracedValue) -> Any:
    """What the rows that were named say by themselves, each event once."""
    rows = found.rows
    match feature:
        case "count_36h":
            return rows.height
        case "price_sum_2d":
            return naive.total(rows["price"].drop_nulls().to_list())
        case "price_last_lifetime":
            return naive.AGGREGATES["Last"](rows["price"].drop_nulls().to_list())
        case _:
            seen = found.dimensions["sources/products"]
            return seen["price"].to_list()[-1] if seen.height else None


def assert_seen(found: Any, prices: list[Any]) -> None:
    """The rows of the other table that are named are some of it, and each has the price of an event."""
    if not found.rows.width:
        return
    rows = found.dimensions.get("sources/products", pl.DataFrame())
    stored = {(number, naive.plain(price)) for number, _, _, price in prices}
    assert {(row["product"], naive.plain(row["price"])) for row in rows.iter_rows(named=True)} <= stored
    if "price" in found.rows.columns:
        seen = {naive.plain(price) for price in rows["price"].to_list()} if rows.width else set()
        assert {naive.plain(price) for price in found.rows["price"].drop_nulls().to_list()} <= seen


def test_the_rows_that_events_see_are_found_where_the_function_leaves_out_what_tells(tmp_path: Any) -> None:
    store = fp.OfflineStore(tmp_path)
    events = [("ann", 0, 0, 1, 1.0), ("bob", 0, 0, 2, 1.0)]
    made = views(events, [(2, 0, 0, 1.5)], clock=False, keeps=False, dated=True)[0]
    fp.materialize(made, store, at(), at(2), partitions=GRID)
    found = why(made, "price_last_lifetime", {"customer": "ann"}, at(2), store)
    assert (found.value, found.reason) == (None, Reason.NO_DIMENSION_ROW)
    bob = why(made, "price_last_lifetime", {"customer": "bob"}, at(2), store)
    assert (bob.value, bob.dimensions["sources/products"]["price"].to_list()) == (1.5, [1.5])


def test_a_function_that_leaves_out_what_tells_is_named(tmp_path: Any) -> None:
    store = fp.OfflineStore(tmp_path)
    events = [("ann", 0, 0, 1, 1.0), ("bob", 0, 0, 2, 1.0)]
    made = views(events, [(2, 0, 0, 1.5)], clock=False, keeps=True, dated=True)[0]
    other = pl.col("customer").replace({"ann": "bob", "bob": "ann"})
    turned = dataclasses.replace(made, transform=lambda rows: rows.select("at", "price", customer=other))
    fp.materialize(turned, store, at(), at(2), partitions=GRID)
    found = why(turned, "price_last_lifetime", {"customer": "bob"}, at(2), store)
    assert (found.value, found.reason) == (None, Reason.NULL_IN_ROW)
    assert (
        dict(found.steps)["dimension"] == "the view's function leaves out which rows of sources/products the events see"
    )


def test_a_table_that_only_decides_which_rows_stay_is_no_reason(tmp_path: Any) -> None:
    """The amount is null by itself; that there is no price decides only that the order stays."""
    store = fp.OfflineStore(tmp_path)
    events = [("ann", 0, 0, 1, None), ("bob", 0, 0, 2, 1.0)]
    for plain in views(events, [(2, 0, 0, 1.5)], clock=False, keeps=True, dated=True):
        if plain.declared_features is None:
            made = dataclasses.replace(plain, transform=lambda rows: rows.filter(pl.col("price").is_null()))
            fp.materialize(made, store, at(), at(2), partitions=GRID)
            asked = {feature: why(made, feature, {"customer": "ann"}, at(1), store) for feature in ("amount", "price")}
            assert asked["amount"].reason is Reason.NULL_IN_ROW
            assert asked["price"].reason is Reason.NO_DIMENSION_ROW


def test_a_function_that_refuses_columns_that_it_does_not_know_is_no_obstacle(tmp_path: Any) -> None:
    store = fp.OfflineStore(tmp_path)
    plain = views([("ann", 0, 0, 1, 1.0)], [(1, 0, 0, 1.5)], clock=False, keeps=True, dated=True)[0]

    def strict(rows: pl.LazyFrame) -> pl.LazyFrame:
        assert len(rows.collect_schema()) <= len(EVENT) + 2  # a run may add one to try the function
        return rows

    made = dataclasses.replace(plain, transform=strict)
    fp.materialize(made, store, at(), at(2), partitions=GRID)
    found = why(made, "price_last_lifetime", {"customer": "ann"}, at(2), store)
    assert (found.value, found.agrees) == (1.5, True)
    assert found.dimensions["sources/products"]["price"].to_list() == [1.5]


@pytest.mark.parametrize("clock", [False, True])
def test_a_row_of_the_other_table_that_came_late_is_seen_from_then_on(tmp_path: Any, clock: bool) -> None:
    store = fp.OfflineStore(tmp_path)
    made = views([("ann", 2, 0, 1, 1.0)], [(1, 0, 0, 1.5), (1, 1, 5, 2.0)], clock=clock, keeps=True, dated=True)
    for view in made:
        fp.materialize(view, store, at(), at(5), partitions=GRID)
    exact = next(view for view in made if view.name == "exact")
    early, late = (why(exact, "price_sum_2d", {"customer": "ann"}, at(days), store) for days in (2, 3))
    assert (early.value, late.value) == ((1.5, 2.0) if clock else (2.0, 2.0))
    assert (early.rows["price"].to_list(), late.rows["price"].to_list()) == ([early.value], [late.value])
    assert early.dimensions["sources/products"]["since"].to_list() == [at(0) if clock else at(0.5)]
    last = next(view for view in made if view.name == "last")
    early, late = (why(last, "price", {"customer": "ann"}, at(days), store) for days in (2, 3))
    assert (early.value, late.value, early.agrees) == ((1.5, 2.0, True) if clock else (2.0, 2.0, True))
    assert early.dimensions["sources/products"]["since"].to_list() == [at(0) if clock else at(0.5)]

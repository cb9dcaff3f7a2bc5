"""Versions of events against their definition: what is asked at a moment is seen as it was known then."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import window_rows
from feature_platform.compute.transforms.stretches import changed_stretches, reached_events
from feature_platform.compute.windows import window_features
from feature_platform.compute.windows.at_moment import AtMoment
from feature_platform.compute.windows.bucketed import bucketed_windows
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC, microsecond_of
from feature_platform_tests.compute.drawn import at, drawn, frame

customer = fp.Entity("customer", join_keys=["customer"])
product = fp.Entity("product", join_keys=["id"])
EVENTS: dict[str, Any] = {"customer": pl.String, "product": pl.Int64, "at": UTC, "known": UTC, "n": pl.Int64}
ROWS: dict[str, Any] = {"id": pl.Int32, "since": UTC, "loaded": UTC, "price": pl.Float64}
WINDOWS = (2, 9)

HOURS = st.sampled_from([*range(10)] * 3 + [None])
WHO, WHAT = st.sampled_from(["ann"] * 6 + ["bob", None]), st.sampled_from([1] * 6 + [2, 2, 3, None])
LAGS = st.sampled_from([0, 0, 2, 7, None])
LATE = st.sampled_from([0, 0, 1, 4, 9, None])
ORDERS = st.lists(st.tuples(WHO, WHAT, HOURS, LAGS), min_size=3, max_size=9)
PRICES = st.lists(st.tuples(WHAT, HOURS, LATE, st.sampled_from([10.0, 20.0, 30.0, 40.0, None])), min_size=2, max_size=7)


def source(name: str, schema: dict[str, Any], **words: Any) -> fp.Source:
    return fp.Source(name, fp.sources.Frame(pl.DataFrame(schema=schema)), **words)


prices = source("prices", ROWS, entity=product, event_time="since", known_at="loaded")
weights = source("weights", ROWS, entity=product, event_time="since", known_at="loaded")
recent = fp.feature_view(entity=product, source=prices, ttl="3h", name="recent")(lambda rows: rows)


def rich(*enrich: Any, known: bool) -> FeatureView:
    orders = source("orders", EVENTS, event_time="at", known_at="known" if known else None)
    windows = [f"{hours}h" for hours in WINDOWS]
    columns = [name for each in enrich for name in each.enrichment().columns]
    return fp.feature_view(
        entity=customer,
        source=orders,
        enrich=list(enrich),
        aggregations=[kind(column, windows=windows) for column in columns for kind in (fp.Sum, fp.Last, fp.Count)]
        + [fp.LastN(columns[0], 2, windows=windows), fp.Quantile(columns[-1], 0.5, windows=windows)],
        cadence=fp.Cadence(every="3h"),
        name="rich",
    )(lambda rows: rows)


def with_lags(rows: list[tuple[Any, ...]], place: int) -> list[tuple[Any, ...]]:
    """Rows with the hour of their time known instead of how much later that is."""
    return [
        (*row[:place], None if None in row[place - 1 : place + 1] else row[place - 1] + row[place], *row[place + 1 :])
        for row in rows
    ]


def price_of(rows: list[tuple[Any, ...]], what: int | None, e: int, t: float, ttl: int | None = None) -> float | None:
    """The definition: the price of the newest row of a product at an event, as known at a moment."""
    seen = [
        (since, loaded, n, price)
        for n, (key, since, loaded, price) in enumerate(rows)
        if key == what and None not in (key, since, loaded) and since <= e and loaded <= t
    ]
    best = max(seen, key=lambda row: row[:3], default=None)
    return None if best is None or (ttl is not None and e - best[0] > ttl) else best[3]


def values_in(orders, rows, who, t, hours, ttl=None, known=True):
    """The values in a window of a customer that ends at a moment."""
    inside = sorted(
        (e, n, price_of(rows, what, e, t, ttl))
        for n, (name, what, e, seen) in enumerate(orders)
        if name == who and e is not None and t - hours <= e < t and (not known or (seen is not None and seen <= t))
    )
    return [value for _, _, value in inside if value is not None]


def asked_at(moments: list[tuple[str | None, float]]) -> pl.DataFrame:
    rows = [(who, at(hour)) for who, hour in moments]
    return pl.DataFrame(rows, schema={"customer": pl.String, "t": UTC}, orient="row")


def windows_of(view: FeatureView, events: pl.LazyFrame, spine: pl.DataFrame) -> pl.DataFrame:
    return window_features(
        spine,
        events,
        on=["customer"],
        spine_time="t",
        event_time="at",
        known_at=view.event_known_at,
        known_until=view.event_known_until,
        aggregations=view.aggregations,
    ).collect()


def enrich(view: FeatureView, orders, *tables, known):
    events = frame([(*order, n) for n, order in enumerate(orders)], **EVENTS)
    events = events if known else events.drop("known")
    frames = {each.asset: frame(rows, **ROWS).lazy() for each, rows in zip(view.enrichments, tables, strict=True)}
    return enrich_events(view, events.lazy(), frames)


SPINE = [(who, hour + beside) for who in ("ann", "bob", "eve", None) for hour in range(17) for beside in (0.0, 0.25)]


def test_windows_see_each_event_as_it_was_known_at_their_moment() -> None:
    several: list[int] = []

    @drawn(200)
    @given(ORDERS, PRICES, PRICES, st.booleans(), st.booleans())
    def law(orders, first, second, known, turned):
        orders, first, second = with_lags(orders, 3), with_lags(first, 2), with_lags(second, 2)
        taken = [
            recent.alias("a", keys={"id": "product"})["price"],
            weights["price"].alias("b", keys={"id": "product"}),
        ]
        tables = [first, second]
        view = rich(*(reversed(taken) if turned else taken), known=known)
        events = enrich(view, orders, *(reversed(tables) if turned else tables), known=known)
        found = windows_of(view, events, asked_at(SPINE))
        counted = Counter(events.collect()["n"].to_list())
        several.append(sum(count > 1 for count in counted.values()))
        for (who, t), row in zip(SPINE, found.iter_rows(named=True), strict=True):
            for column, rows, ttl in (("a__price", first, 3), ("b__price", second, None)):
                for hours in WINDOWS:
                    values = [] if who is None else values_in(orders, rows, who, t, hours, ttl, known)
                    some = (sum(values), values[-1] if values else None, len(values))
                    wanted = (None, None, None) if who is None else some
                    got = tuple(row[f"{column}_{kind}_{hours}h"] for kind in ("sum", "last", "count"))
                    assert got == wanted, (who, t, column, hours)

    law()
    assert sum(count > 0 for count in several) > len(several) / 4  # a law that meets no late row proves nothing


@drawn(60)
@given(ORDERS, PRICES, st.booleans())
def test_each_way_of_computing_windows_sees_the_same_versions(tmp_path_factory, orders, rows, known):
    orders, rows = with_lags(orders, 3), with_lags(rows, 2)
    view = rich(prices["price"].alias("a", keys={"id": "product"}), known=known)
    events = enrich(view, orders, rows, known=known).collect()
    spine = asked_at([(who, t) for who, t in SPINE if who is not None])
    wanted = windows_of(view, events.lazy(), spine)
    words: dict[str, Any] = {
        "event_time": "at",
        "known_at": view.event_known_at,
        "known_until": view.event_known_until,
        "aggregations": view.aggregations,
    }
    folder = tmp_path_factory.mktemp("buckets")
    bucketed = bucketed_windows(
        spine.lazy(), events.lazy(), on=["customer"], spine_time="t", folder=folder, buckets=3, **words
    )
    assert bucketed.collect().equals(wanted)
    published = window_rows(view, events.lazy(), at(0), at(15)).collect()
    for row in published.filter(pl.col("customer").is_not_null()).iter_rows(named=True):
        same = windows_of(view, events.lazy(), pl.DataFrame({"customer": [row["customer"]], "t": [row["as_of"]]}))
        assert {name: row[name] for name in view.windows.features} == {
            name: same[name].to_list()[0] for name in view.windows.features
        }
    moment = AtMoment.of(dict(events.schema), on="who", owner="a test", **words)
    whole = events.filter(pl.col("customer").is_in(["ann", "bob"]))
    owners = np.array([["ann", "bob"].index(who) for who in whole["customer"]], dtype=np.int64)
    for hour in range(17):
        served = moment.values(owners, whole, 2, microsecond_of(at(hour)))
        stored = wanted.filter(pl.col("t") == at(hour), pl.col("customer") != "eve").drop("customer", "t")
        assert served.equals(stored)


def test_a_late_row_counts_from_when_it_is_known_and_changes_nothing_before():
    view = rich(prices["price"].alias("a", keys={"id": "product"}), known=False)
    events = enrich(view, [("ann", 1, 2, None)], [(1, 0, 0, 10.0), (1, 1, 5, 20.0)], known=False)
    assert events.select("known_at", "known_until", "a__price").collect().rows() == [
        (at(2), at(5), 10.0),
        (at(5), None, 20.0),
    ]
    found = windows_of(view, events, asked_at([("ann", 3), ("ann", 5), ("ann", 6)]))
    assert found["a__price_sum_9h"].to_list() == [10.0, 20.0, 20.0]
    assert found["a__price_count_9h"].to_list() == [1, 1, 1]


def test_a_function_that_drops_the_clocks_of_versions_is_refused_by_name():
    view = rich(prices["price"].alias("a", keys={"id": "product"}), known=False)
    events = enrich(view, [("ann", 1, 2, None)], [(1, 0, 0, 10.0)], known=False)
    narrow = replace(view, transform=lambda rows: rows.select("customer", "at", "a__price"))
    with pytest.raises(fp.errors.MissingColumns, match="known_at"):
        window_rows(narrow, events, at(0), at(15)).collect()


@pytest.mark.parametrize("column", ["known_at", "known_until"])
def test_a_table_with_a_column_of_that_name_gives_it_another(column):
    clocked = source("clocked", {**ROWS, column: pl.Float64}, entity=product, event_time="since", known_at="loaded")
    with pytest.raises(fp.errors.InvalidDeclaration, match=f"gets `{column}` from both the versions of its events and"):
        enriched_by_one(clocked[column])
    view = enriched_by_one(clocked[column].alias("own", keys={"id": "product"}))
    assert view.enrichments[0].columns == {f"own__{column}": column}


def enriched_by_one(selected: Any) -> FeatureView:
    orders = source("orders", EVENTS, event_time="at")
    words: dict[str, Any] = {"aggregations": [fp.Count(windows=["1d"])], "enrich": [selected], "name": "rich"}
    return fp.feature_view(entity=customer, source=orders, **words)(lambda rows: rows)


@pytest.mark.parametrize("column", ["known_at", "known_until"])
def test_a_source_with_a_column_of_that_name_is_refused(column):
    view = rich(prices["price"].alias("a", keys={"id": "product"}), known=False)
    events = pl.LazyFrame(schema={**EVENTS, column: UTC})
    with pytest.raises(fp.errors.InvalidDeclaration, match=f"gets `{column}` from both its source and the versions"):
        enrich_events(view, events, {"sources/prices": pl.LazyFrame(schema=ROWS)})


@drawn(200)
@given(ORDERS, PRICES, PRICES, st.integers(0, 7))
def test_events_of_which_a_version_differs_lie_in_the_changed_stretches(orders, rows, more, gone):
    view = rich(prices["price"].alias("a", keys={"id": "product"}), known=False)
    by, old = view.enrichments[0], with_lags(rows, 2)
    new = old[:gone] + old[gone + 1 :] + with_lags(more[:1], 2)
    before, after = (enrich(view, orders, table, known=False).collect() for table in (old, new))
    differing = {
        n for n in range(len(orders)) if not before.filter(pl.col("n") == n).equals(after.filter(pl.col("n") == n))
    }
    first, second = (frame(table, **ROWS).select(by.reads) for table in (old, new))
    stretches = changed_stretches(first, second, by)
    events = frame([(*order, n) for n, order in enumerate(orders)], **EVENTS).lazy()
    assert differing <= set(reached_events(events, stretches, by, "at", "A test").collect()["n"])


def test_a_correction_of_a_row_reaches_events_after_it_although_a_row_of_that_time_stays():
    by = rich(prices["price"].alias("a", keys={"id": "product"}), known=False).enrichments[0]
    old, new = [(1, 1, 1, 10.0)], [(1, 1, 1, 10.0), (1, 1, 5, 20.0)]
    first, second = (frame(table, **ROWS).select(by.reads) for table in (old, new))
    events = frame([("ann", 1, 3, 3, 0)], **EVENTS).lazy()
    assert reached_events(events, changed_stretches(first, second, by), by, "at", "A test").collect()[
        "n"
    ].to_list() == [0]

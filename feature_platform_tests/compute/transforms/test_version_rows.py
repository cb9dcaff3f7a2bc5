"""Rows of a row view whose events have versions, against the definition: the newest event, as it was known."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.compute.joins.point_in_time import point_in_time_join
from feature_platform.compute.transforms.enriched import enrich_events
from feature_platform.compute.transforms.rows import feature_names, feature_rows
from feature_platform.compute.transforms.steady_functions import require_steady_function
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.clock import UTC
from feature_platform_tests.compute.drawn import at, drawn, frame

customer = fp.Entity("customer", join_keys=["customer"])
product = fp.Entity("product", join_keys=["id"])
brand = fp.Entity("brand", join_keys=["brand"])
EVENTS: dict[str, Any] = {"customer": pl.String, "product": pl.Int64, "at": UTC, "known": UTC, "n": pl.Int64}
ROWS: dict[str, Any] = {"id": pl.Int32, "since": UTC, "loaded": UTC, "price": pl.Float64}
Rows = list[tuple[Any, ...]]

HOURS = st.sampled_from([1, 2, 3, 3, 3, 3, 4, None])  # few, so that events of one customer and time are common
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["ann"] * 5 + ["bob", None]),
        st.sampled_from([1, 1, 2, None]),
        HOURS,
        st.sampled_from([0, 0, 1, 4, None]),
    ),
    min_size=3,
    max_size=8,
)
PRICES = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2]),
        st.integers(0, 5),
        st.sampled_from([0, 1, 3, 6]),
        st.sampled_from([10.0, 20.0, None]),
    ),
    min_size=2,
    max_size=6,
)
MOMENTS = [(who, hour) for who in ("ann", "bob", "eve", None) for hour in range(13)]


def source(name: str, schema: dict[str, Any], **words: Any) -> fp.Source:
    return fp.Source(name, fp.sources.Frame(pl.DataFrame(schema=schema)), **words)


prices = source("prices", ROWS, entity=product, event_time="since", known_at="loaded")
countries = source("countries", {"brand": pl.Float64, "country": pl.String}, entity=brand)


def priced(*, known: bool = False, **words: Any) -> FeatureView:
    orders = source("orders", EVENTS, event_time="at", known_at="known" if known else None)
    words = {"enrich": [prices["price"].alias("of", keys={"id": "product"})], **words}
    return fp.feature_view(entity=customer, source=orders, name="priced", **words)(words_of)


def words_of(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.filter(pl.col("n") % 4 != 2).with_columns(twice=pl.col("of__price") * 2)


def price_of(rows: Rows, what: int | None, e: int, t: int) -> float | None:
    seen = [
        (since, loaded, n, price)
        for n, (key, since, loaded, price) in enumerate(rows)
        if key == what and since <= e and loaded <= t
    ]
    return max(seen, key=lambda row: row[:3])[3] if seen else None


def value_of(orders: Rows, rows: Rows, who: str | None, t: int, *, known: bool) -> tuple[int | None, float | None]:
    """The definition: of the events that are known the newest, then the last known, then the last; and its price."""
    mine = [
        (e, max(e, since) if known else e, n, what)
        for n, (name, what, e, since) in enumerate(orders)
        if name == who and who is not None and e is not None and (not known or since is not None) and n % 4 != 2
    ]
    seen = [row for row in mine if row[0] <= t and row[1] <= t]
    if not seen:
        return None, None
    e, _, n, what = max(seen, key=lambda row: row[:3])
    price = price_of(rows, what, e, t)
    return n, None if price is None else price * 2


@drawn(200)
@given(ORDERS, PRICES, st.booleans())
def test_at_each_moment_the_newest_event_is_seen_as_it_was_known(drawn_orders, drawn_prices, known):
    orders = [(who, what, e, None if None in (e, lag) else e + lag) for who, what, e, lag in drawn_orders]
    rows = [(key, since, since + late, price) for key, since, late, price in drawn_prices]
    events = frame([(*order, n) for n, order in enumerate(orders)], **EVENTS)
    view, tables = priced(known=known), {"sources/prices": frame(rows, **ROWS).lazy()}
    made = feature_rows(view, enrich_events(view, events.lazy(), tables)).collect()
    assert not made.select("customer", "at", str(view.known_at)).is_duplicated().any()
    assert set(feature_names(view, made.schema)) == {"product", "n", "of__price", "twice"} | (
        set() if known else {"known"}
    )
    spine = frame(MOMENTS, customer=pl.String, t=UTC)
    words: dict[str, Any] = {"on": ["customer"], "spine_time": "t", "event_time": "at", "known_at": view.known_at}
    found = point_in_time_join(spine, made, **words).collect().select("n", "twice").rows()
    assert found == [value_of(orders, rows, who, t, known=known) for who, t in MOMENTS]


def test_an_older_event_of_the_same_time_does_not_come_back_with_a_late_row():
    orders, rows = [("ann", 1, 2, None), ("ann", 2, 2, None)], [(1, 0, 0, 10.0), (1, 1, 5, 30.0), (2, 0, 0, 20.0)]
    events = frame([(*order, n) for n, order in enumerate(orders)], **EVENTS).lazy()
    made = feature_rows(priced(), enrich_events(priced(), events, {"sources/prices": frame(rows, **ROWS).lazy()}))
    assert made.select("n", "of__price").collect().rows() == [(1, 20.0)]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_events_of_one_time_the_one_that_was_known_last_ends_the_other(turned):
    """The first is known at 2, the second at 5, when a late row makes a version of the first; then at 7 of both."""
    orders = [("ann", 1, 2, 2), ("ann", 2, 2, 5)]
    late = [(1, 0, 0, 10.0), (1, 1, 5, 30.0), (1, 2, 7, 50.0), (2, 0, 0, 20.0), (2, 1, 7, 40.0)]
    numbered = [(*order, n) for n, order in enumerate(orders)]
    events = frame(list(reversed(numbered)) if turned else numbered, **EVENTS).lazy()
    view = priced(known=True)
    made = feature_rows(view, enrich_events(view, events, {"sources/prices": frame(late, **ROWS).lazy()})).collect()
    rows = sorted(made.select("known", "n", "of__price").rows())
    assert rows == [(at(2), 0, 10.0), (at(5), 1, 20.0), (at(7), 1, 40.0)]


CHAIN = [
    prices["price"].alias("of", keys={"id": "product"}),
    countries["country"].alias("made_in", keys={"brand": "of__price"}),
]


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        (lambda rows: rows.filter(pl.col("of__price") > 10), "`of__price`"),
        (lambda rows: rows.with_columns(customer=pl.col("of__price").cast(pl.String)), "`of__price`"),
        (lambda rows: rows.filter(pl.col("made_in__country") == "FR"), "`made_in__country`"),
        (lambda rows: rows.filter(pl.col("known_until").is_null()), "`known_until`"),
        (lambda rows: rows.filter(pl.col("known_at") > pl.col("at")), "`known_at`"),
        (lambda rows: rows.drop_nulls("of__price"), "`of__price`"),
    ],
)
def test_a_function_that_decides_by_what_is_known_late_is_refused(function, columns):
    view = replace(priced(enrich=CHAIN), transform=function)
    tables = {
        "sources/prices": pl.LazyFrame(schema=ROWS),
        "sources/countries": pl.LazyFrame(schema={"brand": pl.Float64, "country": pl.String}),
    }
    schema = enrich_events(view, pl.LazyFrame(schema=EVENTS), tables).collect_schema()
    with pytest.raises(fp.errors.InvalidDeclaration, match=f"has a function that decides by {columns}, which may"):
        require_steady_function(view, schema)
    require_steady_function(replace(view, transform=words_of), schema)


@pytest.mark.parametrize(
    "function",
    [
        lambda rows: rows.filter(pl.col("of__price") < 20),
        lambda rows: rows.with_columns(known_at=pl.col("known_at").dt.offset_by("1h")),
        lambda rows: rows.with_columns(customer=pl.col("of__price").cast(pl.String)),
    ],
)
def test_a_version_without_its_next_one_is_never_published(function):
    events = frame([("ann", 1, 2, None, 0)], **EVENTS).lazy()
    tables = {"sources/prices": frame([(1, 0, 0, 10.0), (1, 1, 5, 30.0)], **ROWS).lazy()}
    view = replace(priced(), transform=function)
    with pytest.raises(fp.errors.InvalidDeclaration, match="leaves 1 version"):
        feature_rows(view, enrich_events(view, events, tables)).collect()


def test_no_view_reads_rows_of_which_several_are_one_event():
    with pytest.raises(fp.errors.InvalidDeclaration) as raised:
        fp.feature_view(entity=customer, source=priced(), name="above")(lambda rows: rows)
    assert str(raised.value) == (
        "Feature view `above` reads the rows of `priced`, of which several may be versions of one event. "
        "Read its source, and enrich that as `priced` does."
    )

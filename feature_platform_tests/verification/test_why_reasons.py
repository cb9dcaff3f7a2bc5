"""Each kind of null has its own reason, and what the answer names can be looked up."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.declarations.view import FeatureView
from feature_platform.ground.errors import InvalidDeclaration, MissingColumns, TableNotFound, UnknownName, WrongArgument
from feature_platform.verification.tracing.traced import Reason
from feature_platform.verification.why import why
from feature_platform_tests.shop import at, customer

UTC = pl.Datetime("us", "UTC")
ROWS = [
    ("ann", at(0, 9), at(0, 9), 10.0, 1),
    ("ann", at(1, 9), at(2, 3), 20.0, 1),
    ("ann", at(2, 9), at(2, 9), None, 1),
    ("bob", at(1, 12), at(1, 12), 5.0, 2),
    ("eve", at(3, 1), at(3, 1), 1.0, 1),
    ("zoe", at(4, 1), at(4, 1), 1.0, 1),
]
SCHEMA: dict[str, Any] = {"customer": pl.String, "at": UTC, "known": UTC, "amount": pl.Float64, "product": pl.Int64}
GRID = fp.Partitions("daily", start=at())
PRICES = pl.DataFrame({"product": [1, 1], "since": [at(0), at(2)], "price": [3.0, None]})
PRICES = PRICES.with_columns(pl.col("since").cast(UTC))


def declared() -> dict[str, FeatureView]:
    frame = pl.DataFrame(ROWS, schema=SCHEMA, orient="row")
    orders = fp.Source("orders", fp.sources.Frame(frame), event_time="at", known_at="known")
    product = fp.Entity("product", join_keys=["product"])
    products = fp.Source("products", fp.sources.Frame(PRICES), entity=product, event_time="since")
    words: dict[str, Any] = {"entity": customer, "source": orders}
    sums = [fp.Sum("amount", windows=["2d"]), fp.Mean("amount", windows=["1d"])]
    prices = [fp.Mean("price", windows=["2d"]), fp.Max("amount", windows=["1d"])]

    def small(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("amount").is_null() | (pl.col("amount") < 100))

    views = [
        fp.feature_view(name="last", ttl="2d", **words)(small),
        fp.feature_view(name="daily", aggregations=sums, cadence=fp.Cadence(delay="2h"), ttl="2d", **words)(small),
        fp.feature_view(name="exact", aggregations=sums, accuracy="exact", **words)(small),
        fp.feature_view(name="priced", enrich=[products["price"]], **words)(small),
        fp.feature_view(name="prices", enrich=[products["price"]], aggregations=prices, **words)(small),
    ]
    return {view.name: view for view in views}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> fp.OfflineStore:
    """The views with the partitions of days 0 to 3; their source has day 4, too."""
    store, views = fp.OfflineStore(tmp_path_factory.mktemp("store")), declared()
    for view in views.values():
        fp.materialize(view, store, at(), at(4), partitions=GRID)
    fp.materialize(views["last"].source, store, at(), at(5), partitions=GRID)
    return store


ANSWERS: list[tuple[str, str, Any, datetime, Reason, Any]] = [
    ("last", "amount", "ann", at(1), Reason.PRESENT, 10.0),
    ("last", "amount", None, at(1), Reason.NULL_KEY, None),
    ("last", "amount", "nobody", at(3), Reason.NO_ROW, None),
    ("last", "amount", "eve", at(1), Reason.NOT_YET, None),
    ("last", "amount", "bob", at(6), Reason.EXPIRED, None),
    ("last", "amount", "ann", at(2, 12), Reason.NULL_IN_ROW, None),
    ("last", "amount", "zoe", at(4, 12), Reason.NOT_PUBLISHED, None),
    ("last", "amount", "zoe", at(4), Reason.NO_ROW, None),
    ("daily", "amount_sum_2d", None, at(3), Reason.NULL_KEY, None),
    ("daily", "amount_sum_2d", "ann", at(-1), Reason.NOT_YET, None),
    ("daily", "amount_sum_2d", "ann", at(1, 1), Reason.NOT_KNOWN_YET, None),
    ("daily", "amount_sum_2d", "ann", at(1, 2), Reason.PRESENT, 10.0),
    ("daily", "amount_sum_2d", "ann", at(2, 2), Reason.PRESENT, 10.0),
    ("daily", "amount_sum_2d", "ann", at(3, 2), Reason.PRESENT, 20.0),
    ("daily", "amount_sum_2d", "nobody", at(3, 2), Reason.PRESENT, 0.0),
    ("daily", "amount_mean_1d", "bob", at(4, 2), Reason.EMPTY_WINDOW, None),
    ("daily", "amount_mean_1d", "ann", at(3, 2), Reason.NULL_IN_ROW, None),
    ("daily", "amount_sum_2d", "ann", at(6), Reason.PRESENT, 0.0),
    ("daily", "amount_sum_2d", "ann", at(6, 1), Reason.EXPIRED, None),
    ("exact", "amount_mean_1d", "nobody", at(4), Reason.EMPTY_WINDOW, None),
    ("exact", "amount_mean_1d", "ann", at(2, 10), Reason.NULL_IN_ROW, None),
    ("exact", "amount_sum_2d", "nobody", at(4), Reason.PRESENT, 0.0),
    ("exact", "amount_sum_2d", None, at(4), Reason.NULL_KEY, None),
    ("priced", "price", "ann", at(1), Reason.PRESENT, 3.0),
    ("priced", "price", "ann", at(2, 12), Reason.NULL_IN_ROW, None),
    ("priced", "price", "bob", at(2), Reason.NO_DIMENSION_ROW, None),
    ("prices", "price_mean_2d", "bob", at(2), Reason.NO_DIMENSION_ROW, None),
    ("prices", "price_mean_2d", "eve", at(4), Reason.NULL_IN_ROW, None),
    ("prices", "amount_max_1d", "ann", at(3), Reason.NULL_IN_ROW, None),
]


@pytest.mark.parametrize(("name", "feature", "who", "moment", "reason", "value"), ANSWERS)
def test_each_null_has_its_reason(store, name, feature, who, moment, reason, value) -> None:
    found = why(declared()[name], feature, {"customer": who}, moment, store)
    assert (found.reason, found.value) == (reason, value), str(found)
    assert found.agrees is not False, str(found)


def test_every_reason_has_a_case() -> None:
    assert {case[4] for case in ANSWERS} == set(Reason) - {Reason.FILLED}  # which is of services


def test_a_partition_that_was_never_made_is_the_reason_where_the_source_has_it(tmp_path: Path) -> None:
    store, view = fp.OfflineStore(tmp_path), declared()["daily"]
    fp.materialize(view.source, store, at(), at(5), partitions=GRID)
    fp.materialize(view, store, at(3), at(4), partitions=GRID)
    found = why(view, "amount_sum_2d", {"customer": "ann"}, at(2, 3), store)
    assert (found.reason, found.steps[-1]) == (
        Reason.NOT_PUBLISHED,
        ("partition", "2024-01-02 of views/daily was never materialized"),
    )


def test_it_names_the_commit_the_window_and_what_was_known_too_late(store: fp.OfflineStore) -> None:
    found = why(declared()["daily"], "amount_sum_2d", {"customer": "ann"}, at(2, 2), store)
    steps = dict(found.steps)
    assert found.title == "daily.amount_sum_2d of customer=ann at 2024-01-03T02:00Z is 10.0 (present)"
    assert steps["instant"] == "2024-01-03T00:00Z, out since 2024-01-03T02:00Z"
    assert steps["window"] == "[2024-01-01T00:00Z, 2024-01-03T00:00Z) of Sum('amount', windows=['2d'])"
    assert steps["events"] == "1 of sources/orders@0; known only later: 1"
    assert steps["made from"] == "sources/orders@0"
    run = store.history("views/daily").row(0, named=True)["run_id"]
    assert steps["commit"].startswith("views/daily@0 of 20")
    assert f"run {run[:8]}, code " in steps["commit"]
    assert steps["again"] == "made again from its source: 10.0, the same"
    assert found.rows["amount"].to_list() == [10.0]


def test_it_names_the_row_of_the_other_table_that_the_event_sees(store: fp.OfflineStore) -> None:
    row = why(declared()["priced"], "price", {"customer": "ann"}, at(1), store)
    window = why(declared()["prices"], "price_mean_2d", {"customer": "ann"}, at(2), store)
    for found in (row, window):
        assert found.dimensions["sources/products"].rows() == [(1, at(0), 3.0)], str(found)
    assert dict(row.steps)["dimension"] == "sources/products@0: product=1 since=2024-01-01T00:00Z price=3.0"
    missing = why(declared()["prices"], "price_mean_2d", {"customer": "bob"}, at(2), store)
    assert missing.steps[-2:-1] == (("dimension", "sources/products had no row for any of them"),)


def test_what_cannot_be_asked_is_said(store: fp.OfflineStore, tmp_path: Path) -> None:
    views, key = declared(), {"customer": "ann"}
    with pytest.raises(UnknownName, match="no feature `amounts`"):
        why(views["last"], "amounts", key, at(1), store)
    with pytest.raises(UnknownName, match="Feature view `daily` has no feature `amount`"):
        why(views["daily"], "amount", key, at(1), store)
    with pytest.raises(MissingColumns, match="The key of feature view `last`"):
        why(views["last"], "amount", {}, at(1), store)
    with pytest.raises(InvalidDeclaration, match="a time without a zone"):
        why(views["last"], "amount", key, at(1).replace(tzinfo=None), store)
    with pytest.raises(TableNotFound):
        why(views["last"], "amount", key, at(1), fp.OfflineStore(tmp_path))
    with pytest.raises(WrongArgument, match=r"fp\.why"):
        why("last", "amount", key, at(1), store)  # type: ignore[arg-type]

"""Which columns of a source each feature is made from."""

from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.compute.transforms.lineage import column_lineage, columns_read, lineage_by_table
from feature_platform_tests import shop

COLUMNS: dict[str, Any] = {
    "k": pl.String, "at": pl.Datetime("us", "UTC"), "x": pl.Int64, "y": pl.Int64, "ok": pl.Boolean
}  # fmt: skip
SCHEMA = pl.Schema(COLUMNS)
orders = fp.Source("orders", fp.sources.Frame(pl.DataFrame()), event_time="at")
customer = fp.Entity("customer", ["k"])


@pytest.mark.parametrize(
    ("transform", "behind"),
    [
        (lambda rows: rows.select("k", "x"), {"k": ["k"], "x": ["x"]}),
        (lambda rows: rows.select("k", total=pl.col("x") + pl.col("y")), {"k": ["k"], "total": ["x", "y"]}),
        (lambda rows: rows.rename({"x": "amount"}).select("amount"), {"amount": ["x"]}),
        (lambda rows: rows.filter("ok").select("k", "x"), {"k": ["k", "ok"], "x": ["ok", "x"]}),
        (lambda rows: rows.with_columns(z=pl.col("x").sum().over("k")).select("z"), {"z": ["k", "x"]}),
        (lambda rows: rows.select(x="y"), {"x": ["y"]}),
        (lambda rows: rows.sort("at").select("x"), {"x": ["at", "x"]}),
        (lambda rows: rows.with_columns(x=pl.when("ok").then("x").otherwise("y")).select("x"), {"x": ["ok", "x", "y"]}),
        (lambda rows: rows.with_row_index("n").select("n", "x"), {"n": [], "x": ["x"]}),
        (lambda rows: rows.select("k", "x").collect(), {"k": ["k", "x"], "x": ["k", "x"]}),
    ],
    ids=["select", "sum", "rename", "filter", "over", "swap", "sort", "when", "row number", "eager"],
)
def test_a_column_is_made_from_the_columns_it_needs(transform, behind):
    found = columns_read(transform, SCHEMA)
    assert {name: sorted(columns) for name, columns in found.items()} == behind


def test_a_row_view_and_a_label_give_every_column():
    def transform(rows):
        return rows.select("k", "at", late=pl.col("x") > 15)

    wanted = {"k": ("k",), "at": ("at",), "late": ("x",)}
    assert column_lineage(fp.feature_view(entity=customer, source=orders, name="v")(transform), SCHEMA) == wanted
    assert column_lineage(fp.label(entity=customer, source=orders, name="l")(transform), SCHEMA) == wanted


def test_a_windowed_feature_is_made_from_what_it_aggregates_and_the_filters():
    @fp.feature_view(
        entity=customer,
        source=orders,
        aggregations=[
            fp.Mean("total", windows=["1d", "7d"]),
            fp.Rate(pl.col("x") > pl.col("y"), name="more", windows=["1d"]),
            fp.Count(windows=["1d"]),
        ],
    )
    def spending(rows):
        return rows.filter("ok").with_columns(total=pl.col("x") * 2)

    found = {name: sorted(columns) for name, columns in column_lineage(spending, SCHEMA).items()}
    assert found == {
        "k": ["k", "ok"],
        "total_mean_1d": ["ok", "x"],
        "total_mean_7d": ["ok", "x"],
        "more_rate_1d": ["ok", "x", "y"],
        "count_1d": ["ok"],
    }


def test_a_global_view_has_no_keys():
    view = fp.feature_view(
        entity=None, source=orders, name="v", aggregations=[fp.Sum("x", windows=["1d"]), fp.Count(windows=["1d"])]
    )(lambda rows: rows)
    assert column_lineage(view, SCHEMA) == {"x_sum_1d": ("x",), "count_1d": ()}


def test_a_function_is_given_the_columns_that_a_run_gives_it() -> None:
    """A windowed view is read with the time when it was known, which is that of its instant; arrays are no lists."""
    sums = [fp.Sum("amount", windows=["2d"])]
    totals = fp.feature_view(entity=shop.customer, source=shop.source(shop.daily()), aggregations=sums, name="totals")(
        lambda rows: rows
    )

    def late(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("customer", "as_of", "known_at", is_late=pl.col("known_at") > pl.col("as_of"))

    over = fp.feature_view(entity=shop.customer, source=totals, name="over")(late)
    stored: Any = {"customer": pl.String, "as_of": COLUMNS["at"], "amount_sum_2d": pl.Float64}
    behind = lineage_by_table(over, {totals.asset: pl.Schema(stored)})
    assert behind["is_late"] == ((totals.asset, "as_of"),)
    types: Any = {"pair": pl.Array(pl.Float64, 2)}
    pairs = fp.feature_view(entity=shop.customer, source=shop.source(shop.daily()), types=types, name="pairs")(
        lambda rows: rows
    )
    norm = fp.feature_view(entity=shop.customer, source=pairs, name="norm")(
        lambda rows: rows.select("customer", "at", norm=pl.col("pair").arr.sum())
    )
    lists: Any = {"customer": pl.String, "at": COLUMNS["at"], "pair": pl.List(pl.Float64)}
    assert lineage_by_table(norm, {pairs.asset: pl.Schema(lists)})["norm"] == ((pairs.asset, "pair"),)

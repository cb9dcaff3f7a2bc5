"""Segments: a change that sits in one value of another column names it; one that all rows share names none."""

import numpy as np
import polars as pl
import pytest

from feature_platform.compute.drift.segments import MOST_VALUES, segment_in_words

RNG = np.random.default_rng(5)
STORE = pl.col("store")
X = pl.col("x")


def sales(rows: int = 1000, stores: int = 10) -> pl.DataFrame:
    """Prices of stores at another level each, in two regions; nothing is wrong with them."""
    store = np.arange(rows) % stores
    return pl.DataFrame(
        {
            "x": RNG.normal(20, 4, rows) + store,
            "store": store,
            "region": np.where(store < 5, "north", "south"),
            "open": RNG.random(rows) < 0.9,
            "number": np.arange(rows),
        }
    )


BEFORE, NOW = sales(), sales()
BY = ("region", "store", "open", "number")


def in_store(changed: pl.Expr) -> pl.DataFrame:
    return NOW.with_columns(pl.when(STORE == 7).then(changed).otherwise("x").alias("x"))


def mean(frame: pl.DataFrame, *rows: pl.Expr) -> str:
    return f"{frame.filter(*rows).select(pl.col('x').mean()).item():.4g}"


def test_a_hundredfold_in_one_of_ten_stores_names_the_store():
    now = in_store(X * 100)
    inside = f"a mean of {mean(BEFORE, STORE == 7)} before, {float(mean(now, STORE == 7)):,.0f} now"
    outside = f"elsewhere {mean(BEFORE, STORE != 7)} and {mean(now, STORE != 7)}"
    assert segment_in_words(BEFORE, now, "x", BY) == f"most of all where `store` is 7: {inside}; {outside}"


@pytest.mark.parametrize(
    ("now", "place"),
    [
        (in_store(X + 12), "`store` is 7:"),
        (NOW.with_columns(x=pl.when(pl.col("region") == "north").then(X * 3).otherwise("x")), "`region` is north:"),
        (NOW.with_columns(x=pl.when(pl.col("open")).then("x").otherwise(X * -30)), "`open` is false:"),
    ],
)
def test_a_change_names_the_narrowest_segment_that_explains_it(now, place):
    said = segment_in_words(BEFORE, now, "x", BY)
    assert said is not None
    assert f"where {place}" in said


@pytest.mark.parametrize(
    "changed",
    [X, X + 6, X * 1000, X * 2.2, pl.lit(20.0), X * -1, pl.lit(None, pl.Float64), pl.lit(float("nan"))],
)
def test_an_even_change_names_no_segment(changed):
    assert segment_in_words(BEFORE, NOW.with_columns(x=changed), "x", BY) is None


def test_the_same_factor_everywhere_names_no_segment_though_one_store_has_nearly_all_of_the_sum():
    uneven = pl.when(STORE == 7).then(X * 1000).otherwise("x").alias("x")
    before, now = BEFORE.with_columns(uneven), NOW.with_columns(uneven).with_columns(X * 1000)
    assert segment_in_words(before, now, "x", BY) is None


def test_one_wild_value_is_no_segment():
    now = NOW.with_columns(x=pl.when(pl.col("number") == 7).then(1e6).otherwise("x"))
    assert segment_in_words(BEFORE, now, "x", BY) is None


def test_a_new_segment_is_held_against_all_rows_before():
    now = NOW.with_columns(store=pl.when(STORE == 7).then(99).otherwise("store"))
    now = now.with_columns(x=pl.when(STORE == 99).then(X * 10).otherwise("x"))
    said = segment_in_words(BEFORE, now, "x", ["store"])
    new = f"most of all where `store` is 99, which is new: a mean of {mean(now, STORE == 99)} now; elsewhere "
    assert said is not None
    assert said.startswith(new)


def test_rows_without_a_value_are_a_segment_and_those_without_a_number_count_nowhere():
    lost = pl.when(STORE != 7).then("store").alias("store")
    holes = pl.when(pl.col("number") % 10 == 3).then(None).when(pl.col("number") % 10 == 4).then(float("nan"))
    now = NOW.with_columns(lost, x=holes.otherwise(pl.when(STORE == 7).then(X * 100).otherwise("x")))
    before = BEFORE.with_columns(lost, x=pl.when(pl.col("number") % 10 == 5).then(float("inf")).otherwise("x"))
    said = segment_in_words(before, now, "x", BY)
    assert said is not None
    assert said.startswith("most of all where `store` has no value: a mean of 26.5")
    assert " before, 2,7" in said
    assert "nan" not in said
    assert "inf" not in said


def test_a_column_of_many_values_tells_no_segment_and_its_text_is_shortened():
    many = pl.when(STORE == 7).then(7).otherwise("number")
    before, now = BEFORE.with_columns(many=many), in_store(X * 100).with_columns(many=many)
    assert before["many"].n_unique() > MOST_VALUES
    assert segment_in_words(before, now, "x", ["many"]) is None
    long = pl.when(STORE == 7).then(pl.lit("s" * 3000)).otherwise(pl.lit("t")).alias("long")
    said = segment_in_words(before.with_columns(long), now.with_columns(long), "x", ["long"])
    assert said is not None
    assert len(said) < 200


@pytest.mark.parametrize("empty", [BEFORE.clear(), BEFORE.with_columns(x=pl.lit(None, pl.Float64)), BEFORE.head(3)])
def test_without_rows_on_a_side_nothing_is_named(empty):
    assert segment_in_words(empty, NOW, "x", BY) is None
    assert segment_in_words(BEFORE, empty, "x", BY) is None


def test_the_order_of_rows_does_not_matter():
    now = in_store(X * 100)
    assert segment_in_words(BEFORE.reverse(), now.reverse(), "x", BY) == segment_in_words(BEFORE, now, "x", BY)

"""What the event loop may compute: what is known to take microseconds, and nothing that is not known."""

import polars as pl
import pytest

from feature_platform.compute.plans.light import is_light

X, Y, TEXT = pl.col("x"), pl.col("view.y"), pl.col("text")
LIGHT = [
    X - Y,
    X / (Y.abs() + 1),
    pl.when(X > 1).then(Y).otherwise(None),
    (X.is_null() | ~(Y >= 2)).cast(pl.Int8),
    X.fill_null(0).clip(0, 1).round(2) ** 2,
    pl.coalesce(X, Y).log1p().exp(),
    pl.col("at").dt.hour() + (pl.col("at") - pl.col("then")).dt.total_minutes(),
    TEXT == "a",
]
UNKNOWN = [
    X.map_batches(lambda values: values),
    X.map_elements(lambda value: value, return_dtype=pl.Int64),
    TEXT.str.replace_all("a", "b" * 1_000_000),
    X.repeat_by(pl.col("n")),
    X + TEXT.str.len_chars(),
    pl.int_ranges(X, Y).list.sum(),
    pl.when(TEXT.str.contains("(a+)+b")).then(X).otherwise(Y),
    X + Y.sum(),
]


@pytest.mark.parametrize("expression", LIGHT, ids=str)
def test_numbers_times_and_choices_are_light(expression: pl.Expr) -> None:
    assert is_light(expression)


@pytest.mark.parametrize("expression", UNKNOWN, ids=lambda each: str(each)[:40])
def test_what_may_take_long_or_is_not_known_is_not(expression: pl.Expr) -> None:
    assert not is_light(expression)

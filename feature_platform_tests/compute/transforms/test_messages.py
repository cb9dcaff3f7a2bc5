"""Messages given to a function many at a time come to the same as one after the other, however they are cut."""

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_platform.compute.plans.functions import works_row_by_row
from feature_platform.compute.transforms.messages import map_messages, split_at_failures
from feature_platform_tests.effort import tries

Function = Callable[[pl.LazyFrame], pl.LazyFrame]
SCHEMA = pl.Schema({"k": pl.Int64(), "x": pl.Float64(), "parts": pl.List(pl.Int64())})


def divmod_of(key: int) -> int:
    """Something that Polars has no expression for."""
    return hash(divmod(key, 7))


QUICK: dict[str, Function] = {
    "as it is": lambda rows: rows,
    "select": lambda rows: rows.select("k", y=pl.col("x") * 2),
    "filter": lambda rows: rows.filter(pl.col("x") > 0),
    "filter and select": lambda rows: rows.filter(pl.col("x") > 0).select("k"),
    "constant": lambda rows: rows.select(pl.lit(1).alias("one")),
}
SLOW: dict[str, Function] = {
    "unique": lambda rows: rows.unique("k", keep="last", maintain_order=True),
    "explode": lambda rows: rows.explode("parts", empty_as_null=False),
    "sum": lambda rows: rows.with_columns(total=pl.col("x").sum()),
    "shift": lambda rows: rows.with_columns(before=pl.col("x").shift()),
    "sort": lambda rows: rows.sort("x"),
    "python": lambda rows: rows.with_columns(pl.col("k").map_elements(divmod_of, return_dtype=pl.Int64)),
}
ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.none() | st.sampled_from([-1.0, 0.0, 1.0, float("nan")]),
        st.none() | st.lists(st.integers(0, 9), max_size=3),
    ),
    max_size=9,
).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_the_plan_tells_which_functions_may_have_all_at_once(name: str) -> None:
    assert works_row_by_row({**QUICK, **SLOW}[name], SCHEMA) == (name in QUICK)


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
@settings(max_examples=tries(60))
@given(rows=ROWS, cut=st.integers(0, 9))
def test_the_rows_of_a_message_depend_on_no_other(name: str, rows: pl.DataFrame, cut: int) -> None:
    function = {**QUICK, **SLOW}[name]
    alone = [
        function(rows[number : number + 1].lazy()).collect().with_columns(place=pl.lit(number, dtype=pl.UInt32))
        for number in range(rows.height)
    ]
    together = map_messages(function, rows, "place")
    if alone:
        assert_frame_equal(together, pl.concat(alone))
    else:
        assert together.is_empty()
    first, second = map_messages(function, rows[:cut], "place"), map_messages(function, rows[cut:], "place")
    assert_frame_equal(together.drop("place"), pl.concat([first, second], how="vertical_relaxed").drop("place"))


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_messages_that_fail_are_found_and_the_others_taken_in_order(fails: list[bool]) -> None:
    messages = pl.DataFrame({"place": range(len(fails)), "fails": fails})
    taken, refused = list[int](), list[int]()

    def take(some: pl.DataFrame) -> None:
        if some["fails"].any():
            raise KeyError
        taken.extend(some["place"])

    split_at_failures(take, messages, (KeyError,), lambda one, _: refused.append(one["place"].item()))

    assert taken == [place for place, each in enumerate(fails) if not each]
    assert refused == [place for place, each in enumerate(fails) if each]
